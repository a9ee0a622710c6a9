"""Compiled searches over the layered graph of a chain.

Layer k holds the places a request can be after k + 1 of its four functions: switches, and the host of function k. Passing
a switch stays in the layer; entering a host open for stage k + 1 climbs one. State (k, v) is number `k * N + v`.
Ties go to the smaller state, then to the smaller link, so results are the same everywhere.
Latencies are exact as floats up to 2**53.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.network.chain import Chain
from ric_sim.network.city import IntArray
from ric_sim.network.graph import LAST_STAGE, TRANSIT, GraphArrays
from ric_sim.network.kernels_heap import pop, push

UNREACHABLE_US = 2**62
"""Latency-to-go of a state from which the destination cannot be reached."""

ANY_SOURCE = -1

FloatArray = npt.NDArray[np.float64]


@njit(cache=True)
def latency_to_go(graph: GraphArrays, chain: Chain, used: IntArray, source: int, horizon_us: int) -> IntArray:
    """Exact least latency from every state to the destination over links and hosts with room (backward Dijkstra).

    Args:
        used: int64 [R].
        source: node of stage 0, or `ANY_SOURCE` to value every node as one.
        horizon_us: states farther than this may be left unreachable.
    Returns:
        int64 [4, N], microseconds: links ahead plus processing on hosts yet to be entered; `UNREACHABLE_US` if none.
    """
    n_nodes = len(chain.enter_stage)
    to_go = np.full((LAST_STAGE + 1, n_nodes), UNREACHABLE_US, np.int64)
    keys = np.empty((LAST_STAGE + 1) * len(graph.source) + n_nodes, np.float64)
    items = np.empty(len(keys), np.int64)
    size = 0
    for node in range(n_nodes):
        if chain.enter_stage[node] == LAST_STAGE:
            to_go[LAST_STAGE, node] = 0
            push(keys, items, size, 0.0, LAST_STAGE * n_nodes + node)
            size += 1
    while size > 0:
        key, state = pop(keys, items, size)
        size -= 1
        layer, node = state // n_nodes, state % n_nodes
        here_us = to_go[layer, node]
        if key > here_us:
            continue
        if here_us > horizon_us:
            break
        entered = chain.enter_stage[node] != TRANSIT
        before = layer - 1 if entered else layer
        if before < 0:
            continue
        step_us = here_us + (chain.delay_us[node] if entered else 0)
        for index in range(graph.in_start[node], graph.in_start[node + 1]):
            link = graph.in_link[index]
            origin = graph.source[link]
            stage = chain.enter_stage[origin]
            is_place = stage == TRANSIT or (before > 0 and stage == before)
            is_source = before == 0 and (origin == source or source == ANY_SOURCE)
            if not (is_place or is_source) or used[link] + chain.bandwidth_kbps > graph.limit[link]:
                continue
            total_us = step_us + graph.latency_us[link]
            if total_us < to_go[before, origin]:
                to_go[before, origin] = total_us
                push(keys, items, size, float(total_us), before * n_nodes + origin)
                size += 1
    return to_go


@njit(cache=True)
def cheapest_route(
    graph: GraphArrays, chain: Chain, used: IntArray, to_go: IntArray, prices: tuple[FloatArray, FloatArray], minimax: int
) -> tuple[IntArray, int]:
    """The route of least price that keeps the latency budget (forward Dijkstra, pruned by the exact latency-to-go).

    A label survives only if its latency plus `to_go` is within the budget; so one always reaches the destination when
    the source itself satisfies this.

    Args:
        to_go: int64 [4, N], `latency_to_go` of the same chain and snapshot.
        prices: float64 [E] of using a link and float64 [N] of entering a host, >= 0.
        minimax: 1, a route costs its dearest part instead of the sum of its parts; else 0.
    Returns:
        Links in order (int64, empty if none) and the latency in microseconds.
    """
    n_nodes = len(chain.enter_stage)
    n_states = (LAST_STAGE + 1) * n_nodes
    cost = np.full(n_states, np.inf)
    latency_us = np.zeros(n_states, np.int64)
    link_into = np.full(n_states, -1, np.int64)
    state_before = np.full(n_states, -1, np.int64)
    keys = np.empty((LAST_STAGE + 1) * len(graph.source) + 1, np.float64)
    items = np.empty(len(keys), np.int64)
    cost[chain.source] = 0.0
    latency_us[chain.source] = chain.delay_us[chain.source]
    push(keys, items, 0, 0.0, chain.source)
    size = 1
    while size > 0:
        key, state = pop(keys, items, size)
        size -= 1
        if key > cost[state]:
            continue
        layer, node = state // n_nodes, state % n_nodes
        if layer == LAST_STAGE:
            return _links_to(state, link_into, state_before), latency_us[state]
        for index in range(graph.out_start[node], graph.out_start[node + 1]):
            link = graph.out_link[index]
            target = graph.target[link]
            stage = chain.enter_stage[target]
            entered = stage == layer + 1
            if not (entered or stage == TRANSIT) or used[link] + chain.bandwidth_kbps > graph.limit[link]:
                continue
            there = (layer + entered) * n_nodes + target
            there_us = latency_us[state] + graph.latency_us[link] + (chain.delay_us[target] if entered else 0)
            if there_us + to_go[layer + entered, target] > chain.budget_us:
                continue
            price = prices[0][link]
            if entered:
                price = max(price, prices[1][target]) if minimax else price + prices[1][target]
            total = max(key, price) if minimax else key + price
            if total < cost[there]:
                cost[there] = total
                latency_us[there] = there_us
                link_into[there] = link
                state_before[there] = state
                push(keys, items, size, total, there)
                size += 1
    return np.empty(0, np.int64), 0


@njit(cache=True)
def _links_to(state: int, link_into: IntArray, state_before: IntArray) -> IntArray:
    """The links of the label at `state`, first one first."""
    n_links = 0
    at = state
    while state_before[at] >= 0:
        n_links += 1
        at = state_before[at]
    links = np.empty(n_links, np.int64)
    at = state
    for index in range(n_links - 1, -1, -1):
        links[index] = link_into[at]
        at = state_before[at]
    return links


@njit(cache=True)
def overused_link(graph: GraphArrays, chain: Chain, used: IntArray, links: IntArray) -> int:
    """The first link that the route crosses more often than it has room for, -1 if there is none."""
    for index in range(len(links)):
        times = 1
        for earlier in range(index):
            times += links[earlier] == links[index]
        if used[links[index]] + times * chain.bandwidth_kbps > graph.limit[links[index]]:
            return links[index]
    return -1
