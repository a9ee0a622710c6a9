"""The arrays that hold a batch of local episodes, and the numbers that describe them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ric_sim.network.city import IntArray
from ric_sim.network.episodes.space import MAX_SERVICES, N_GUIDES

FAR_US = 2**40
"""Guide value of a state from which the destination cannot be reached."""

FASTEST, SPARE, SPARE_DU, SPARE_CU, PACKED = range(N_GUIDES)
NEAR_HOST_US = 4_000
PACKING_US = 1_000

GOING, ARRIVED, NO_ROOM, NO_TIME, DECLINED = range(5)
"""State of an episode: an action is due, it has arrived, dead end for want of room, or for latency, or the agent declined it."""

N_SLOT_FEATURES = 2 * N_GUIDES - 1 + 10
DIRECT_GAIN = 10.0
"""Factor on the weights that lead from a hop's features straight to its score. The few of them must travel several units from
where they begin to wherever the guides are best followed; with the factor, one learning rate suits them and all others."""
LEAST_REGRET = N_SLOT_FEATURES - 1
"""The slot feature that says how much longer a hop is over the best one, for the guide that likes the hop most."""
DECLINE_BELOW, DECLINE_GAIN = -1.3, 10.0
"""Declining scores DECLINE_GAIN * (DECLINE_BELOW - expected) above the best hop. It earns -1 for certain, and what going on earns
is an estimate that learns from every request carried (an actor would have to decline often to find the few requests where it
pays); the margin is because the requests that look worst are in part those whose estimate is worst."""
N_CONTEXT_FEATURES = 24 + MAX_SERVICES * 2
N_DYNAMIC_FEATURES = 7


class Episodes(NamedTuple):
    """B episodes, one per row; N nodes, E links, R resources, G guides.

    Attributes:
        request: int64 [B, 6]: service, direction, O-RU, UPF or `ANY_UPF`, bandwidth (kbps), arrival (ms).
        used: int64 [B, R], the snapshot plus what the episode itself has taken of links.
        node, stage, latency_us, n_links, start_us: int64 [B]; `start_us` is the fastest end-to-end latency at the start.
        links: int64 [B, 64].
        visited: bool [B, N], nodes of the current stage.
        enter_stage: int8 [B, N]; delay_us: int64 [B, N]: the request's `Chain`.
        guides: int64 [B, G, 4, N]: least price, in microseconds, from each (stage, node) to the destination over links and
            hosts with room on the snapshot. Guides differ in what entering a host costs beside propagation: `FASTEST`, the
            processing (so it is the exact latency still to come); `SPARE`, `NEAR_HOST_US` for near O-DU and O-CU, and up to
            `PACKING_US` the emptier the host; `SPARE_DU` and `SPARE_CU`, the same with one kind of near host for free;
            `PACKED`, only the emptiness, twice.
        guide_latency_us: int64 [B, G, 4, N], the latency of those ways.
        floor_us: int64 [B, 4, N], what the mask takes as least latency still to come.
    """

    request: IntArray
    used: IntArray
    node: IntArray
    stage: IntArray
    latency_us: IntArray
    n_links: IntArray
    start_us: IntArray
    links: IntArray
    visited: npt.NDArray[np.bool_]
    enter_stage: npt.NDArray[np.int8]
    delay_us: IntArray
    guides: IntArray
    guide_latency_us: IntArray
    floor_us: IntArray


class Observations(NamedTuple):
    """One row per episode observed; D actions, the last of them to decline; V vertices.

    Attributes:
        mask: bool [B, D].
        slots: float32 [B, D, N_SLOT_FEATURES], zero where masked.
        context: float32 [B, N_CONTEXT_FEATURES].
        vertex: int64 [B], where the episode stands.
        slot_vertex: int64 [B, D], where each action leads, 0 where masked.
    """

    mask: npt.NDArray[np.bool_]
    slots: npt.NDArray[np.float32]
    context: npt.NDArray[np.float32]
    vertex: IntArray
    slot_vertex: IntArray
