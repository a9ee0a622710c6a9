"""The routing policy as a torch module: a graph convolution over the city, a shared trunk, a pointer over next hops, a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ric_sim.network.city import City
from ric_sim.network.episodes.arrays import DECLINE_BELOW, DECLINE_GAIN, DIRECT_GAIN, LEAST_REGRET
from ric_sim.network.episodes.kernels import N_CONTEXT_FEATURES, N_DYNAMIC_FEATURES, N_SLOT_FEATURES
from ric_sim.network.episodes.space import episode_arrays, vertex_graph

MASKED_LOGIT = -1e9


@dataclass(frozen=True)
class NetworkShape:
    """Widths of the layers; the paper's are 256 for `graph` (its "features dim") and (256, 128) for `trunk`."""

    graph: int = 64
    context: int = 64
    trunk: tuple[int, int] = (256, 128)
    pointer: int = 64


class RoutingBatch(NamedTuple):
    """n decisions; P valid hops in all, row-major.

    Attributes:
        context: float32 [n, C]. mask: bool [n, D]. slots: float32 [P, S], of the valid hops only.
        graph: int64 [n], which graph (one per episode and stage). vertex: int64 [n]. slot_vertex: int64 [P].
    """

    context: Tensor
    mask: Tensor
    slots: Tensor
    graph: Tensor
    vertex: Tensor
    slot_vertex: Tensor


class CityGraph(nn.Module):
    """Normalised adjacency times features, alike O-RUs as one vertex (see `VertexGraph`): exact, and a quarter the size."""

    adjacency: Tensor
    size: Tensor
    own_group: Tensor
    own_access: Tensor
    own_self: Tensor
    own_edge: Tensor

    def __init__(self, city: City) -> None:
        super().__init__()
        graph = vertex_graph(city)
        for name, values in graph._asdict().items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)), persistent=False)

    def forward(self, hidden: Tensor, own: Tensor) -> Tensor:
        """float32 [g, V, H] of features [g, V, H] and the own O-RUs, int64 [g]."""
        groups, single = hidden[:, :-1], hidden[:, -1]
        rows = torch.arange(len(own), device=own.device)
        group, access, edge = self.own_group[own], self.own_access[own], self.own_edge[own][:, None]
        mixed = torch.matmul(self.adjacency, groups)
        mixed[rows, access] += edge * (single - groups[rows, group])
        lone = self.own_self[own][:, None] * single + edge * groups[rows, access]
        return torch.cat([mixed, lone[:, None]], dim=1)

    def pool(self, hidden: Tensor, own: Tensor) -> Tensor:
        """float32 [g, H], mean over all nodes."""
        rows = torch.arange(len(own), device=own.device)
        total = torch.einsum("v,gvh->gh", self.size, hidden[:, :-1])
        total = total - hidden[rows, self.own_group[own]] + hidden[:, -1]
        return total / self.size.sum()


class RoutingNetwork(nn.Module):
    """Actor and critic (paper section 4.3): three graph convolutions, embeddings of observation and globals, a shared trunk.

    The actor scores each valid next hop from the trunk, the hop's own features and the embedding of where it leads; a linear
    path from the hop's features to its score lets the policy start inside what any guide would do: `prior` says how strongly a
    detour that no guide takes counts against a hop.
    """

    def __init__(self, city: City, shape: NetworkShape = NetworkShape(), *, prior: float = 3.0) -> None:
        """
        Args:
            prior: weight, before anything is learnt, of how much longer a hop is over the best one for the guide that likes it
                most.
        """
        super().__init__()
        n_vertex_features = episode_arrays(city).static.shape[1] + N_DYNAMIC_FEATURES
        self.shape = shape
        self.city_graph = CityGraph(city)
        self.convolutions = nn.ModuleList(nn.Linear(n_in, shape.graph) for n_in in (n_vertex_features, shape.graph, shape.graph))
        self.embed_context = nn.Linear(N_CONTEXT_FEATURES, shape.context)
        self.trunk_in = nn.Linear(shape.context + 2 * shape.graph, shape.trunk[0])
        self.trunk_out = nn.Linear(shape.trunk[0], shape.trunk[1])
        self.from_trunk = nn.Linear(shape.trunk[1], shape.pointer)
        self.from_slot = nn.Linear(N_SLOT_FEATURES, shape.pointer, bias=False)
        self.from_vertex = nn.Linear(shape.graph, shape.pointer, bias=False)
        self.score = nn.Linear(shape.pointer, 1, bias=False)
        self.direct = nn.Linear(N_SLOT_FEATURES, 1, bias=False)
        self.value = nn.Linear(shape.trunk[1], 1)
        self.admit_in = nn.Linear(N_CONTEXT_FEATURES, shape.context)
        self.admit_out = nn.Linear(shape.context, 1)
        self._initialise(prior)

    def _initialise(self, prior: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight, 2**0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.orthogonal_(self.score.weight, 0.01)
        nn.init.orthogonal_(self.value.weight, 1.0)
        nn.init.zeros_(self.admit_out.weight)  # nothing is declined at first
        with torch.no_grad():
            self.direct.weight.zero_()
            self.direct.weight[0, LEAST_REGRET] = -prior / DIRECT_GAIN

    def embed(self, features: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of vertices, float32 [g, V, H], and of whole graphs, [g, H]; one per episode and stage, not per hop."""
        hidden = features
        for convolution in self.convolutions:
            hidden = torch.relu(convolution(self.city_graph(hidden, own)))
        return hidden, self.city_graph.pool(hidden, own)

    def decide(self, batch: RoutingBatch, hidden: Tensor, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, float32 [n, D], `MASKED_LOGIT` where masked, and values, float32 [n], given `embed` of the graphs."""
        here = hidden[batch.graph, batch.vertex]
        context = torch.relu(self.embed_context(batch.context))
        trunk = torch.relu(self.trunk_in(torch.cat([context, pooled[batch.graph], here], dim=1)))
        trunk = torch.relu(self.trunk_out(trunk))
        decision = batch.mask.nonzero()[:, 0]
        there = self.from_vertex(hidden[batch.graph[decision], batch.slot_vertex])
        pointer = torch.relu(self.from_trunk(trunk)[decision] + self.from_slot(batch.slots) + there)
        scores = (self.score(pointer) + DIRECT_GAIN * self.direct(batch.slots))[:, 0]
        logits = torch.full(batch.mask.shape, MASKED_LOGIT, dtype=scores.dtype)
        logits[batch.mask] = scores
        if batch.mask[:, -1].any():
            declines = DECLINE_GAIN * (DECLINE_BELOW - self.expects(batch.context).detach()) + logits[:, :-1].max(dim=1).values
            logits[:, -1] = torch.where(batch.mask[:, -1], declines, logits[:, -1])
        return logits, self.value(trunk)[:, 0]

    def expects(self, context: Tensor) -> Tensor:
        """What carrying requests is expected to earn, float32 [n], by their context at the source, float32 [n, C]."""
        return self.admit_out(torch.relu(self.admit_in(context)))[:, 0]

    def forward(self, batch: RoutingBatch, features: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """`decide` on `embed`."""
        return self.decide(batch, *self.embed(features, own))
