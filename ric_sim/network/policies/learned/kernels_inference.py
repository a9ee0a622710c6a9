"""Compiled inference: from observations to the scores of next hops, and a whole route in one call.

The kernels of `ric_sim.network.episodes` are called from here; `python -m ric_sim.network.policies` drops compiled code that
is older than any kernel. Single precision throughout and one order of summation, so equal inputs give equal bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.network.city import IntArray
from ric_sim.network.episodes import kernels
from ric_sim.network.episodes.arrays import DECLINE_BELOW, DECLINE_GAIN
from ric_sim.network.episodes.kernels import GOING, N_DYNAMIC_FEATURES, Episodes, Observations
from ric_sim.network.episodes.space import EpisodeArrays

UNDECIDED = 5
"""Status of an episode whose scores are not finite."""

FloatArray = npt.NDArray[np.float32]


class Model(NamedTuple):
    """One agent's layers, float32; weights are [inputs, outputs], of the trained tensors the transposed."""

    convolution_0: FloatArray
    convolution_1: FloatArray
    convolution_2: FloatArray
    convolution_bias: FloatArray
    context: FloatArray
    context_bias: FloatArray
    trunk_in: FloatArray
    trunk_in_bias: FloatArray
    trunk_out: FloatArray
    trunk_out_bias: FloatArray
    from_trunk: FloatArray
    from_trunk_bias: FloatArray
    from_slot: FloatArray
    from_vertex: FloatArray
    score: FloatArray
    direct: FloatArray
    admit_in: FloatArray
    admit_in_bias: FloatArray
    admit_out: FloatArray
    admit_out_bias: FloatArray


class SparseGraph(NamedTuple):
    """`VertexGraph` with a sparse adjacency: vertex v has the neighbours column[start[v]:start[v + 1]], itself among them."""

    start: IntArray
    column: IntArray
    weight: FloatArray
    size: FloatArray
    own_group: IntArray
    own_access: IntArray
    own_self: FloatArray
    own_edge: FloatArray


@njit(cache=True)
def _add(factor: float, row: FloatArray, out: FloatArray) -> None:
    for index in range(len(out)):
        out[index] += factor * row[index]


@njit(cache=True)
def _dense(values: FloatArray, weight: FloatArray, out: FloatArray) -> None:
    """Adds values times weight to `out`. Most values are zero behind a rectifier, and skipped."""
    for index in range(len(values)):
        if values[index] != 0.0:
            _add(values[index], weight[index], out)


@njit(cache=True)
def _rectify(out: FloatArray) -> None:
    """Keeps NaN, so that overflow shows in the scores."""
    for index in range(len(out)):
        if out[index] < 0.0:
            out[index] = 0.0


@njit(cache=True)
def _convolve(graph: SparseGraph, hidden: FloatArray, ru: int, layer: tuple[FloatArray, FloatArray]) -> FloatArray:
    """One graph convolution of hidden, float32 [V, F]; float32 [V, H]."""
    weight, bias = layer
    last = len(hidden) - 1
    group, access, edge = graph.own_group[ru], graph.own_access[ru], graph.own_edge[ru]
    out = np.empty((len(hidden), weight.shape[1]), np.float32)
    mixed = np.empty(hidden.shape[1], np.float32)
    for vertex in range(len(hidden)):
        mixed[:] = 0.0
        if vertex == last:
            _add(graph.own_self[ru], hidden[last], mixed)
            _add(edge, hidden[access], mixed)
        else:
            for index in range(graph.start[vertex], graph.start[vertex + 1]):
                _add(graph.weight[index], hidden[graph.column[index]], mixed)
            if vertex == access:
                _add(edge, hidden[last], mixed)
                _add(-edge, hidden[group], mixed)
        out[vertex] = bias
        _dense(mixed, weight, out[vertex])
        _rectify(out[vertex])
    return out


@njit(cache=True)
def embed(model: Model, graph: SparseGraph, features: FloatArray, ru: int) -> tuple[FloatArray, FloatArray]:
    """Embeddings of vertices, float32 [V, H], and of the whole graph, [H], as `RoutingNetwork.embed`.

    Args:
        features: float32 [V, F], `kernels.vertex_features`.
        ru: node number of the request's own O-RU.
    """
    hidden = _convolve(graph, features, ru, (model.convolution_0, model.convolution_bias[0]))
    hidden = _convolve(graph, hidden, ru, (model.convolution_1, model.convolution_bias[1]))
    hidden = _convolve(graph, hidden, ru, (model.convolution_2, model.convolution_bias[2]))
    last = len(hidden) - 1
    pooled = hidden[last] - hidden[graph.own_group[ru]]
    total = np.float32(0.0)
    for vertex in range(last):
        _add(graph.size[vertex], hidden[vertex], pooled)
        total += graph.size[vertex]
    return hidden, pooled / total


