"""How good the present policies are on days they do not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ric_sim.envs.lanes import LaneBatch, MaskRules
from ric_sim.network.city import City
from ric_sim.network.episodes.kernels import ARRIVED
from ric_sim.network.traffic import Day
from xapps.learning.networks import RoutingNetwork
from xapps.learning.rollout import Collector

_TICKS = 64
_LANES = 16
"""Few and long: a reservation held for minutes takes room from requests long after it."""
_FILLED = 250
"""Requests a lane carries by a plain rule before the policies take over: an empty network fills in some five minutes."""
_WARM_UP_FLOWS = 40
"""Requests the policies themselves play before they count."""


@dataclass(frozen=True)
class Score:
    """Greedy policies on validation days.

    Attributes:
        gos: Grade of Service (0-1), the mean over the cities.
        gos_by_city: by profile. gos_by_service, latency_ms_by_service: by service key, over all cities.
        requests: how many counted.
    """

    gos: float
    gos_by_city: dict[str, float]
    gos_by_service: dict[str, float]
    latency_ms_by_service: dict[str, float]
    requests: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


class Validation:
    """Stretches of a validation day per city, spread evenly over the day, played greedily."""

    def __init__(self, scenarios: Sequence[tuple[City, Day]], *, flows: int, rules: MaskRules) -> None:
        """`flows`: requests counted per city; no more than the day has."""
        self._per_lane = max(1, min(flows, min(len(day) for _, day in scenarios)) // _LANES)
        self._batches = [LaneBatch(city, day, n_lanes=_LANES, stretch=1, seed=0, rules=rules) for city, day in scenarios]
        self._first = [self._place(batch) for batch in self._batches]
        for batch in self._batches:
            batch.fill(_FILLED)
        self._states = [batch.state() for batch in self._batches]

    def score(self, networks: Sequence[RoutingNetwork]) -> Score:
        """Plays with `networks` by service index; the same networks get the same score."""
        batches, first = self._batches, self._first
        for batch, state in zip(batches, self._states, strict=True):
            batch.restore(state)
        collector = Collector(batches, networks, seed=0)
        counted = [np.zeros((_LANES, self._per_lane), dtype=np.int64) - 1 for _ in batches]
        latency_us = [np.zeros((_LANES, self._per_lane), dtype=np.int64) for _ in batches]
        while any((of_city < 0).any() for of_city in counted):
            collector.play(_TICKS)
            for outcomes, start, status, latency in zip(collector.outcomes, first, counted, latency_us, strict=True):
                n = int(outcomes.written[0])
                lane = outcomes.lane[:n]
                place = outcomes.flow[:n] - start[lane]
                inside = (place >= 0) & (place < self._per_lane)
                fresh = inside & (status[lane, np.clip(place, 0, self._per_lane - 1)] < 0)
                status[lane[fresh], place[fresh]] = outcomes.status[:n][fresh]
                latency[lane[fresh], place[fresh]] = outcomes.latency_us[:n][fresh]
        return self._summary(batches, first, counted, latency_us)

    def _place(self, batch: LaneBatch) -> np.ndarray:
        """Sets each lane on its stretch, a warm-up before it; int64 [L], the first flow that counts."""
        spread = np.linspace(_FILLED + _WARM_UP_FLOWS, len(batch.day) - self._per_lane, _LANES).astype(np.int64)
        lanes = batch.lanes
        lanes.cursor[:] = spread - _WARM_UP_FLOWS - _FILLED
        lanes.last[:] = spread + self._per_lane
        return spread

    def _summary(self, batches: list[LaneBatch], first: list, counted: list, latency_us: list) -> Score:
        services = [spec.key for spec in batches[0].city.services]
        accepted = [status == ARRIVED for status in counted]
        service = [
            batch.lanes.flows[start[:, None] + np.arange(self._per_lane), 0] for batch, start in zip(batches, first, strict=True)
        ]
        every, which, took = (np.concatenate([part.ravel() for part in parts]) for parts in (accepted, service, latency_us))
        by_city = {batch.city.profile: float(part.mean()) for batch, part in zip(batches, accepted, strict=True)}
        return Score(
            gos=float(np.mean(list(by_city.values()))),
            gos_by_city=by_city,
            gos_by_service={key: _mean(every[which == index]) for index, key in enumerate(services)},
            latency_ms_by_service={key: _mean(took[(which == index) & every] / 1000) for index, key in enumerate(services)},
            requests=len(every),
        )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
