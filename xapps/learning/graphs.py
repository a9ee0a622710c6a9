"""Networks on flat observations: where the graph of each decision comes from, and embeddings that are not computed twice."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ric_sim.envs.kernels_lanes import graph_features
from ric_sim.envs.lanes import LaneBatch
from ric_sim.envs.observation import ObservationLayout
from ric_sim.network.episodes.batch import new_vertex_features
from xapps.learning.networks import RoutingBatch, RoutingNetwork

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def routing_batch(layout: ObservationLayout, observations: Tensor, graph: Tensor) -> RoutingBatch:
    """The network's input for flat observations, float32 [n, size], of which decision i lies in graph `graph[i]`."""
    parts = layout.parts
    mask = observations[:, parts["mask"]] > 0.5
    return RoutingBatch(
        context=observations[:, parts["context"]],
        mask=mask,
        slots=observations[:, parts["slots"]].view(len(observations), layout.n_actions, -1)[mask],
        graph=graph,
        vertex=observations[:, parts["vertex"]][:, 0].long(),
        slot_vertex=observations[:, parts["slot_vertex"]].long()[mask],
    )


class Judge(Protocol):
    """Applies a network to flat observations."""

    def __call__(self, network: RoutingNetwork, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, float32 [n, D], and values, float32 [n]."""

    def forget(self) -> None:
        """The network has changed."""


class InlineGraphs:
    """Observations that hold their graph: one embedding per decision, as any library does that knows nothing of stages."""

    def __init__(self, layout: ObservationLayout) -> None:
        self._layout = layout

    def __call__(self, network: RoutingNetwork, observations: Tensor) -> tuple[Tensor, Tensor]:
        """See `Judge`."""
        layout, parts, n = self._layout, self._layout.parts, len(observations)
        features = observations[:, parts["features"]].view(n, layout.n_vertices, layout.n_features)
        own = observations[:, parts["own"]][:, 0].long()
        return network(routing_batch(layout, observations, torch.arange(n)), features, own)

    def forget(self) -> None:
        """Nothing is kept."""


class GraphRing:
    """Features of the graphs that lanes have met, under numbers that observations carry; each lane has its own places.

    A lane has one place more than a rollout has ticks, so no graph of a rollout is overwritten within it.
    """

    def __init__(self, batch: LaneBatch, *, n_lanes: int, n_ticks: int) -> None:
        """`batch` gives the shapes."""
        self.per_lane = n_ticks + 1
        self.layout = ObservationLayout.of(batch.arrays, n_graphs=n_lanes * self.per_lane)
        self.features = new_vertex_features(batch.arrays, n_lanes * self.per_lane)
        self.own = np.zeros(n_lanes * self.per_lane, dtype=np.int64)
        self.current = np.arange(n_lanes, dtype=np.int64) * self.per_lane

    def renew(self, batch: LaneBatch, lanes: IntArray, first: int) -> None:
        """Takes the present graphs of some lanes of a batch; `first` is the ring's number of the batch's lane 0."""
        features = new_vertex_features(batch.arrays, len(lanes))
        graph_features(batch.arrays, batch.episodes, lanes, features)
        here = self.current[first + lanes]
        base = (first + lanes) * self.per_lane
        place = base + (here - base + 1) % self.per_lane
        self.features[place], self.own[place] = features, batch.episodes.request[lanes, 2]
        self.current[first + lanes] = place


class RingGraphs:
    """Observations that carry a number of a `GraphRing`: each graph is embedded once per minibatch, and once while lanes play."""

    def __init__(self, ring: GraphRing) -> None:
        self._ring = ring
        self._number = np.full(len(ring.current), -1, dtype=np.int64)
        self._hidden: Tensor | None = None
        self._pooled: Tensor | None = None

    def __call__(self, network: RoutingNetwork, observations: Tensor) -> tuple[Tensor, Tensor]:
        """See `Judge`."""
        number = observations[:, self._ring.layout.parts["graph"]][:, 0].long().numpy()
        if torch.is_grad_enabled():
            graphs, local = np.unique(number, return_inverse=True)
            hidden, pooled = self._embed(network, graphs)
        else:
            hidden, pooled = self._kept(network, number)
            local = number // self._ring.per_lane
        return network.decide(routing_batch(self._ring.layout, observations, torch.from_numpy(local)), hidden, pooled)

    def forget(self) -> None:
        """The network has changed: embeddings no longer hold."""
        self._number[:] = -1

    def _embed(self, network: RoutingNetwork, graphs: IntArray) -> tuple[Tensor, Tensor]:
        return network.embed(torch.from_numpy(self._ring.features[graphs]), torch.from_numpy(self._ring.own[graphs]))

    def _kept(self, network: RoutingNetwork, number: IntArray) -> tuple[Tensor, Tensor]:
        """Embeddings of the lanes' present graphs, float32 [L, V, H] and [L, H]; only those that changed are computed."""
        lane = number // self._ring.per_lane
        stale = np.flatnonzero(self._number[lane] != number)
        if len(stale):
            hidden, pooled = self._embed(network, number[stale])
            if self._hidden is None or self._pooled is None:
                self._hidden = torch.zeros(len(self._number), *hidden.shape[1:])
                self._pooled = torch.zeros(len(self._number), pooled.shape[1])
            self._hidden[lane[stale]], self._pooled[lane[stale]] = hidden, pooled
            self._number[lane[stale]] = number[stale]
        assert self._hidden is not None
        assert self._pooled is not None
        return self._hidden, self._pooled
