"""What is exported decides as what was trained, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ric_sim.radio.learned import ActorStack, decode_actor, encode_actor
from services.trainer.slicing import find_slicing_config
from xapps.learning.slicing.export import actor_weights
from xapps.learning.slicing.training import SlicingTrainer


@pytest.mark.parametrize("network", [{"activation": "relu"}, {"activation": "tanh"}, {"activation": "crelu", "layer_norm": True}])
def test_numpy_actors_equal_torch_actors(network: dict[str, Any], tmp_path: Path) -> None:
    changes = {"network": {"hidden": [16, 12], "head_scale": 1.0, **network}, "world": {"n_ues": 12, "replicas": 2}}
    config = find_slicing_config("ci", "sac", changes=changes)
    trainer = SlicingTrainer(config, seed=1)
    sent = [encode_actor(each) for each in actor_weights(trainer.learner, config, seed=1, steps=0)]
    actors = ActorStack([decode_actor(content, source="message") for content in sent])
    observation = np.random.default_rng(0).normal(size=(5, 6, 18)).astype(np.float32)
    np.testing.assert_allclose(actors.greedy(observation), trainer.learner.act(observation, explore=False), atol=2e-6)
    assert actors.agents == tuple(f"du_{index}" for index in range(6))


def test_exported_weights_do_not_move_with_training() -> None:
    changes = {"world": {"n_ues": 12, "replicas": 2, "episode": 40}, "sac": {"warm_up": 10}}
    config = find_slicing_config("ci", "sac", changes=changes)
    trainer = SlicingTrainer(config, seed=1)
    before = actor_weights(trainer.learner, config, seed=1, steps=0)
    digests = [each.sha256 for each in before]
    trainer.advance()
    assert [each.sha256 for each in before] == digests
    after = actor_weights(trainer.learner, config, seed=1, steps=trainer.steps)
    assert after[0].sha256 != digests[0]
    assert after[0].spec.version == trainer.learner.n_updates == 60
