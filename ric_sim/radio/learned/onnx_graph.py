"""An actor as an ONNX graph, number for number what `ActorStack` decides. Needs the extra `onnx`."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import onnx

from ric_sim.domain.onnx_model import OnnxGraph
from ric_sim.radio.learned.actor import LOG_SIGMA_HIGH, LOG_SIGMA_LOW, NORM_EPSILON
from ric_sim.radio.learned.weights import ActorSpec, ActorWeights


def actor_graph(weights: ActorWeights) -> onnx.ModelProto:
    """float32 `observation` [batch, o] to `action` [batch, d] in [0, 1], the likeliest one; `mean` and `sigma` before the
    sigmoid beside it. The metadata has the spec and the weights' digest."""
    spec, graph = weights.spec, OnnxGraph()
    x = graph.input("observation", "float32", ("batch", spec.observation_dim))
    for index in range(len(spec.hidden) + 1):
        x = graph.dense(x, weights.tensors[f"layers.{index}.weight"], weights.tensors[f"layers.{index}.bias"])
        if index < len(spec.hidden):
            x = _activated(graph, x, spec, width=spec.hidden[index])
    graph.add("Slice", x, *_columns(graph, 0, spec.action_dim), output="mean")
    raw = graph.add("Slice", x, *_columns(graph, spec.action_dim, 2 * spec.action_dim))
    half = 0.5 * (LOG_SIGMA_HIGH - LOG_SIGMA_LOW)
    scaled = graph.add("Mul", graph.add("Tanh", raw), graph.constant(half))
    graph.add("Exp", graph.add("Add", scaled, graph.constant(LOG_SIGMA_LOW + half)), output="sigma")
    graph.add("Sigmoid", "mean", output="action")
    shape = ("batch", spec.action_dim)
    about = {**asdict(spec), "sha256": weights.sha256}
    return graph.model(f"slicing-{spec.agent}", {"action": shape, "mean": shape, "sigma": shape}, about)


def _activated(graph: OnnxGraph, x: str, spec: ActorSpec, *, width: int) -> str:
    if spec.layer_norm:
        scale, bias = graph.constant(np.ones(width)), graph.constant(np.zeros(width))
        x = graph.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=NORM_EPSILON)
    if spec.activation == "tanh":
        return graph.add("Tanh", x)
    positive = graph.add("Relu", x)
    if spec.activation == "relu":
        return positive
    return graph.add("Concat", positive, graph.add("Relu", graph.add("Neg", x)), axis=-1)


def _columns(graph: OnnxGraph, start: int, end: int) -> list[str]:
    """Start, end and axis of a slice of the last axis."""
    return [graph.constant([value], np.int64) for value in (start, end, -1)]