@njit(cache=True)
def _expects(model: Model, context: FloatArray) -> float:
    """As `RoutingNetwork.expects`, of one request."""
    inner = model.admit_in_bias.copy()
    _dense(context, model.admit_in, inner)
    _rectify(inner)
    expected = model.admit_out_bias[0]
    for index in range(len(inner)):
        expected += inner[index] * model.admit_out[index]
    return expected


@njit(cache=True)
def score_hops(model: Model, embedded: tuple[FloatArray, FloatArray], seen: Observations, row: int, out: FloatArray) -> None:
    """Scores of the valid next hops of an observation, as the logits of `RoutingNetwork.decide`.

    Args:
        embedded: of `embed`.
        out: float32 [D], written where the mask is True.
    """
    hidden, pooled = embedded
    n_context, n_graph = len(model.context_bias), len(pooled)
    joint = np.empty(n_context + 2 * n_graph, np.float32)
    joint[:n_context] = model.context_bias
    _dense(seen.context[row], model.context, joint[:n_context])
    _rectify(joint[:n_context])
    joint[n_context : n_context + n_graph] = pooled
    joint[n_context + n_graph :] = hidden[seen.vertex[row]]
    inner = model.trunk_in_bias.copy()
    _dense(joint, model.trunk_in, inner)
    _rectify(inner)
    outer = model.trunk_out_bias.copy()
    _dense(inner, model.trunk_out, outer)
    _rectify(outer)
    base = model.from_trunk_bias.copy()
    _dense(outer, model.from_trunk, base)
    pointer = np.empty_like(base)
    best = np.float32(-np.inf)
    last = len(out) - 1
    for action in range(last):
        if not seen.mask[row, action]:
            continue
        slots = seen.slots[row, action]
        pointer[:] = base
        _dense(slots, model.from_slot, pointer)
        _dense(hidden[seen.slot_vertex[row, action]], model.from_vertex, pointer)
        _rectify(pointer)
        score = np.float32(0.0)
        for index in range(len(pointer)):
            score += pointer[index] * model.score[index]
        for index in range(len(slots)):
            score += slots[index] * model.direct[index]
        out[action] = score
        best = max(best, score)
    if seen.mask[row, last]:
        out[last] = best + np.float32(DECLINE_GAIN) * (np.float32(DECLINE_BELOW) - _expects(model, seen.context[row]))


@njit(cache=True)
def _best(mask: npt.NDArray[np.bool_], scores: FloatArray) -> int:
    """The valid action with the highest score, the lowest of equals; -1 if a score is not finite."""
    best = -1
    for action in range(len(mask)):
        if mask[action]:
            if not np.isfinite(scores[action]):
                return -1
            if best < 0 or scores[action] > scores[best]:
                best = action
    return best


@njit(cache=True)
def _only(mask: npt.NDArray[np.bool_]) -> int:
    """The valid action if there is just one, else -1."""
    only = -1
    for action in range(len(mask)):
        if mask[action]:
            if only >= 0:
                return -1
            only = action
    return only


@njit(cache=True)
def walk(
    arrays: EpisodeArrays,
    ep: Episodes,
    limits: tuple[IntArray, bool, bool],
    network: tuple[Model, SparseGraph],
    out: Observations,
) -> int:
    """Routes the request of row 0 from its source to its destination, or until it cannot go on.

    Takes forced hops without inference and embeds the graph once, at the first decision, as `kernels_lanes.play` and its
    callers do in training.

    Args:
        limits: as of `kernels_lanes.play`.
        out: room for one observation.
    Returns:
        A status of `kernels`, not `GOING`; or `UNDECIDED`.
    """
    most_us, no_revisit, idle_floor = limits
    model, graph = network
    features = np.empty((len(arrays.static), arrays.static.shape[1] + N_DYNAMIC_FEATURES), np.float32)
    embedded = (features, features[0])
    scores = np.empty(out.mask.shape[1], np.float32)
    is_embedded = False
    row = np.int64(0)  # a bare 0 would have every kernel compiled once more
    status = kernels.begin(arrays, ep, row, idle_floor)
    while status == GOING:
        status = kernels.observe(arrays, ep, row, (most_us, no_revisit), out, row)
        if status != GOING:
            break
        action = _only(out.mask[0])
        if action < 0:
            if not is_embedded:
                kernels.vertex_features(arrays, ep, row, features)
                embedded = embed(model, graph, features, ep.request[0, 2])
                is_embedded = True
            score_hops(model, embedded, out, row, scores)
            action = _best(out.mask[0], scores)
            if action < 0:
                return UNDECIDED
        status = kernels.advance(arrays, ep, row, action)
    return status
