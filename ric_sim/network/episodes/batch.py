"""Arrays for a batch of episodes."""

from __future__ import annotations

import numpy as np

from ric_sim.network.admission import MAX_ROUTE_LINKS
from ric_sim.network.episodes.kernels import N_CONTEXT_FEATURES, N_DYNAMIC_FEATURES, N_SLOT_FEATURES, Episodes, Observations
from ric_sim.network.episodes.space import N_GUIDES, EpisodeArrays


def new_episodes(arrays: EpisodeArrays, size: int) -> Episodes:
    """`size` rows, not begun."""
    n_nodes, n_resources = len(arrays.graph.kind), len(arrays.graph.limit)

    def integers(*shape: int) -> np.ndarray:
        return np.zeros((size, *shape), dtype=np.int64)

    return Episodes(
        request=integers(6),
        used=integers(n_resources),
        node=integers(),
        stage=integers(),
        latency_us=integers(),
        n_links=integers(),
        start_us=integers(),
        links=integers(MAX_ROUTE_LINKS),
        visited=np.zeros((size, n_nodes), dtype=np.bool_),
        enter_stage=np.zeros((size, n_nodes), dtype=np.int8),
        delay_us=integers(n_nodes),
        guides=integers(N_GUIDES, 4, n_nodes),
        guide_latency_us=integers(N_GUIDES, 4, n_nodes),
        floor_us=integers(4, n_nodes),
    )


def new_observations(arrays: EpisodeArrays, size: int) -> Observations:
    """Room for `size` observations."""
    n_actions = arrays.graph.action_node.shape[1] + 1
    return Observations(
        mask=np.zeros((size, n_actions), dtype=np.bool_),
        slots=np.zeros((size, n_actions, N_SLOT_FEATURES), dtype=np.float32),
        context=np.zeros((size, N_CONTEXT_FEATURES), dtype=np.float32),
        vertex=np.zeros(size, dtype=np.int64),
        slot_vertex=np.zeros((size, n_actions), dtype=np.int64),
    )


def new_vertex_features(arrays: EpisodeArrays, size: int) -> np.ndarray:
    """float32 [size, V, features], zeros."""
    return np.zeros((size, len(arrays.static), arrays.static.shape[1] + N_DYNAMIC_FEATURES), dtype=np.float32)
