"""What is exported decides as what was trained, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ric_sim.domain.errors import WeightsMismatch
from ric_sim.radio.learned import ActorStack, decode_actor, encode_actor, starting_weights
from services.trainer.slicing import find_slicing_config
from xapps.learning.slicing.export import actor_weights, adopt_actor
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


def test_a_learner_goes_on_from_weights_that_were_exported() -> None:
    config = find_slicing_config("ci", "sac", changes={"network": {"hidden": [16, 12], "head_scale": 1.0}})
    one, other = (SlicingTrainer(config, seed=seed) for seed in (1, 2))
    made = actor_weights(one.learner, config, seed=1, steps=0)
    adopt_actor(other.learner, 2, made[4])
    again = actor_weights(other.learner, config, seed=1, steps=0)
    assert all((again[2].tensors[name] == made[4].tensors[name]).all() for name in made[4].tensors)
    assert any((again[1].tensors[name] != made[1].tensors[name]).any() for name in made[1].tensors)
    assert torch.equal(other.learner.reference[2], one.learner.actors[4])


def test_weights_of_another_network_are_not_adopted() -> None:
    config = find_slicing_config("ci", "sac", changes={"network": {"hidden": [16, 12]}})
    trainer = SlicingTrainer(config, seed=1)
    before = trainer.learner.actors.clone()
    foreign = starting_weights("shipped", "du_0")
    assert foreign is not None
    with pytest.raises(WeightsMismatch, match="learn with that network"):
        adopt_actor(trainer.learner, 0, foreign)
    assert torch.equal(trainer.learner.actors, before)
