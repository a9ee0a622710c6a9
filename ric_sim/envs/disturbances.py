"""What may befall a day: more demand of one service, a line or a UPF out of order for some hours.

A rise of demand is another day. An outage is a reservation of the whole limit of every failed resource, from its beginning to
its end: snapshots then show these resources as full, which is all that a policy learns of it and needs to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import InvalidInput, OutOfRange, UnknownKey
from ric_sim.domain.reservation import CommitRequest
from ric_sim.network.city import City, NodeKind
from ric_sim.network.scenario import Scenario
from ric_sim.network.traffic import COLUMNS, DAY_MS, Day, sorted_day

HOUR_MS = 3_600_000
DEFAULT_FROM_MS, DEFAULT_TO_MS = 14 * HOUR_MS, 18 * HOUR_MS
"""The busy afternoon, with quiet hours before and a second peak after it."""

_NO_BUDGET_US = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Outage:
    """Resources that carry nothing for a while. What they held when it begins is lost and does not come back.

    Attributes:
        name: for people and for the id of its reservation.
        resources: indices as in `City.limits`, distinct.
        from_ms, to_ms: emulated time, [from, to).
    """

    name: str
    resources: tuple[int, ...]
    from_ms: int = DEFAULT_FROM_MS
    to_ms: int = DEFAULT_TO_MS

    def __post_init__(self) -> None:
        if not 0 <= self.from_ms < self.to_ms:
            raise OutOfRange(f"outage {self.name!r} from {self.from_ms} to {self.to_ms} ms: expected 0 <= from < to")

    def reservation(self, city: City) -> CommitRequest:
        """The commit that fills every failed resource until the end of the outage; it fits once they hold nothing."""
        limits = city.limits
        return CommitRequest(
            flow_id=f"outage-{self.name}-{self.from_ms}"[:128],
            service=0,
            expiry_ms=self.to_ms,
            budget_us=_NO_BUDGET_US,
            propagation_us=0,
            entries=tuple((resource, int(limits[resource])) for resource in self.resources if limits[resource]),
            hosts=(),
            route=(),
        )


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A disturbed scenario and when the disturbance lasts; `outages` is empty where only the demand differs."""

    name: str
    scenario: Scenario
    from_ms: int
    to_ms: int
    outages: tuple[Outage, ...] = ()


def link_failed(city: City, ends: tuple[str, str], *, from_ms: int = DEFAULT_FROM_MS, to_ms: int = DEFAULT_TO_MS) -> Outage:
    """The line between two nodes, by name, is cut: both directed links.

    Raises:
        UnknownKey: no such node.
        InvalidInput: no link joins them.
    """
    a, b = (_node(city, name) for name in ends)
    links = np.flatnonzero(((city.link_src == a) & (city.link_dst == b)) | ((city.link_src == b) & (city.link_dst == a))).tolist()
    if not links:
        around = [city.node_names[node] for node in city.neighbours[a].tolist() if node >= 0]
        raise InvalidInput(f"no link joins {ends[0]} and {ends[1]}: {ends[0]} is joined to {', '.join(around[:12])}")
    return Outage(f"{ends[0]}:{ends[1]}", tuple(links), from_ms, to_ms)


def upf_failed(city: City, upf: str, *, from_ms: int = DEFAULT_FROM_MS, to_ms: int = DEFAULT_TO_MS) -> Outage:
    """A UPF has no compute left for anybody; flows that end there are lost, downlink flows that begin there have no source.

    Raises:
        UnknownKey: no such UPF.
    """
    names = {city.node_names[node]: node for node in city.nodes_of(NodeKind.UPF).tolist()}
    if upf not in names:
        raise UnknownKey("UPF", upf, names)
    return Outage(upf, (city.n_links + names[upf],), from_ms, to_ms)


