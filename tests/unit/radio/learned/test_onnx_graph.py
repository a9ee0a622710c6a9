"""Actors as ONNX graphs: another runtime decides as the numpy actors do."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest

from ric_sim.radio.learned import SHIPPED_FOLDER, ActorSpec, ActorStack, ActorWeights, actor_file, load_actor
from ric_sim.radio.learned.onnx_graph import actor_graph

SPEC = ActorSpec("du_1", 2, "ext", "resid5", observation_dim=18, action_dim=5, hidden=(16, 12))


def drawn(spec):
    rng = np.random.default_rng(4)
    return ActorWeights(spec, {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in spec.shapes().items()})


@pytest.mark.parametrize(
    "weights",
    [
        load_actor(actor_file(SHIPPED_FOLDER, "du_2")),
        drawn(SPEC),
        drawn(replace(SPEC, activation="tanh", layer_norm=True)),
        drawn(replace(SPEC, activation="crelu", layer_norm=True)),
    ],
    ids=["shipped", "relu", "tanh", "crelu"],
)
def test_another_runtime_decides_alike(weights):
    model = actor_graph(weights)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    observation = np.random.default_rng(5).standard_normal((64, weights.spec.observation_dim), dtype=np.float32)
    action, mean, sigma = session.run(["action", "mean", "sigma"], {"observation": observation})
    actor = ActorStack([weights])
    expected_mean, expected_sigma = actor.moments(observation[:, None])
    np.testing.assert_allclose(action, actor.greedy(observation[:, None])[:, 0], atol=2e-6)
    np.testing.assert_allclose(mean, expected_mean[:, 0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(sigma, expected_sigma[:, 0], rtol=1e-3)


def test_the_metadata_says_what_it_is():
    model = onnx.load_from_string(actor_graph(drawn(SPEC)).SerializeToString())
    about = json.loads(next(entry.value for entry in model.metadata_props if entry.key == "ricity"))
    assert (about["agent"], about["observation_version"], about["decoding"]) == ("du_1", SPEC.observation_version, "resid5")
    assert about["sha256"] == drawn(SPEC).sha256
