"""A routing agent as an ONNX graph: the scores of the next hops of one decision, as `score_hops`. Needs the extra `onnx`.

A city's graph is an input like the others (`inference.propagation`), so one file serves every city, as the weights do.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import onnx

from ric_sim.domain.onnx_model import OnnxGraph
from ric_sim.network.episodes.arrays import DECLINE_BELOW, DECLINE_GAIN
from ric_sim.network.episodes.kernels import N_CONTEXT_FEATURES, N_DYNAMIC_FEATURES, N_SLOT_FEATURES
from ric_sim.network.episodes.space import N_STATIC_FEATURES
from ric_sim.network.policies.learned.inference import model_of
from ric_sim.network.policies.learned.kernels_inference import Model
from ric_sim.network.policies.learned.weights import Weights

MASKED = -1e9
"""The score of an action outside the mask."""


def routing_graph(weights: Weights) -> onnx.ModelProto:
    """`scores`, float32 [D], of one decision; the highest is taken, the lowest action of equals.

    Inputs, for V vertices and D actions, the last of which declines (`ric_sim.network.episodes.kernels`): float32 `features`
    [V, F], `context` [C], `slots` [D, S]; int64 `vertex` [1], `slot_vertex` [D]; bool `mask` [D]; and of the city
    `propagation` [V, V] and `pooling` [V]. The metadata has the spec and the weights' digest.
    """
    graph, model = OnnxGraph(), model_of(weights.tensors)
    for name, shape in (
        ("propagation", ("V", "V")),
        ("pooling", ("V",)),
        ("features", ("V", N_STATIC_FEATURES + N_DYNAMIC_FEATURES)),
        ("context", (N_CONTEXT_FEATURES,)),
        ("slots", ("D", N_SLOT_FEATURES)),
    ):
        graph.input(name, "float32", shape)
    graph.input("vertex", "int64", (1,))
    graph.input("slot_vertex", "int64", ("D",))
    graph.input("mask", "bool", ("D",))
    hops = _hop_scores(graph, model, *_embedded(graph, model))
    masked = graph.constant(MASKED)
    best = graph.add("ReduceMax", graph.add("Where", _hops_only(graph, "mask"), hops, masked), keepdims=1)
    declining = graph.add("Add", best, _decline_margin(graph, model))
    graph.add("Where", "mask", graph.add("Concat", hops, declining, axis=0), masked, output="scores")
    about = {**asdict(weights.spec), "sha256": weights.sha256}
    return graph.model(f"routing-{weights.spec.service}", {"scores": ("D",)}, about)


def _embedded(graph: OnnxGraph, model: Model) -> tuple[str, str]:
    """Embeddings of the vertices [V, H] and of the whole graph [H]."""
    hidden = "features"
    layers = (model.convolution_0, model.convolution_1, model.convolution_2)
    for weight, bias in zip(layers, model.convolution_bias, strict=True):
        hidden = graph.add("Relu", graph.dense(graph.add("MatMul", "propagation", hidden), weight, bias))
    return hidden, graph.add("MatMul", "pooling", hidden)


def _hop_scores(graph: OnnxGraph, model: Model, hidden: str, pooled: str) -> str:
    """Of all actions but the last, [D - 1], whatever the mask."""
    here = graph.add("Squeeze", graph.add("Gather", hidden, "vertex", axis=0), graph.constant([0], np.int64))
    context = graph.add("Relu", graph.dense("context", model.context, model.context_bias))
    joint = graph.add("Concat", context, pooled, here, axis=0)
    inner = graph.add("Relu", graph.dense(joint, model.trunk_in, model.trunk_in_bias))
    outer = graph.add("Relu", graph.dense(inner, model.trunk_out, model.trunk_out_bias))
    base = graph.dense(outer, model.from_trunk, model.from_trunk_bias)
    slots = _hops_only(graph, "slots")
    there = graph.dense(graph.add("Gather", hidden, _hops_only(graph, "slot_vertex"), axis=0), model.from_vertex)
    pointer = graph.add("Add", graph.add("Add", graph.dense(slots, model.from_slot), there), base)
    return graph.add("Add", graph.dense(graph.add("Relu", pointer), model.score), graph.dense(slots, model.direct))


def _decline_margin(graph: OnnxGraph, model: Model) -> str:
    """How much more than the best hop declining scores, [1]."""
    inner = graph.add("Relu", graph.dense("context", model.admit_in, model.admit_in_bias))
    expected = graph.dense(inner, model.admit_out[:, None], model.admit_out_bias)
    margin = graph.add("Sub", graph.constant([DECLINE_BELOW]), expected)
    return graph.add("Mul", graph.constant([DECLINE_GAIN]), margin)


def _hops_only(graph: OnnxGraph, name: str) -> str:
    """Without the last row, which declines."""
    return graph.add("Slice", name, *(graph.constant([value], np.int64) for value in (0, -1, 0)))
