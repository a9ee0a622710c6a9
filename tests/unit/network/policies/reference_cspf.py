"""CSPF once more, slow and by other means: what the compiled search is compared with.

States are (functions run, node); values are found by sweeping over all edges until nothing changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.network.admission import commit_request, host_processing_us, processing_coefficient_ns
from ric_sim.network.city import City, NodeKind

_UPLINK_CHAIN = (NodeKind.O_RU, NodeKind.O_DU, NodeKind.O_CU, NodeKind.UPF)

State = tuple[int, int]


@dataclass(frozen=True)
class Edge:
    """A link taken at a stage."""

    link: int
    start: State
    end: State
    latency_us: int


@dataclass(frozen=True)
class Problem:
    """A request on a snapshot as an explicit graph."""

    start: State
    start_us: int
    edges: tuple[Edge, ...]

    @classmethod
    def of(cls, city: City, used: Sequence[int], flow: FlowRequest) -> Problem:
        chain = _UPLINK_CHAIN if flow.direction == Direction.UPLINK else _UPLINK_CHAIN[::-1]
        source = flow.ru if flow.direction == Direction.UPLINK else flow.upf
        start_us = _delay_us(city, used, flow, source) if _has_room(city, used, flow, source) else math.inf
        edges = []
        ends = zip(city.link_src.tolist(), city.link_dst.tolist(), city.link_latency_us.tolist(), strict=True)
        for link, (origin, target, latency_us) in enumerate(ends):
            kind = NodeKind(_tier(city, target))
            if used[link] + flow.bandwidth_kbps > city.link_capacity_kbps[link]:
                continue
            for stage in range(3):
                if not _may_stand(city, used, flow, origin, source if stage == 0 else None, chain[stage]):
                    continue
                if not kind.is_host:
                    edges.append(Edge(link, (stage, origin), (stage, target), latency_us))
                elif kind == chain[stage + 1] and _may_serve(city, used, flow, target):
                    delay_us = _delay_us(city, used, flow, target)
                    edges.append(Edge(link, (stage, origin), (stage + 1, target), latency_us + delay_us))
        return cls((0, source), start_us, tuple(edges))

    def latency_to_go(self) -> dict[State, float]:
        """Least latency from every state to the destination; states from which there is no way are missing."""
        values = {edge.end: 0.0 for edge in self.edges if edge.end[0] == 3}
        changed = True
        while changed:
            changed = False
            for edge in self.edges:
                through = values.get(edge.end, math.inf) + edge.latency_us
                if through < values.get(edge.start, math.inf):
                    values[edge.start] = through
                    changed = True
        return values

    def routes(self) -> Iterator[tuple[int, ...]]:
        """Every route that passes no switch twice within a stage."""
        outgoing: dict[State, list[Edge]] = {}
        for edge in self.edges:
            outgoing.setdefault(edge.start, []).append(edge)
        pending: list[tuple[State, tuple[int, ...], frozenset[State]]] = [(self.start, (), frozenset((self.start,)))]
        while pending:
            state, links, seen = pending.pop()
            if state[0] == 3:
                yield links
            onward = [edge for edge in outgoing.get(state, ()) if edge.end not in seen]
            pending += [(edge.end, (*links, edge.link), seen | {edge.end}) for edge in onward]


def fits(city: City, used: Sequence[int], flow: FlowRequest, links: tuple[int, ...]) -> bool:
    """Whether a store would commit the route on this snapshot."""
    request = commit_request(city, flow, links)
    latency_us = request.propagation_us + sum(host_processing_us(int(used[host]), *terms) for host, *terms in request.hosts)
    has_room = all(used[resource] + amount <= city.limits[resource] for resource, amount in request.entries)
    return has_room and latency_us <= request.budget_us


def verdict(problem: Problem, budget_us: int) -> Cause:
    """NONE, or why there is no route, link crossings aside."""
    to_go = problem.latency_to_go().get(problem.start, math.inf)
    if math.isinf(to_go) or math.isinf(problem.start_us):
        return Cause.NO_ROUTE_CAPACITY
    return Cause.NO_ROUTE_LATENCY if problem.start_us + to_go > budget_us else Cause.NONE


def _tier(city: City, node: int) -> int:
    return int(city.node_kind[node])


def _has_room(city: City, used: Sequence[int], flow: FlowRequest, node: int) -> bool:
    demand = flow.bandwidth_kbps * city.services[flow.service].compute_ucore_per_kbps[_tier(city, node)]
    return int(used[city.n_links + node]) + demand <= city.compute_limit_ucores[node]


def _may_serve(city: City, used: Sequence[int], flow: FlowRequest, node: int) -> bool:
    kind = NodeKind(_tier(city, node))
    if kind == NodeKind.O_RU and node != flow.ru:
        return False
    if kind == NodeKind.UPF and not (city.upf_service[node] == flow.service and flow.upf in (-1, node)):
        return False
    return _has_room(city, used, flow, node)


def _may_stand(city: City, used: Sequence[int], flow: FlowRequest, node: int, source: int | None, kind: NodeKind) -> bool:
    """Whether the request can be at this node after the function of a tier; `source` is given at the first stage only."""
    if city.node_kind[node] > NodeKind.UPF:
        return True
    return node == source if source is not None else city.node_kind[node] == kind and _may_serve(city, used, flow, node)


def _delay_us(city: City, used: Sequence[int], flow: FlowRequest, node: int) -> int:
    coefficient_ns = processing_coefficient_ns(city.services[flow.service], _tier(city, node), flow.bandwidth_kbps)
    nominal = int(city.compute_nominal_ucores[node])
    return host_processing_us(int(used[city.n_links + node]), coefficient_ns, nominal) if coefficient_ns else 0
