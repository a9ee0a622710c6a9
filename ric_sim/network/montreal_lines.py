"""Which nodes of the built-in city are joined, and by what: nearest-neighbour rules from the radio inwards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ric_sim.network import montreal_data as data
from ric_sim.network.city import NodeKind
from ric_sim.network.city_assembly import NodeRow


class Line(NamedTuple):
    """One physical line, the same both ways."""

    a: int
    b: int
    capacity_kbps: int
    latency_us: int


def lines_between(nodes: Sequence[NodeRow], *, ru_district: Sequence[int], far_latency_us: int) -> list[Line]:
    """Every line once.

    Order: O-RU to access (300), access to aggregation (48), access chords (24), aggregation ring (10), aggregation to
    core (20), core mesh (6), O-DU (20), O-CU (12), UPF (14); inside each, by the first node, nearest partner first.
    """
    lines = []
    for a, b, mbps in _Rules(nodes, ru_district).all():
        regional = any(nodes[end].kind.is_host and not nodes[end].near for end in (a, b))
        fixed_us = far_latency_us if regional else data.HOP_LATENCY_US
        latency_us = round(fixed_us + data.FIBRE_US_PER_KM * _distance_km(nodes[a], nodes[b]))
        lines.append(Line(a, b, mbps * 1000, latency_us))
    return lines


_Pair = tuple[int, int, int]
"""Node, node, Mbps per direction."""


@dataclass(frozen=True, slots=True)
class _Rules:
    nodes: Sequence[NodeRow]
    ru_district: Sequence[int]

    def all(self) -> Iterator[_Pair]:
        access, aggregation, core = (self._of(kind) for kind in (NodeKind.ACCESS, NodeKind.AGGREGATION, NodeKind.CORE))
        for ru, district in zip(self._of(NodeKind.O_RU), self.ru_district, strict=True):
            yield ru, access[district], data.RU_LINK_MBPS
        yield from self._to_two_nearest(access, aggregation, data.SWITCH_LINK_MBPS)
        yield from self._chords(access)
        ring = self._by_angle(aggregation)
        yield from ((a, b, data.SWITCH_LINK_MBPS) for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))
        yield from self._to_two_nearest(aggregation, core, data.SWITCH_LINK_MBPS)
        yield from ((a, b, data.CORE_LINK_MBPS) for rank, a in enumerate(core) for b in core[rank + 1 :])
        yield from self._to_two_nearest(self._of(NodeKind.O_DU), aggregation, data.DU_LINK_MBPS)
        yield from self._cu_lines(aggregation, core)
        yield from self._to_two_nearest(self._of(NodeKind.UPF), core, data.UPF_LINK_MBPS)

    def _of(self, kind: NodeKind) -> list[int]:
        return [index for index, node in enumerate(self.nodes) if node.kind == kind]

    def _nearest(self, node: int, candidates: Sequence[int]) -> list[int]:
        return sorted(candidates, key=lambda other: (_distance_km(self.nodes[node], self.nodes[other]), other))

    def _to_two_nearest(self, members: Sequence[int], candidates: Sequence[int], mbps: int) -> Iterator[_Pair]:
        return ((node, other, mbps) for node in members for other in self._nearest(node, candidates)[:2])

    def _chords(self, access: Sequence[int]) -> Iterator[_Pair]:
        """Each access switch in turn to the nearest one it is not joined to yet."""
        joined: set[frozenset[int]] = set()
        for node in access:
            others = (other for other in self._nearest(node, access) if other != node)
            partner = next(other for other in others if frozenset((node, other)) not in joined)
            joined.add(frozenset((node, partner)))
            yield node, partner, data.SWITCH_LINK_MBPS

    def _by_angle(self, members: Sequence[int]) -> list[int]:
        """Members anticlockwise about their centroid."""
        x_km = sum(self.nodes[node].x_km for node in members) / len(members)
        y_km = sum(self.nodes[node].y_km for node in members) / len(members)
        return sorted(members, key=lambda node: math.atan2(self.nodes[node].y_km - y_km, self.nodes[node].x_km - x_km))

    def _cu_lines(self, aggregation: Sequence[int], core: Sequence[int]) -> Iterator[_Pair]:
        """Near O-CU stand at two cores, regional ones at one aggregation switch and one core."""
        for cu in self._of(NodeKind.O_CU):
            cores = self._nearest(cu, core)
            ends = cores[:2] if self.nodes[cu].near else [self._nearest(cu, aggregation)[0], cores[0]]
            yield from ((cu, end, data.CU_LINK_MBPS) for end in ends)


def _distance_km(a: NodeRow, b: NodeRow) -> float:
    return math.sqrt((a.x_km - b.x_km) ** 2 + (a.y_km - b.y_km) ** 2)
