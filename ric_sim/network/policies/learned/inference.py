"""Weights and cities in the form that compiled inference takes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ric_sim.domain.weight_file import Tensors
from ric_sim.network.city import City
from ric_sim.network.episodes.arrays import DIRECT_GAIN
from ric_sim.network.episodes.space import vertex_graph
from ric_sim.network.policies.learned.kernels_inference import FloatArray, Model, SparseGraph
from ric_sim.network.policies.learned.weights import N_CONVOLUTIONS


def model_of(tensors: Tensors) -> Model:
    """The layers of an agent."""

    def weight(name: str) -> FloatArray:
        return np.ascontiguousarray(tensors[f"{name}.weight"].T)

    def bias(name: str) -> FloatArray:
        return np.ascontiguousarray(tensors[f"{name}.bias"])

    return Model(
        convolution_0=weight("convolutions.0"),
        convolution_1=weight("convolutions.1"),
        convolution_2=weight("convolutions.2"),
        convolution_bias=np.stack([bias(f"convolutions.{index}") for index in range(N_CONVOLUTIONS)]),
        context=weight("embed_context"),
        context_bias=bias("embed_context"),
        trunk_in=weight("trunk_in"),
        trunk_in_bias=bias("trunk_in"),
        trunk_out=weight("trunk_out"),
        trunk_out_bias=bias("trunk_out"),
        from_trunk=weight("from_trunk"),
        from_trunk_bias=bias("from_trunk"),
        from_slot=weight("from_slot"),
        from_vertex=weight("from_vertex"),
        score=weight("score")[:, 0].copy(),
        direct=np.float32(DIRECT_GAIN) * weight("direct")[:, 0],
        admit_in=weight("admit_in"),
        admit_in_bias=bias("admit_in"),
        admit_out=weight("admit_out")[:, 0].copy(),
        admit_out_bias=bias("admit_out"),
    )


@lru_cache(maxsize=16)
def sparse_graph(city: City) -> SparseGraph:
    """The policy's graph of a city with its adjacency as sparse rows."""
    graph = vertex_graph(city)
    rows, columns = np.nonzero(graph.adjacency)
    start = np.zeros(len(graph.adjacency) + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=len(graph.adjacency)), out=start[1:])
    return SparseGraph(
        start=start,
        column=columns.astype(np.int64),
        weight=graph.adjacency[rows, columns],
        size=graph.size,
        own_group=graph.own_group,
        own_access=graph.own_access,
        own_self=graph.own_self,
        own_edge=graph.own_edge,
    )


def propagation(city: City, ru: int) -> tuple[FloatArray, FloatArray]:
    """A city's graph as seen from one request, in matrices: what other runtimes take beside an observation.

    Args:
        ru: node number of the request's own O-RU.
    Returns:
        float32 [V, V], times features mixes a vertex with its neighbours; float32 [V], times embeddings is their mean.
    """
    graph = vertex_graph(city)
    last, group, access, edge = len(graph.adjacency), graph.own_group[ru], graph.own_access[ru], graph.own_edge[ru]
    mixing = np.zeros((last + 1, last + 1), dtype=np.float32)
    mixing[:last, :last] = graph.adjacency
    mixing[access, last] += edge
    mixing[access, group] -= edge
    mixing[last, last], mixing[last, access] = graph.own_self[ru], edge
    pooling = np.append(graph.size, np.float32(1.0))
    pooling[group] -= 1.0
    return mixing, (pooling / graph.size.sum()).astype(np.float32)