def demand_scaled(
    scenario: Scenario,
    service: str,
    factor: float,
    *,
    from_ms: int = DEFAULT_FROM_MS,
    to_ms: int = DEFAULT_TO_MS,
    seed: int = 1,
) -> Scenario:
    """The scenario with `factor` times the flows of one service among those that arrive in a part of the day.

    The extra flows have the statistics of the service: each takes bundle, holding time, chain and UPF of one flow drawn from
    its own that arrive then, the O-RU of another one of the same hour, and any instant of that hour. The flows of the day
    itself stay as they are, with other ids.

    Args:
        factor: at least 1; 1.5 is half as many again.
        seed: of the extra flows.
    Raises:
        UnknownKey: no such service.
        OutOfRange: a factor below 1 or not finite, or no time between `from_ms` and `to_ms`.
    """
    index = scenario.city.service_index.get(service)
    if index is None:
        raise UnknownKey("service", service, scenario.city.service_index)
    if not (factor >= 1 and math.isfinite(factor)):
        raise OutOfRange(f"demand times {factor}: expected a number from 1 on")
    if not 0 <= from_ms < to_ms <= DAY_MS:
        raise OutOfRange(f"demand from {from_ms} to {to_ms} ms: expected 0 <= from < to <= {DAY_MS}")
    day = scenario.day
    window = np.flatnonzero((day.service == index) & (day.arrival_ms >= from_ms) & (day.arrival_ms < to_ms))
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    extra = _resampled(day, window, round((factor - 1) * len(window)), rng, (from_ms, to_ms))
    columns: dict[str, npt.ArrayLike] = {column: np.concatenate([getattr(day, column), extra[column]]) for column in COLUMNS}
    return Scenario(scenario.city, sorted_day(f"{day.name}-{service}-x{factor:g}", columns))


def _resampled(
    day: Day, window: np.ndarray, count: int, rng: np.random.Generator, span_ms: tuple[int, int]
) -> dict[str, np.ndarray]:
    """`count` new flows with the statistics of the flows `window`, all columns of a `Day`."""
    chosen = rng.choice(window, count) if count else window[:0]
    hour = day.arrival_ms[chosen] // HOUR_MS
    place = chosen.copy()
    for each in np.unique(hour).tolist():
        of_hour = window[day.arrival_ms[window] // HOUR_MS == each]
        place[hour == each] = rng.choice(of_hour, int((hour == each).sum()))
    low = np.maximum(hour * HOUR_MS, span_ms[0])
    high = np.minimum((hour + 1) * HOUR_MS, span_ms[1])
    columns = {column: getattr(day, column)[chosen] for column in COLUMNS}
    return columns | {"ru": day.ru[place], "arrival_ms": rng.integers(low, high)}


def disturbances(
    scenario: Scenario,
    names: Sequence[str],
    *,
    demand: tuple[str, float] = ("iot", 1.5),
    line: tuple[str, str] = ("core-saint-laurent", "agg-saint-laurent"),
    upf: str = "upf-iot-0",
) -> list[Disturbance]:
    """The named ones of `DISTURBANCES`, from 14 to 18 h; `none` is the day as it is, to hold the others against.

    The default line is among the busiest under every policy; the default UPF is one of the two of massive IoT, as no policy
    can do anything about the loss of an only one.

    Raises:
        UnknownKey: no such disturbance, service, node or UPF.
    """
    chosen = []
    for name in names:
        if name not in DISTURBANCES:
            raise UnknownKey("disturbance", name, DISTURBANCES)
        if name == "none":
            chosen.append(Disturbance("undisturbed", scenario, DEFAULT_FROM_MS, DEFAULT_TO_MS))
            continue
        if name == "demand":
            disturbed = demand_scaled(scenario, *demand)
            title = f"{demand[0]} demand x {demand[1]:g}"
            chosen.append(Disturbance(title, disturbed, DEFAULT_FROM_MS, DEFAULT_TO_MS))
            continue
        outage = link_failed(scenario.city, line) if name == "link" else upf_failed(scenario.city, upf)
        title = f"link {outage.name} failed" if name == "link" else f"{outage.name} failed"
        chosen.append(Disturbance(title, scenario, outage.from_ms, outage.to_ms, (outage,)))
    return chosen


DISTURBANCES = ("none", "demand", "link", "upf")


def _node(city: City, name: str) -> int:
    try:
        return city.node_names.index(name)
    except ValueError:
        inner = [each for each, kind in zip(city.node_names, city.node_kind.tolist(), strict=True) if kind != NodeKind.O_RU]
        raise UnknownKey("node", name, inner) from None
