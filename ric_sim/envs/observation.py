"""Observations of lanes as flat vectors, the one form every reinforcement-learning library takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.envs.kernels_lanes import graph_features
from ric_sim.envs.lanes import LaneBatch
from ric_sim.network.city import IntArray
from ric_sim.network.episodes.batch import new_vertex_features
from ric_sim.network.episodes.kernels import N_CONTEXT_FEATURES, N_DYNAMIC_FEATURES, N_SLOT_FEATURES
from ric_sim.network.episodes.space import EpisodeArrays

FloatArray = npt.NDArray[np.float32]

_FEATURE_RANGE = (-16.0, 16.0)


@dataclass(frozen=True)
class ObservationLayout:
    """Where the parts of a flat observation lie; indices are whole numbers held in float32.

    Parts, in order: context [C], mask [D], slots [D, S], vertex [1] (where the episode stands), slot_vertex [D] (where each hop
    leads), own [1] (the request's O-RU), then features [V, F] of the graph in the present stage, or graph [1], a number
    under which the features are kept elsewhere.

    Attributes:
        n_actions: D. n_vertices: V. n_features: F. n_nodes: O-RUs are numbered below it.
        n_graphs: 0 for observations that hold the features; else how many numbers of graphs there are.
    """

    n_actions: int
    n_vertices: int
    n_features: int
    n_nodes: int
    n_graphs: int = 0

    @staticmethod
    def of(arrays: EpisodeArrays, *, n_graphs: int = 0) -> ObservationLayout:
        """The layout for a city."""
        n_vertices, n_static = arrays.static.shape
        n_nodes, n_actions = arrays.graph.action_node.shape
        return ObservationLayout(n_actions + 1, n_vertices, n_static + N_DYNAMIC_FEATURES, n_nodes, n_graphs)

    @property
    def parts(self) -> dict[str, slice]:
        """By name, where a part lies."""
        last = ("graph", 1) if self.n_graphs else ("features", self.n_vertices * self.n_features)
        sizes = (
            ("context", N_CONTEXT_FEATURES),
            ("mask", self.n_actions),
            ("slots", self.n_actions * N_SLOT_FEATURES),
            ("vertex", 1),
            ("slot_vertex", self.n_actions),
            ("own", 1),
            last,
        )
        out, at = {}, 0
        for name, size in sizes:
            out[name] = slice(at, at + size)
            at += size
        return out

    @property
    def size(self) -> int:
        return max(part.stop for part in self.parts.values())

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Least and greatest value of each entry, float32 [size] twice."""
        low, high = np.zeros(self.size, dtype=np.float32), np.zeros(self.size, dtype=np.float32)
        greatest = {
            "mask": 1,
            "vertex": self.n_vertices - 1,
            "slot_vertex": self.n_vertices - 1,
            "own": self.n_nodes - 1,
            "graph": self.n_graphs - 1,
        }
        for name, part in self.parts.items():
            low[part], high[part] = (0.0, greatest[name]) if name in greatest else _FEATURE_RANGE
        return low, high

    def ended(self) -> FloatArray:
        """float32 [size]: what stands for the observation of an episode that is over; its mask allows everything."""
        out = np.zeros(self.size, dtype=np.float32)
        out[self.parts["mask"]] = 1.0
        return out

    def observe(self, batch: LaneBatch, graph: IntArray | None = None) -> FloatArray:
        """float32 [L, size], what each lane of a batch sees now.

        Args:
            graph: int64 [L], the graph numbers of a layout that has them.
        """
        seen, parts, n_lanes = batch.observations, self.parts, batch.n_lanes
        out = np.empty((n_lanes, self.size), dtype=np.float32)
        out[:, parts["context"]] = seen.context
        out[:, parts["mask"]] = seen.mask
        out[:, parts["slots"]] = seen.slots.reshape(n_lanes, -1)
        out[:, parts["vertex"]] = seen.vertex[:, None]
        out[:, parts["slot_vertex"]] = seen.slot_vertex
        out[:, parts["own"]] = batch.episodes.request[:, 2:3]
        if graph is not None:
            out[:, parts["graph"]] = graph[:, None]
        else:
            features = new_vertex_features(batch.arrays, n_lanes)
            graph_features(batch.arrays, batch.episodes, np.arange(n_lanes), features)
            out[:, parts["features"]] = features.reshape(n_lanes, -1)
        return out
