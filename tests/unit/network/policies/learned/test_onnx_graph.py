"""A routing agent as an ONNX graph: another runtime scores next hops as the compiled inference does."""

import json

import numpy as np
import onnxruntime
import pytest

from ric_sim.network.episodes import kernels
from ric_sim.network.episodes.batch import new_episodes, new_observations, new_vertex_features
from ric_sim.network.episodes.kernels import GOING
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.episodes.space import FEATURE_VERSION, episode_arrays
from ric_sim.network.generator import generate_day
from ric_sim.network.policies.learned.inference import model_of, propagation, sparse_graph
from ric_sim.network.policies.learned.kernels_inference import embed, score_hops
from ric_sim.network.policies.learned.onnx_graph import MASKED, routing_graph
from tests.untrained import untrained_weights

RULES = MaskRules(decline=True)


@pytest.fixture(scope="module")
def weights():
    weights = untrained_weights("all", seed=7, algorithm="sarl", mask=RULES)
    rng = np.random.default_rng(8)
    for name, values in weights.tensors.items():
        if name.endswith("bias"):
            values[:] = rng.standard_normal(values.shape)
    return weights


def test_another_runtime_scores_every_decision_of_routes_alike(city, weights):
    session = onnxruntime.InferenceSession(routing_graph(weights).SerializeToString(), providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["ricity"])
    assert (about["feature_version"], about["service"], about["sha256"]) == (FEATURE_VERSION, "all", weights.sha256)
    arrays, day = episode_arrays(city), generate_day(city, "test", profile="stress")
    model, graph = model_of(weights.tensors), sparse_graph(city)
    ep, seen, features = new_episodes(arrays, 1), new_observations(arrays, 1), new_vertex_features(arrays, 1)[0]
    compared, declinable = 0, 0
    for index in range(0, len(day), len(day) // 20):
        flow = day.flow(index)
        ep.request[0] = (flow.service, flow.direction, flow.ru, flow.upf, flow.bandwidth_kbps, flow.arrival_ms)
        ep.used[0] = 0
        status = kernels.begin(arrays, ep, 0, False)
        mixing, pooling = propagation(city, flow.ru)
        while status == GOING and (status := kernels.observe(arrays, ep, 0, RULES.limits(city)[:2], seen, 0)) == GOING:
            kernels.vertex_features(arrays, ep, 0, features)
            expected = np.full(seen.mask.shape[1], MASKED, dtype=np.float32)
            score_hops(model, embed(model, graph, features, flow.ru), seen, 0, expected)
            inputs = {"propagation": mixing, "pooling": pooling, "features": features, "context": seen.context[0]}
            inputs |= {"slots": seen.slots[0], "vertex": seen.vertex[:1], "slot_vertex": seen.slot_vertex[0]}
            (scores,) = session.run(["scores"], inputs | {"mask": seen.mask[0]})
            np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
            compared, declinable = compared + 1, declinable + int(seen.mask[0, -1])
            hops = np.where(seen.mask[0, :-1], expected[:-1], -np.inf)
            status = kernels.advance(arrays, ep, 0, int(np.argmax(hops)))
    assert compared > 60
    assert declinable > 0
