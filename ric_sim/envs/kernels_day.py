"""A whole day of requests under priced routing, played by compiled code.

The searches are those of the policies, imported. The on-disk cache of compiled code watches one file per kernel and would
not notice a change of theirs, so the kernels here are compiled anew in each process; the imported ones come from the cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.domain.flow import Cause
from ric_sim.domain.service import Direction
from ric_sim.network.admission import MAX_ROUTE_LINKS
from ric_sim.network.chain import Chain
from ric_sim.network.city import LAST_HOST_KIND, IntArray
from ric_sim.network.graph import LAST_STAGE, GraphArrays
from ric_sim.network.kernels_chain import open_hosts
from ric_sim.network.kernels_layered import UNREACHABLE_US, cheapest_route, latency_to_go, overused_link
from ric_sim.network.kernels_prices import FloatArray, PriceTable, load_prices
from ric_sim.network.policies.layered import MAX_REPAIRS

_NONE = int(Cause.NONE)
_NO_CAPACITY = int(Cause.NO_ROUTE_CAPACITY)
_TOO_LATE = int(Cause.NO_ROUTE_LATENCY)
_UPLINK = int(Direction.UPLINK)


class DayArrays(NamedTuple):
    """F flows sorted by arrival, K distinct pairs of service and bandwidth; int64, C-contiguous.

    Attributes:
        service, direction, ru, upf, bandwidth_kbps, arrival_ms, end_ms: [F], as in `FlowRequest`.
        by_end: [F], flow indices by end.
        terms_of: [F], the row of `tier_terms`.
        tier_terms: [K, 2, 4], processing coefficient (ns) and compute demand (micro-cores) per tier.
        budget_us: [S].
    """

    service: IntArray
    direction: IntArray
    ru: IntArray
    upf: IntArray
    bandwidth_kbps: IntArray
    arrival_ms: IntArray
    end_ms: IntArray
    by_end: IntArray
    terms_of: IntArray
    tier_terms: IntArray
    budget_us: IntArray


@njit
def play(graph: GraphArrays, table: PriceTable, day: DayArrays) -> tuple[npt.NDArray[np.int8], IntArray, IntArray]:
    """Plans and carries every flow at its arrival, after what ends by then is released.

    Returns:
        Per flow [F] what stood in its way (`Cause.NONE`, NO_ROUTE_CAPACITY or NO_ROUTE_LATENCY), the latency in microseconds
        and the number of links of its route (0 if it was not carried).
    """
    n_flows = len(day.service)
    used = np.zeros(len(graph.limit), np.int64)
    causes = np.empty(n_flows, np.int8)
    latency_us = np.zeros(n_flows, np.int64)
    n_links_of = np.zeros(n_flows, np.int64)
    routes = np.empty((n_flows, MAX_ROUTE_LINKS), np.int32)
    idle_to_go = np.zeros((LAST_STAGE + 1, len(graph.kind)), np.int64)
    ended = 0
    for flow in range(n_flows):
        while ended < n_flows and day.end_ms[day.by_end[ended]] <= day.arrival_ms[flow]:
            past = day.by_end[ended]
            _reserve(graph, day, used, past, routes[past, : n_links_of[past]], -1)
            ended += 1
        cause, links, route_us = _plan(graph, table, day, used, flow, idle_to_go)
        causes[flow] = cause
        if cause == _NONE:
            latency_us[flow] = route_us
            n_links_of[flow] = len(links)
            routes[flow, : len(links)] = links
            _reserve(graph, day, used, flow, routes[flow, : len(links)], 1)
    return causes, latency_us, n_links_of


@njit
def _plan(
    graph: GraphArrays, table: PriceTable, day: DayArrays, used: IntArray, flow: int, idle_to_go: IntArray
) -> tuple[int, IntArray, int]:
    """`LayeredPolicy.plan`: cause, links, latency in microseconds. Leaves `used` as it was."""
    service, direction, bandwidth_kbps = day.service[flow], day.direction[flow], day.bandwidth_kbps[flow]
    source = day.ru[flow] if direction == _UPLINK else day.upf[flow]
    ends = (service, day.ru[flow], day.upf[flow])
    enter_stage, delay_us, has_room = open_hosts(graph, used, day.tier_terms[day.terms_of[flow]], ends, direction)
    none = np.empty(0, np.int64)
    if not has_room:
        return _NO_CAPACITY, none, 0
    chain = Chain(source, has_room, bandwidth_kbps, day.budget_us[service], enter_stage, delay_us)
    prices = load_prices(table, used, service, bandwidth_kbps)
    closed = np.empty(MAX_REPAIRS + 1, np.int64)
    before = np.empty(MAX_REPAIRS + 1, np.int64)
    n_closed = 0
    cause, route, route_us = _NO_CAPACITY, none, 0
    for _ in range(1 + MAX_REPAIRS):
        cause, route, route_us = _search(graph, chain, used, prices, idle_to_go)
        overused = overused_link(graph, chain, used, route)
        if overused < 0:
            break
        closed[n_closed], before[n_closed] = overused, used[overused]
        n_closed += 1
        used[overused] = graph.limit[overused]
        cause = _NO_CAPACITY
    for index in range(n_closed):
        used[closed[index]] = before[index]
    if len(route) > MAX_ROUTE_LINKS:
        cause = _NO_CAPACITY
    return cause, route, route_us


@njit
def _search(
    graph: GraphArrays, chain: Chain, used: IntArray, prices: tuple[FloatArray, FloatArray], idle_to_go: IntArray
) -> tuple[int, IntArray, int]:
    """The cheapest route within the budget.

    Most requests have latency to spare. The cheapest route of all, if it keeps the budget, is also the cheapest of those
    that do, so the search backwards is made only for the requests for which it is too late.
    """
    none = np.empty(0, np.int64)
    # Not a literal: numba would compile the kernel once more for it.
    minimax = np.int64(0)
    patient = Chain(chain.source, chain.source_has_room, chain.bandwidth_kbps, UNREACHABLE_US, chain.enter_stage, chain.delay_us)
    route, route_us = cheapest_route(graph, patient, used, idle_to_go, prices, minimax)
    if len(route) == 0:
        return _NO_CAPACITY, none, 0
    if route_us <= chain.budget_us:
        return _NONE, route, route_us
    to_go = latency_to_go(graph, chain, used, chain.source, chain.budget_us)
    if chain.delay_us[chain.source] + to_go[0, chain.source] > chain.budget_us:
        return _TOO_LATE, none, 0
    route, route_us = cheapest_route(graph, chain, used, to_go, prices, minimax)
    return _NONE, route, route_us


@njit
def _reserve(graph: GraphArrays, day: DayArrays, used: IntArray, flow: int, links: npt.NDArray[np.int32], sign: int) -> None:
    """Takes (`sign` 1) or gives back (-1) what the flow needs on its route; nothing if the route is empty."""
    if len(links) == 0:
        return
    demand_ucores = day.tier_terms[day.terms_of[flow], 1]
    n_links = len(graph.source)
    source = graph.source[links[0]]
    used[n_links + source] += sign * demand_ucores[graph.kind[source]]
    for link in links:
        used[link] += sign * day.bandwidth_kbps[flow]
        target = graph.target[link]
        if graph.kind[target] <= LAST_HOST_KIND:
            used[n_links + target] += sign * demand_ucores[graph.kind[target]]
