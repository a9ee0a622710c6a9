"""Compiled steps of local episodes, over rows of a batch; the doorway to the other kernels of this folder.

The on-disk cache of compiled code watches one file per kernel: `python -m ric_sim.network.policies` drops what is older than
any of them.
"""

from __future__ import annotations

from numba import njit

from ric_sim.domain.service import Direction
from ric_sim.network.episodes.arrays import (
    ARRIVED,
    DECLINED,
    FAR_US,
    FASTEST,
    GOING,
    N_CONTEXT_FEATURES,
    N_DYNAMIC_FEATURES,
    N_SLOT_FEATURES,
    NO_ROOM,
    NO_TIME,
    Episodes,
    Observations,
)
from ric_sim.network.episodes.kernels_guides import entry_prices_us, follow_guide, open_hosts
from ric_sim.network.episodes.kernels_observe import observe, vertex_features
from ric_sim.network.episodes.space import N_GUIDES, EpisodeArrays
from ric_sim.network.graph import LAST_STAGE

__all__ = [
    "ARRIVED",
    "DECLINED",
    "FASTEST",
    "GOING",
    "NO_ROOM",
    "NO_TIME",
    "N_CONTEXT_FEATURES",
    "N_DYNAMIC_FEATURES",
    "N_SLOT_FEATURES",
    "Episodes",
    "Observations",
    "advance",
    "begin",
    "is_feasible",
    "observe",
    "vertex_features",
]

_UPLINK = int(Direction.UPLINK)


@njit(cache=True)
def begin(arrays: EpisodeArrays, ep: Episodes, row: int, idle_floor: bool) -> int:  # noqa: FBT001 - compiled
    """Puts an episode at its source; `request` and `used` of the row are set already.

    Args:
        idle_floor: the mask looks ahead on the idle city (the paper's reading) instead of on the snapshot.
    Returns:
        `GOING`, or `NO_ROOM` or `NO_TIME` where no route exists.
    """
    direction, ru, upf = ep.request[row, 1], ep.request[row, 2], ep.request[row, 3]
    source = ru if direction == _UPLINK else upf
    ep.node[row], ep.stage[row], ep.n_links[row] = source, 0, 0
    ep.visited[row] = False
    ep.visited[row, source] = True
    if idle_floor:
        _idle_floor(arrays, ep, row)
    if not open_hosts(arrays, ep, row):
        return NO_ROOM
    ep.latency_us[row] = ep.delay_us[row, source]
    entry_us = entry_prices_us(arrays, ep, row)
    for guide in range(N_GUIDES):
        out = (ep.guides[row, guide], ep.guide_latency_us[row, guide])
        follow_guide(arrays, ep, row, entry_us[guide], out)
    if not idle_floor:
        ep.floor_us[row] = ep.guides[row, FASTEST]
    ep.start_us[row] = ep.latency_us[row] + ep.guides[row, FASTEST, 0, source]
    if ep.guides[row, FASTEST, 0, source] >= FAR_US:
        return NO_ROOM
    return NO_TIME if ep.start_us[row] > arrays.budget_us[ep.request[row, 0]] else GOING


@njit(cache=True)
def is_feasible(arrays: EpisodeArrays, ep: Episodes, row: int) -> bool:
    """Whether any route of the row's request keeps every capacity and the budget on its `used`; the row is left at its source."""
    source = ep.request[row, 2] if ep.request[row, 1] == _UPLINK else ep.request[row, 3]
    ep.node[row] = source
    if not open_hosts(arrays, ep, row):
        return False
    follow_guide(arrays, ep, row, ep.delay_us[row], (ep.guides[row, FASTEST], ep.guide_latency_us[row, FASTEST]))
    return ep.delay_us[row, source] + ep.guides[row, FASTEST, 0, source] <= arrays.budget_us[ep.request[row, 0]]


@njit(cache=True)
def _idle_floor(arrays: EpisodeArrays, ep: Episodes, row: int) -> None:
    """Writes `floor_us` of a row: least latency to come if the city were idle."""
    kept, bandwidth = ep.used[row].copy(), ep.request[row, 4]
    ep.used[row] = 0
    ep.request[row, 4] = 1
    open_hosts(arrays, ep, row)
    entry_us = entry_prices_us(arrays, ep, row)
    follow_guide(arrays, ep, row, entry_us[FASTEST], (ep.floor_us[row], ep.guide_latency_us[row, FASTEST]))
    ep.used[row] = kept
    ep.request[row, 4] = bandwidth


@njit(cache=True)
def advance(arrays: EpisodeArrays, ep: Episodes, row: int, action: int) -> int:
    """Takes one action of the mask.

    Returns:
        `GOING`, `ARRIVED` at the destination, `NO_ROOM` after the longest route there may be, `DECLINED` by the last action.
    """
    graph = arrays.graph
    if action >= graph.action_node.shape[1]:
        return DECLINED
    link = graph.action_link[ep.node[row], action]
    node = graph.action_node[ep.node[row], action]
    ep.node[row] = node
    ep.links[row, ep.n_links[row]] = link
    ep.n_links[row] += 1
    ep.used[row, link] += ep.request[row, 4]
    ep.latency_us[row] += graph.latency_us[link]
    if ep.enter_stage[row, node] == ep.stage[row] + 1:
        ep.stage[row] += 1
        ep.latency_us[row] += ep.delay_us[row, node]
        ep.visited[row] = False
    ep.visited[row, node] = True
    if ep.stage[row] == LAST_STAGE:
        return ARRIVED
    return NO_ROOM if ep.n_links[row] == ep.links.shape[1] else GOING
