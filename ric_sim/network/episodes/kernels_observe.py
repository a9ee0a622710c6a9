"""Compiled observations of local episodes: the mask, the features of hops, context and vertices.

Integers until a feature is written, so that features are the same bits everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.network.city import IntArray, NodeKind
from ric_sim.network.episodes.arrays import (
    FAR_US,
    FASTEST,
    GOING,
    LEAST_REGRET,
    NO_ROOM,
    NO_TIME,
    SPARE,
    Episodes,
    Observations,
)
from ric_sim.network.episodes.kernels_guides import entry_prices_us
from ric_sim.network.episodes.space import MAX_SERVICES, N_GUIDES, EpisodeArrays
from ric_sim.network.graph import TRANSIT

_UPF = int(NodeKind.UPF)
_O_RU = int(NodeKind.O_RU)
_O_DU = int(NodeKind.O_DU)
_AGGREGATION = int(NodeKind.AGGREGATION)
_CORE = int(NodeKind.CORE)


@njit(cache=True)
def observe(arrays: EpisodeArrays, ep: Episodes, row: int, limits: tuple[IntArray, bool], out: Observations, index: int) -> int:
    """The mask and the features of an episode that is `GOING`.

    Args:
        limits: int64 [3, S], per service how much longer (microseconds) than its fastest way a request may go, and than a guide's
            best way a hop may lead, -1 without limit, and whether a request may be declined at its source, 0 or 1; and whether a
            switch may never be passed twice in a stage (else it may where nothing else is left).
        out: row `index` of it is written.
    Returns:
        `GOING`; `NO_ROOM` or `NO_TIME` in a dead end, where the mask is empty.
    """
    most_us, no_revisit = limits
    service, node = ep.request[row, 0], ep.node[row]
    budget_us = arrays.budget_us[service]
    if most_us[0, service] >= 0:
        budget_us = min(budget_us, ep.start_us[row] + most_us[0, service])
    out.slots[index] = 0.0
    out.slot_vertex[index] = 0
    n_valid, n_late = _mask(arrays, ep, row, (budget_us, no_revisit), out.mask[index])
    if n_valid == 0:
        return NO_TIME if n_late else NO_ROOM
    values_us = _guide_values_us(arrays, ep, row, out.mask[index])
    if most_us[1, service] >= 0:
        n_valid = _drop_regretted(values_us, most_us[1, service], out.mask[index])
    _slots(arrays, ep, row, (budget_us, index), values_us, out)
    out.vertex[index] = arrays.vertex[node] if arrays.graph.kind[node] != _O_RU else len(arrays.static) - 1
    if most_us[2, service] > 0 and ep.n_links[row] == 0:
        _offer_decline(out, index)
    _context(arrays, ep, row, n_valid, out.context[index])
    return GOING


@njit(cache=True)
def _mask(
    arrays: EpisodeArrays, ep: Episodes, row: int, limits: tuple[int, bool], mask: npt.NDArray[np.bool_]
) -> tuple[int, int]:
    """Writes the valid actions: how many there are, and how many more there would be with more time."""
    graph, node, stage, latency_us = arrays.graph, ep.node[row], ep.stage[row], ep.latency_us[row]
    used, bandwidth, enter_stage, visited = ep.used[row], ep.request[row, 4], ep.enter_stage[row], ep.visited[row]
    budget_us, no_revisit = limits
    mask[:] = False
    n_valid, n_late, n_fresh = 0, 0, 0
    for action in range(graph.action_node.shape[1]):
        target = graph.action_node[node, action]
        if target < 0:
            break
        entered = enter_stage[target] == stage + 1
        if not entered and (enter_stage[target] != TRANSIT or (no_revisit and visited[target])):
            continue
        link = graph.action_link[node, action]
        if used[link] + bandwidth > graph.limit[link]:
            continue
        there_us = latency_us + graph.latency_us[link] + (ep.delay_us[row, target] if entered else 0)
        if there_us + ep.floor_us[row, stage + entered, target] > budget_us:
            n_late += 1
            continue
        mask[action] = True
        n_valid += 1
        n_fresh += entered or not visited[target]
    if 0 < n_fresh < n_valid:
        for action in range(len(mask)):
            target = graph.action_node[node, action]
            if mask[action] and visited[target] and enter_stage[target] != stage + 1:
                mask[action] = False
    return n_fresh if n_fresh else n_valid, n_late


@njit(cache=True)
def _guide_values_us(arrays: EpisodeArrays, ep: Episodes, row: int, mask: npt.NDArray[np.bool_]) -> IntArray:
    """int64 [D, G]: what each guide pays from here to the destination over each valid action."""
    graph, node, stage = arrays.graph, ep.node[row], ep.stage[row]
    entry_us = entry_prices_us(arrays, ep, row)
    values_us = np.zeros((len(mask), N_GUIDES), np.int64)
    for action in range(len(mask)):
        if mask[action]:
            target = graph.action_node[node, action]
            entered = ep.enter_stage[row, target] == stage + 1
            for guide in range(N_GUIDES):
                value_us = ep.guides[row, guide, stage + entered, target] + graph.latency_us[graph.action_link[node, action]]
                values_us[action, guide] = value_us + (entry_us[guide, target] if entered else 0)
    return values_us


@njit(cache=True)
def _drop_regretted(values_us: IntArray, most_us: int, mask: npt.NDArray[np.bool_]) -> int:
    """Takes hops out of the mask that every guide finds `most_us` longer than its best one; how many are left."""
    least = np.full(N_GUIDES, FAR_US, np.int64)
    for action in range(len(mask)):
        if mask[action]:
            least = np.minimum(least, values_us[action])
    n_valid = 0
    for action in range(len(mask)):
        if mask[action]:
            mask[action] = (values_us[action] - least).min() <= most_us
            n_valid += mask[action]
    return n_valid


@njit(cache=True)
def _slots(arrays: EpisodeArrays, ep: Episodes, row: int, of: tuple[int, int], values_us: IntArray, out: Observations) -> None:
    """Writes the features of the valid actions. `of`: the budget (microseconds) and the row of `out`."""
    graph, node, stage, latency = arrays.graph, ep.node[row], ep.stage[row], ep.latency_us[row]
    service, bandwidth, used = ep.request[row, 0], ep.request[row, 4], ep.used[row]
    n_links = len(graph.source)
    budget, index = of
    mask, slots = out.mask[index], out.slots[index]
    least = np.full(N_GUIDES, FAR_US, np.int64)
    for action in range(len(mask)):
        if mask[action]:
            least = np.minimum(least, values_us[action])
    for action in range(len(mask)):
        if not mask[action]:
            continue
        target, link = graph.action_node[node, action], graph.action_link[node, action]
        entered = ep.enter_stage[row, target] == stage + 1
        here_us = latency + graph.latency_us[link] + (ep.delay_us[row, target] if entered else 0)
        for guide in range(N_GUIDES):
            slots[action, guide] = min(values_us[action, guide] - least[guide], 20_000) * 0.0005
            if guide != FASTEST:
                way_us = here_us + ep.guide_latency_us[row, guide, stage + entered, target]
                slots[action, N_GUIDES + guide - 1] = max(min(budget - way_us, 5_000), -5_000) * 0.0002
        slots[action, LEAST_REGRET] = slots[action, :N_GUIDES].min()
        at = 2 * N_GUIDES - 1
        slots[action, at] = (used[link] + bandwidth) / graph.limit[link]
        slots[action, at + 1] = min((graph.limit[link] - used[link] - bandwidth) * 1e-6, 2.0)
        slots[action, at + 2] = graph.latency_us[link] * 0.0005
        slots[action, at + 3] = entered
        if entered:
            resource = n_links + target
            demand = bandwidth * arrays.demand[service, graph.kind[target]]
            slots[action, at + 4] = (used[resource] + demand) / max(graph.limit[resource], 1)
            slots[action, at + 5] = arrays.near_host[target]
        slots[action, at + 6] = min(max(budget - latency - values_us[action, FASTEST], 0), 20_000) * 0.0001
        slots[action, at + 7] = graph.kind[target] == _AGGREGATION
        slots[action, at + 8] = graph.kind[target] == _CORE
        out.slot_vertex[index, action] = arrays.vertex[target]


@njit(cache=True)
def _offer_decline(out: Observations, index: int) -> None:
    last = out.mask.shape[1] - 1
    out.mask[index, last] = True
    out.slot_vertex[index, last] = out.vertex[index]


@njit(cache=True)
def _context(arrays: EpisodeArrays, ep: Episodes, row: int, n_valid: int, context: npt.NDArray[np.float32]) -> None:
    """The observation vector of the paper (section 4.2) and its global summary, for one episode."""
    graph = arrays.graph
    service, direction, bandwidth = ep.request[row, 0], ep.request[row, 1], ep.request[row, 4]
    node, stage, used = ep.node[row], ep.stage[row], ep.used[row]
    budget = arrays.budget_us[service]
    context[:] = 0.0
    context[0] = bandwidth * 2e-6
    context[1] = (budget - ep.latency_us[row]) / budget
    context[2] = min((budget - ep.latency_us[row]) * 5e-5, 2.0)
    context[3 + stage] = 1.0
    context[6 + graph.kind[node]] = 1.0
    context[13] = direction
    context[14] = min(ep.guides[row, FASTEST, stage, node] * 1e-4, 2.0)
    context[15] = min((ep.guides[row, SPARE, stage, node] - ep.guides[row, FASTEST, stage, node]) * 1e-4, 2.0)
    context[16] = n_valid * 0.1
    hour = ep.request[row, 5] / 86_400_000.0 * 2.0 * np.pi
    context[17] = np.sin(hour)
    context[18] = np.cos(hour)
    context[24 + MAX_SERVICES + service] = 1.0
    _summary(arrays, used, context)


@njit(cache=True)
def _summary(arrays: EpisodeArrays, used: IntArray, context: npt.NDArray[np.float32]) -> None:
    """The global summary: mean link utilisation, utilisation by tier and kind of host, and of each service's UPFs."""
    graph = arrays.graph
    n_links = len(graph.source)
    total = 0.0
    n_transport = 0
    for link in range(n_links):
        if arrays.is_transport[link]:
            total += used[link] / graph.limit[link]
            n_transport += 1
    context[19] = total / max(n_transport, 1)
    in_use = np.zeros(4, np.float64)
    room = np.zeros(4, np.float64)
    upf_use = np.zeros(MAX_SERVICES, np.float64)
    upf_room = np.ones(MAX_SERVICES, np.float64)
    for index in range(len(graph.hosts)):
        host = graph.hosts[index]
        resource = n_links + host
        if graph.kind[host] == _UPF:
            upf_use[graph.upf_service[host]] += used[resource]
            upf_room[graph.upf_service[host]] += graph.limit[resource]
        else:
            group = (graph.kind[host] - _O_DU) * 2 + arrays.near_host[host]
            in_use[group] += used[resource]
            room[group] += graph.limit[resource]
    for group in range(4):
        context[20 + group] = in_use[group] / max(room[group], 1.0)
    for other in range(MAX_SERVICES):
        context[24 + other] = upf_use[other] / upf_room[other]


