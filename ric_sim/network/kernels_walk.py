"""Compiled steps of a next-hop walk.

All that these kernels call lives in this file: the on-disk cache of compiled code watches one file per kernel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.network.chain import Chain
from ric_sim.network.city import IntArray
from ric_sim.network.graph import TRANSIT, GraphArrays

Position = tuple[int, int, int]
"""Node, stage (functions run so far minus one) and latency so far in microseconds."""


@njit(cache=True)
def valid_actions(
    graph: GraphArrays, chain: Chain, floor_us: IntArray, used: IntArray, visited: npt.NDArray[np.bool_], position: Position
) -> tuple[npt.NDArray[np.bool_], int, int]:
    """Which next hops a walk may take.

    Args:
        floor_us: int64 [4, N], least latency from each state to the destination on the idle city.
        used: int64 [R], the snapshot plus what the walk itself has taken of links.
        visited: bool [N], nodes of the current stage.
    Returns:
        bool [D], how many are valid, and how many more would be if the latency budget did not exist.
    """
    node, stage, latency_us = position
    mask = np.zeros(graph.action_node.shape[1], np.bool_)
    n_valid = 0
    n_late = 0
    for action in range(len(mask)):
        target = graph.action_node[node, action]
        if target < 0:
            break
        entered = chain.enter_stage[target] == stage + 1
        if not entered and (chain.enter_stage[target] != TRANSIT or visited[target]):
            continue
        link = graph.action_link[node, action]
        if used[link] + chain.bandwidth_kbps > graph.limit[link]:
            continue
        there_us = latency_us + graph.latency_us[link] + (chain.delay_us[target] if entered else 0)
        if there_us + floor_us[stage + entered, target] > chain.budget_us:
            n_late += 1
            continue
        mask[action] = True
        n_valid += 1
    return mask, n_valid, n_late


@njit(cache=True)
def action_nearest_to_end(
    graph: GraphArrays, chain: Chain, potential_us: IntArray, mask: npt.NDArray[np.bool_], position: Position
) -> int:
    """The valid action with the least link latency plus `potential_us` (int64 [4, N]) behind it; the first among equals."""
    node, stage, _ = position
    best = -1
    best_us = 0
    for action in range(len(mask)):
        if not mask[action]:
            continue
        target = graph.action_node[node, action]
        next_stage = stage + (chain.enter_stage[target] == stage + 1)
        total_us = graph.latency_us[graph.action_link[node, action]] + potential_us[next_stage, target]
        if best < 0 or total_us < best_us:
            best = action
            best_us = total_us
    return best
