"""Whole days under priced routing, several times faster than `ric_sim.envs.evaluate` and with the same outcome.

For searches that play a day hundreds of times. Everything is on a fresh snapshot, as in an evaluation without staleness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import Cause
from ric_sim.envs.kernels_day import DayArrays, play
from ric_sim.network.admission import processing_coefficient_ns
from ric_sim.network.chain import ChainReader
from ric_sim.network.city import City, IntArray
from ric_sim.network.graph import graph_arrays
from ric_sim.network.policies.prices_tuned import Numbers, price_table
from ric_sim.network.scenario import Scenario
from ric_sim.network.traffic import Day


@dataclass(frozen=True, eq=False)
class DayOutcome:
    """What became of each of F flows. All arrays [F].

    Attributes:
        causes: int8, `Cause.NONE` if carried, else NO_ROUTE_CAPACITY or NO_ROUTE_LATENCY.
        latency_us, hops: int64, of the route, 0 if not carried.
    """

    causes: npt.NDArray[np.int8]
    latency_us: IntArray
    hops: IntArray

    @property
    def accepted(self) -> npt.NDArray[np.bool_]:
        return self.causes == Cause.NONE

    @property
    def gos_ratio(self) -> float:
        """Grade of Service, accepted / requests; 0 for a day without requests."""
        return float(self.accepted.mean()) if len(self.causes) else 0.0


class FastDay:
    """A day in a city, ready to be played again and again under other numbers."""

    def __init__(self, scenario: Scenario) -> None:
        """Raises `InvalidInput` for a flow that names a node or service the city has not."""
        self._city = scenario.city
        self._graph = graph_arrays(scenario.city)
        self._day = day_arrays(scenario.city, scenario.day)

    def play(self, numbers: Numbers) -> DayOutcome:
        """The day under the policy `priced` with these numbers; {} is `cspf`.

        Raises:
            UnknownKey, OutOfRange: as `PricedPrices`.
        """
        return DayOutcome(*play(self._graph, price_table(self._city, numbers), self._day))


def day_arrays(city: City, day: Day) -> DayArrays:
    """The flows of a day as the kernel takes them, checked; it indexes without bounds checks."""
    _check(city, day)
    pairs, terms_of = np.unique(np.stack([day.service, day.bandwidth_kbps]), axis=1, return_inverse=True)
    return DayArrays(
        service=_int64(day.service),
        direction=_int64(day.direction),
        ru=_int64(day.ru),
        upf=_int64(day.upf),
        bandwidth_kbps=_int64(day.bandwidth_kbps),
        arrival_ms=_int64(day.arrival_ms),
        end_ms=_int64(day.end_ms),
        by_end=np.argsort(day.end_ms, kind="stable").astype(np.int64),
        terms_of=_int64(terms_of.reshape(-1)),
        tier_terms=np.array([_tier_terms(city, *pair) for pair in pairs.T.tolist()], np.int64).reshape(-1, 2, 4),
        budget_us=_int64([spec.latency_budget_us for spec in city.services]),
    )


def _check(city: City, day: Day) -> None:
    """Reads one chain of each kind of flow and of the least and greatest bandwidth: the reader refuses what does not exist."""
    if not len(day):
        return
    ends = np.stack([day.service, day.direction, day.ru, day.upf])
    kinds = np.unique(ends, axis=1, return_index=True)[1]
    reader, idle = ChainReader(city), np.zeros(city.n_resources, dtype=np.int64)
    for index in (*kinds.tolist(), int(day.bandwidth_kbps.argmin()), int(day.bandwidth_kbps.argmax())):
        reader.chain(idle, day.flow(index))


def _tier_terms(city: City, service: int, bandwidth_kbps: int) -> list[list[int]]:
    """Processing coefficients (ns) and compute demand (micro-cores) of the four tiers."""
    spec = city.services[service]
    coefficients_ns = [processing_coefficient_ns(spec, tier, bandwidth_kbps) for tier in range(4)]
    return [coefficients_ns, [bandwidth_kbps * per_kbps for per_kbps in spec.compute_ucore_per_kbps]]


def _int64(values: npt.ArrayLike) -> IntArray:
    return np.array(values, dtype=np.int64, order="C")
