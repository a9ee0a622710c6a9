"""Policies that choose among routes computed once on the idle city: the shortest one, or the first of k that fits."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange
from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.network.chain import Chain, ChainReader, as_amounts
from ric_sim.network.city import City, IntArray
from ric_sim.network.graph import LAST_STAGE, TRANSIT, GraphArrays, graph_arrays
from ric_sim.network.kernels_layered import UNREACHABLE_US
from ric_sim.network.masks import LatencyFloors
from ric_sim.network.policies.base import NO_ROUTE_CAPACITY, NO_ROUTE_LATENCY, Plan

MAX_ROUTES = 100


@dataclass(frozen=True, slots=True)
class FixedRoute:
    """A route and what it takes per kbps.

    Attributes:
        links, propagation_us: of the route.
        hosts: int64 [4], the nodes that run the chain, source first.
        resources: int64 [M], distinct links, then the compute of the hosts.
        per_kbps: int64 [M], crossings of the link or micro-cores of the host.
    """

    links: tuple[int, ...]
    propagation_us: int
    hosts: IntArray
    resources: IntArray
    per_kbps: IntArray


class FirstFitPolicy:
    """The first of the `k` shortest routes (by propagation on the idle city) that fits now."""

    def __init__(self, name: str, city: City, k: int) -> None:
        if not 1 <= k <= MAX_ROUTES:
            raise OutOfRange(f"k {k} is outside 1 to {MAX_ROUTES} routes")
        self.name = name
        self._city = city
        self._k = k
        self._graph = graph_arrays(city)
        self._reader = ChainReader(city)
        self._floors = LatencyFloors(city)
        self._routes: dict[tuple[int, int, int, int], tuple[FixedRoute, ...]] = {}

    def plan(self, used: npt.NDArray[np.uint32], flow: FlowRequest) -> Plan:
        amounts = as_amounts(used)
        chain = self._reader.chain(amounts, flow)
        answer = NO_ROUTE_CAPACITY
        for route in self._routes_of(flow):
            needed = amounts[route.resources] + flow.bandwidth_kbps * route.per_kbps
            if np.any(needed > self._graph.limit[route.resources]):
                continue
            latency_us = route.propagation_us + int(chain.delay_us[route.hosts].sum())
            if latency_us <= chain.budget_us:
                return Plan(route.links, Cause.NONE, latency_us)
            answer = NO_ROUTE_LATENCY
        return answer

    def _routes_of(self, flow: FlowRequest) -> tuple[FixedRoute, ...]:
        ends = (flow.service, flow.direction, flow.ru, flow.upf)
        routes = self._routes.get(ends)
        if routes is None:
            chain = self._floors.idle_chain(flow)
            found = shortest_routes(self._graph, chain, self._floors.floor_us(flow), self._k)
            routes = tuple(self._fixed_route(flow, chain, links) for links in found)
            self._routes[ends] = routes
        return routes

    def _fixed_route(self, flow: FlowRequest, chain: Chain, links: tuple[int, ...]) -> FixedRoute:
        spec = self._city.services[flow.service]
        targets = self._graph.target[list(links)].tolist()
        hosts = [chain.source, *(node for node in targets if chain.enter_stage[node] != TRANSIT)]
        crossings = Counter(links)
        compute = [spec.compute_ucore_per_kbps[int(self._graph.kind[node])] for node in hosts]
        return FixedRoute(
            links=links,
            propagation_us=int(self._graph.latency_us[list(links)].sum()),
            hosts=np.array(hosts, dtype=np.int64),
            resources=np.array([*crossings, *(self._city.n_links + node for node in hosts)], dtype=np.int64),
            per_kbps=np.array([*crossings.values(), *compute], dtype=np.int64),
        )


def shortest_routes(graph: GraphArrays, chain: Chain, floor_us: IntArray, k: int) -> list[tuple[int, ...]]:
    """The k shortest routes of a chain, shortest first, ties by their links; no switch twice within a stage.

    Best first with the exact remaining latency `floor_us` (int64 [4, N]), so nothing longer than the k-th route is opened.
    """
    start = (int(floor_us[0, chain.source]), (), chain.source, 0, frozenset((chain.source,)))
    frontier: list[tuple[int, tuple[int, ...], int, int, frozenset[int]]] = [start]
    routes: list[tuple[int, ...]] = []
    while frontier and len(routes) < k:
        total_us, links, node, stage, visited = heapq.heappop(frontier)
        if stage == LAST_STAGE:
            routes.append(links)
            continue
        so_far_us = total_us - int(floor_us[stage, node])
        for link in graph.out_link[graph.out_start[node] : graph.out_start[node + 1]].tolist():
            target = int(graph.target[link])
            entered = chain.enter_stage[target] == stage + 1
            next_stage = stage + int(entered)
            if not entered and (chain.enter_stage[target] != TRANSIT or target in visited):
                continue
            to_go_us = int(floor_us[next_stage, target])
            if to_go_us == UNREACHABLE_US:
                continue
            seen = frozenset((target,)) if entered else visited | {target}
            reach_us = so_far_us + int(graph.latency_us[link]) + to_go_us
            heapq.heappush(frontier, (reach_us, (*links, link), target, next_stage, seen))
    return routes
