"""Compiled cost-to-go of an episode along its guides (see `Episodes.guides`), in integers throughout."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.domain.flow import ANY_UPF
from ric_sim.domain.service import Direction
from ric_sim.network.city import PROCESSING_WEIGHT_PERCENT, IntArray, NodeKind
from ric_sim.network.episodes.arrays import (
    FAR_US,
    FASTEST,
    NEAR_HOST_US,
    PACKED,
    PACKING_US,
    SPARE,
    SPARE_CU,
    SPARE_DU,
    Episodes,
)
from ric_sim.network.episodes.space import N_GUIDES, EpisodeArrays
from ric_sim.network.graph import LAST_STAGE, TRANSIT
from ric_sim.network.kernels_heap import pop, push

_UPF = int(NodeKind.UPF)
_O_RU = int(NodeKind.O_RU)
_O_DU = int(NodeKind.O_DU)
_O_CU = int(NodeKind.O_CU)
_UPLINK = int(Direction.UPLINK)
_WEIGHTS = PROCESSING_WEIGHT_PERCENT


@njit(cache=True)
def _packing_us(in_use: int, limit: int, most_us: int) -> int:
    """`most_us` on an empty host, nothing on a full one: falls with the fourth power of utilisation."""
    permille = min(1000, in_use * 1000 // max(limit, 1))
    square = permille * permille // 1000
    return most_us - most_us * (square * square // 1000) // 1000


@njit(cache=True)
def entry_prices_us(arrays: EpisodeArrays, ep: Episodes, row: int) -> IntArray:
    """int64 [G, N]: what each guide pays for entering each host."""
    kind, near_host, limit = arrays.graph.kind, arrays.near_host, arrays.graph.limit
    n_links = len(arrays.is_transport)
    service, bandwidth = ep.request[row, 0], ep.request[row, 4]
    prices = np.zeros((N_GUIDES, len(kind)), np.int64)
    for node in arrays.graph.hosts:
        in_use = ep.used[row, n_links + node] + bandwidth * arrays.demand[service, kind[node]]
        packing_us = _packing_us(in_use, limit[n_links + node], PACKING_US)
        near_us = NEAR_HOST_US * near_host[node]
        prices[FASTEST, node] = ep.delay_us[row, node]
        prices[SPARE, node] = near_us + packing_us
        prices[SPARE_DU, node] = near_us * (kind[node] == _O_DU) + packing_us
        prices[SPARE_CU, node] = near_us * (kind[node] == _O_CU) + packing_us
        prices[PACKED, node] = 2 * packing_us
    return prices


@njit(cache=True)
def open_hosts(arrays: EpisodeArrays, ep: Episodes, row: int) -> bool:
    """Writes `enter_stage` and `delay_us` of a row; False when the source has no room."""
    graph = arrays.graph
    service, direction, ru, upf, bandwidth = (
        ep.request[row, 0],
        ep.request[row, 1],
        ep.request[row, 2],
        ep.request[row, 3],
        ep.request[row, 4],
    )
    enter_stage, delay_us, used = ep.enter_stage[row], ep.delay_us[row], ep.used[row]
    enter_stage[:] = graph.no_host_open
    delay_us[:] = 0
    mean = arrays.mean_bandwidth_kbps[service]
    n_links = len(graph.source)
    source_has_room = False
    for index in range(len(graph.hosts) + 1):
        node = graph.hosts[index] if index < len(graph.hosts) else ru
        tier = graph.kind[node]
        if tier == _UPF and not (graph.upf_service[node] == graph.upf_pool[service] and upf in (node, ANY_UPF)):
            continue
        # The formulas of ric_sim.network.admission, inlined: compiled code cannot call them.
        coefficient_ns = arrays.processing_ns[service] * _WEIGHTS[tier] * (mean + bandwidth) // (200 * mean)
        in_use = used[n_links + node]
        if coefficient_ns > 0:
            delay_us[node] = in_use * coefficient_ns // (graph.nominal_ucores[node] * 1000)
        has_room = in_use + bandwidth * arrays.demand[service, tier] <= graph.limit[n_links + node]
        stage = tier if direction == _UPLINK else LAST_STAGE - tier
        if stage == 0:
            source_has_room = has_room
        elif has_room:
            enter_stage[node] = stage
    return source_has_room


@njit(cache=True)
def follow_guide(arrays: EpisodeArrays, ep: Episodes, row: int, entry_us: IntArray, out: tuple[IntArray, IntArray]) -> None:
    """Least price from every state to the destination over links and hosts with room, and the latency of that way.

    Backward Dijkstra over (stage, node); one guide (see `Episodes.guides`).

    Args:
        entry_us: int64 [N], price of entering each host.
        out: price and latency, int64 [4, N], written: microseconds, `FAR_US` where no way leads to the destination.
    """
    to_go, latency_us = out
    source_of, link_latency_us = arrays.graph.source, arrays.graph.latency_us
    in_start, in_link = arrays.in_start, arrays.in_link
    enter_stage, delay_us, used = ep.enter_stage[row], ep.delay_us[row], ep.used[row]
    limit, bandwidth = arrays.graph.limit, ep.request[row, 4]
    source_node = ep.node[row]
    n_nodes = len(enter_stage)
    to_go[:] = FAR_US
    latency_us[:] = FAR_US
    keys = np.empty((LAST_STAGE + 1) * len(in_link) + n_nodes, np.int64)
    items = np.empty(len(keys), np.int64)
    size = _push_destinations(enter_stage, keys, items, out)
    while size > 0:
        key, state = pop(keys, items, size)
        size -= 1
        layer, node = state // n_nodes, state % n_nodes
        if key > to_go[layer, node]:
            continue
        before, step, step_latency = layer, key, latency_us[layer, node]
        if enter_stage[node] != TRANSIT:
            before -= 1
            step += entry_us[node]
            step_latency += delay_us[node]
        if before < 0:
            continue
        for index in range(in_start[node], in_start[node + 1]):
            link = in_link[index]
            origin = source_of[link]
            stage = enter_stage[origin]
            if not (stage == TRANSIT or (before > 0 and stage == before) or (before == 0 and origin == source_node)):
                continue
            if used[link] + bandwidth > limit[link]:
                continue
            total = step + link_latency_us[link]
            if total < to_go[before, origin]:
                to_go[before, origin] = total
                latency_us[before, origin] = step_latency + link_latency_us[link]
                push(keys, items, size, total, before * n_nodes + origin)
                size += 1
    if arrays.graph.kind[source_node] == _O_RU:
        _first_link(arrays, ep, row, out)


@njit(cache=True)
def _push_destinations(enter_stage: npt.NDArray[np.int8], keys: IntArray, items: IntArray, out: tuple[IntArray, IntArray]) -> int:
    """Starts a search at every host of the last stage; how many there are."""
    size = 0
    for node in range(len(enter_stage)):
        if enter_stage[node] == LAST_STAGE:
            out[0][LAST_STAGE, node] = 0
            out[1][LAST_STAGE, node] = 0
            push(keys, items, size, 0, LAST_STAGE * len(enter_stage) + node)
            size += 1
    return size


@njit(cache=True)
def _first_link(arrays: EpisodeArrays, ep: Episodes, row: int, out: tuple[IntArray, IntArray]) -> None:
    """Values the source of an uplink request: the search leaves out the links of O-RUs."""
    to_go, latency_us = out
    graph, used, bandwidth, source_node = arrays.graph, ep.used[row], ep.request[row, 4], ep.node[row]
    for index in range(graph.out_start[source_node], graph.out_start[source_node + 1]):
        link = graph.out_link[index]
        total = to_go[0, graph.target[link]] + graph.latency_us[link]
        if used[link] + bandwidth <= graph.limit[link] and total < to_go[0, source_node]:
            to_go[0, source_node] = total
            latency_us[0, source_node] = latency_us[0, graph.target[link]] + graph.latency_us[link]