@njit(cache=True)
def vertex_features(arrays: EpisodeArrays, ep: Episodes, row: int, out: npt.NDArray[np.float32]) -> None:
    """Node features of the paper (section 4.2) for one episode at its start.

    The paper marks the candidates of the next stage; here those of all three stages are marked apart, and the observation
    says which stage it is. So one embedding serves a whole episode.

    Args:
        out: float32 [V, n static + N_DYNAMIC_FEATURES], written: `static`, then free compute, candidate for stages 1, 2 and
            3, the request's own O-RU, mean utilisation of the links out of and into the vertex. O-RUs but the own one show none.
    """
    graph = arrays.graph
    n_links, n_static = len(graph.source), arrays.static.shape[1]
    used, ru = ep.used[row], ep.request[row, 2]
    out[:, :n_static] = arrays.static
    out[:, n_static:] = 0.0
    out[len(out) - 1, n_static + 4] = 1.0
    for node in range(len(graph.kind)):
        if graph.kind[node] == _O_RU and node != ru:
            continue
        features = out[arrays.vertex[node] if node != ru else len(out) - 1]
        limit = graph.limit[n_links + node]
        if limit > 0:
            features[n_static] = 1.0 - used[n_links + node] / limit
        if ep.enter_stage[row, node] > TRANSIT:
            features[n_static + ep.enter_stage[row, node]] = 1.0
        of_own = node == ru
        features[n_static + 5] = _mean_use(
            arrays, used, graph.out_link[graph.out_start[node] : graph.out_start[node + 1]], of_own
        )
        features[n_static + 6] = _mean_use(arrays, used, graph.in_link[graph.in_start[node] : graph.in_start[node + 1]], of_own)


@njit(cache=True)
def _mean_use(arrays: EpisodeArrays, used: IntArray, links: IntArray, of_own: bool) -> float:  # noqa: FBT001 - compiled
    """Mean utilisation of links, those of O-RUs left out but for the request's own."""
    total, count = 0.0, 0
    for link in links:
        if arrays.is_transport[link] or of_own:
            total += used[link] / arrays.graph.limit[link]
            count += 1
    return total / max(count, 1)
