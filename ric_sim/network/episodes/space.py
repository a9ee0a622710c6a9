"""What of a city an episode needs, as plain arrays: the graph without idle leaves, the groups of alike O-RUs, static features."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange
from ric_sim.network.city import City, IntArray, NodeKind
from ric_sim.network.graph import GraphArrays, graph_arrays

FloatArray = npt.NDArray[np.float32]

FEATURE_VERSION = 1
"""Raised with every change of features, masks or their order: weights learnt on other features are worthless."""

MAX_SERVICES = 8
"""Width of everything that has one place per service. A service more or less changes no policy's input."""

N_STATIC_FEATURES = len(NodeKind) + 2
"""See `_static_features`."""

N_GUIDES = 5
"""See `arrays.Episodes`."""


class EpisodeArrays(NamedTuple):
    """The arguments of every kernel; N nodes, E links, V graph vertices.

    Attributes:
        graph: of the city.
        in_start, in_link: as in `GraphArrays`, without the links that leave an O-RU: only its own request walks those.
        near_host: int64 [N], 1 for near O-DU and O-CU.
        is_transport: bool [E], links between switches and hosts, not those of O-RUs.
        vertex: int64 [N], the vertex of each node in the policy's graph; alike O-RUs share one.
        coefficient_weight, demand: int64 [S, 4], per service and tier: processing (see `admission`) and micro-cores per kbps.
        mean_bandwidth_kbps, processing_ns, budget_us: int64 [S].
        static: float32 [V, n static features].
    """

    graph: GraphArrays
    in_start: IntArray
    in_link: IntArray
    near_host: IntArray
    is_transport: npt.NDArray[np.bool_]
    vertex: IntArray
    demand: IntArray
    mean_bandwidth_kbps: IntArray
    processing_ns: IntArray
    budget_us: IntArray
    static: FloatArray


class VertexGraph(NamedTuple):
    """The policy's graph: one vertex per node but O-RUs, one per group of alike O-RUs, and last the request's own O-RU.

    A group holds the O-RUs with the same only neighbour. They have equal features and equal neighbourhoods, so every graph
    convolution gives them equal embeddings and one row stands for all; the request's own O-RU differs and has its own.

    Attributes:
        adjacency: float32 [V - 1, V - 1], normalised adjacency of groups, as if no O-RU were apart from its group.
        size: float32 [V - 1], nodes per vertex.
        own_group, own_access: int64 [N], for O-RUs: the vertex of the group and of the neighbour.
        own_self, own_edge: float32 [N], for O-RUs: normalised weight of the self-loop and of the edge to the neighbour.
    """

    adjacency: FloatArray
    size: FloatArray
    own_group: IntArray
    own_access: IntArray
    own_self: FloatArray
    own_edge: FloatArray


@lru_cache(maxsize=16)
def episode_arrays(city: City) -> EpisodeArrays:
    """The arrays of a city; built once and shared, so never to be written to.

    Raises:
        OutOfRange: more than `MAX_SERVICES` services.
    """
    if len(city.services) > MAX_SERVICES:
        raise OutOfRange(f"the city has {len(city.services)} services, learned policies know places for {MAX_SERVICES}")
    graph = graph_arrays(city)
    from_ru = city.node_kind[city.link_src] == NodeKind.O_RU
    to_ru = city.node_kind[city.link_dst] == NodeKind.O_RU
    kept = np.flatnonzero(~from_ru)
    in_start = np.zeros(city.n_nodes + 1, dtype=np.int64)
    np.cumsum(np.bincount(city.link_dst[kept], minlength=city.n_nodes), out=in_start[1:])
    near = city.near_host & np.isin(city.node_kind, (NodeKind.O_DU, NodeKind.O_CU))
    vertex = _vertices(city)
    return EpisodeArrays(
        graph=graph,
        in_start=in_start,
        in_link=kept[np.argsort(city.link_dst[kept], kind="stable")].astype(np.int64),
        near_host=near.astype(np.int64),
        is_transport=~(from_ru | to_ru),
        vertex=vertex,
        demand=np.array([spec.compute_ucore_per_kbps for spec in city.services], dtype=np.int64),
        mean_bandwidth_kbps=np.array([spec.mean_bandwidth_kbps for spec in city.services], dtype=np.int64),
        processing_ns=np.array([spec.processing_ns for spec in city.services], dtype=np.int64),
        budget_us=np.array([spec.latency_budget_us for spec in city.services], dtype=np.int64),
        static=_static_features(city, vertex, near),
    )


@lru_cache(maxsize=16)
def vertex_graph(city: City) -> VertexGraph:
    """The policy's graph of a city."""
    vertex = _vertices(city)
    n_groups = int(vertex.max()) + 1
    weights = normalised_adjacency(city)
    members = np.zeros((city.n_nodes, n_groups), dtype=np.float64)
    members[np.arange(city.n_nodes), vertex] = 1.0
    representative = np.array([np.flatnonzero(vertex == group)[0] for group in range(n_groups)])
    access = np.zeros(city.n_nodes, dtype=np.int64)
    edge = np.zeros(city.n_nodes, dtype=np.float32)
    for ru in city.nodes_of(NodeKind.O_RU).tolist():
        neighbour = int(city.neighbours[ru, 0])
        access[ru], edge[ru] = vertex[neighbour], weights[ru, neighbour]
    return VertexGraph(
        adjacency=(weights @ members)[representative].astype(np.float32),
        size=members.sum(axis=0).astype(np.float32),
        own_group=vertex,
        own_access=access,
        own_self=np.diagonal(weights).astype(np.float32),
        own_edge=edge,
    )


def normalised_adjacency(city: City) -> npt.NDArray[np.float64]:
    """D^-1/2 (A + I) D^-1/2 over all nodes, links taken as undirected (Kipf and Welling's graph convolution)."""
    adjacency = np.eye(city.n_nodes)
    adjacency[city.link_src, city.link_dst] = 1.0
    adjacency[city.link_dst, city.link_src] = 1.0
    scale = 1.0 / np.sqrt(adjacency.sum(axis=1))
    return scale[:, None] * adjacency * scale[None, :]


def _vertices(city: City) -> IntArray:
    """int64 [N]: nodes but O-RUs first, in order; then one number per group of O-RUs with the same only neighbour."""
    vertex = np.zeros(city.n_nodes, dtype=np.int64)
    others = np.flatnonzero(city.node_kind != NodeKind.O_RU)
    vertex[others] = np.arange(len(others))
    groups: dict[tuple[int, int], int] = {}
    for ru in city.nodes_of(NodeKind.O_RU).tolist():
        around = city.neighbours[ru][city.neighbours[ru] >= 0].tolist()
        alike = (around[0], -1) if len(around) == 1 else (ru, ru)  # an O-RU with two homes is a group of its own
        vertex[ru] = groups.setdefault(alike, len(others) + len(groups))
    return vertex


def _static_features(city: City, vertex: IntArray, near: npt.NDArray[np.bool_]) -> FloatArray:
    """float32 [V, 9]: kind (7), near host, normalised degree. The last vertex is the request's own O-RU."""
    degree = (city.neighbours >= 0).sum(axis=1) / city.neighbours.shape[1]
    per_node = np.hstack([np.eye(len(NodeKind))[city.node_kind], near[:, None], degree[:, None]])
    first = np.array([np.flatnonzero(vertex == group)[0] for group in range(int(vertex.max()) + 1)])
    own = per_node[city.nodes_of(NodeKind.O_RU)[:1]]
    return np.vstack([per_node[first], own]).astype(np.float32)
