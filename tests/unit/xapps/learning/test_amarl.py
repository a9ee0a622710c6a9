from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ric_sim.domain.errors import TrainingDiverged
from ric_sim.network.policies.learned.weights import load_weights
from tests.unit.xapps.learning.tiny import tiny_config
from xapps.learning.amarl import VALIDATION_SEED, AmarlTrainer, training_scenarios, validation_scenarios
from xapps.learning.config import TrainingConfig


def _parameters(trainer: AmarlTrainer) -> list[torch.Tensor]:
    return [values.detach().clone() for network in trainer.networks for values in network.parameters()]


def _trained(config: TrainingConfig, folder: Path, *, rollouts: int = 3) -> AmarlTrainer:
    trainer = AmarlTrainer(config, seed=3, weights=folder)
    trainer.prepare()
    for _ in range(rollouts):
        trainer.advance()
    return trainer


def _advance(trainer: AmarlTrainer, *, times: int) -> None:
    for _ in range(times):
        trainer.advance()


def test_the_same_seed_gives_the_same_networks_to_the_last_bit(config: TrainingConfig, tmp_path: Path) -> None:
    first, second = (_parameters(_trained(config, tmp_path)) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_another_seed_gives_other_networks(config: TrainingConfig, tmp_path: Path) -> None:
    one = _parameters(AmarlTrainer(config, seed=3, weights=tmp_path))
    other = _parameters(AmarlTrainer(config, seed=4, weights=tmp_path))
    assert any(not torch.equal(left, right) for left, right in zip(one, other, strict=True))


def test_each_agent_updates_when_it_has_enough_of_its_own(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = _trained(config, tmp_path, rollouts=4)
    updates = {learner.name: learner.n_updates for learner in trainer.learners}
    assert updates["voip"] > updates["ar"]  # forty per cent of requests against three
    assert all(learner.n_waiting < learner.settings.rollout for learner in trainer.learners)


def test_an_agent_that_diverges_leaves_the_others_as_they_are(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = _trained(config, tmp_path, rollouts=1)
    sick = trainer.learners[trainer.services.index("voip")]
    with torch.no_grad():
        next(sick.network.parameters()).fill_(float("nan"))
    before = _parameters(trainer)
    with pytest.raises(TrainingDiverged, match="voip"):
        _advance(trainer, times=20)
    position = len(list(sick.network.parameters())) * trainer.services.index("voip")
    assert torch.isnan(before[position]).all()
    assert all(
        torch.isfinite(values).all()
        for learner in trainer.learners
        if learner is not sick
        for values in learner.network.parameters()
    )


def test_a_restored_trainer_has_the_same_networks_and_goes_on(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = _trained(config, tmp_path)
    restored = AmarlTrainer(config, seed=3, weights=tmp_path)
    restored.load_state_dict(trainer.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(_parameters(trainer), _parameters(restored), strict=True))
    assert restored.steps == trainer.steps
    restored.prepare()
    restored.advance()
    assert restored.steps > trainer.steps


def test_weights_are_exported_for_every_service(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = _trained(config, tmp_path, rollouts=1)
    trainer.save_weights()
    for learner in trainer.learners:
        weights = load_weights(tmp_path / "amarl" / f"{learner.name}.safetensors", algorithm="amarl", service=learner.name)
        np.testing.assert_array_equal(weights.tensors["value.bias"], learner.network.value.bias.detach().numpy())
        assert weights.spec.lineage.seed == 3


def test_no_training_or_validation_day_is_a_published_one(config: TrainingConfig) -> None:
    names = {day.digest for seed in range(3) for _, day in training_scenarios(config, seed)}
    validation = {day.digest for _, day in validation_scenarios(config)}
    assert not names & validation
    assert VALIDATION_SEED not in (20260101, 20260102)


def test_a_decision_that_ended_its_episode_knows_the_outcome(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = AmarlTrainer(config, seed=3, weights=tmp_path)
    decisions = trainer._collector.collect(30)
    outcomes = trainer._collector.outcomes[0]
    ticks, lanes = np.nonzero(decisions.done)
    assert len(ticks) > 0
    row = decisions.outcome[ticks, lanes]
    np.testing.assert_array_equal(outcomes.lane[row], lanes)
    np.testing.assert_array_equal(outcomes.episode[row], decisions.episode[ticks, lanes])
    assert (decisions.outcome[~decisions.done] == -1).all()


def test_the_papers_reward_is_selfish_and_mostly_acceptance(tmp_path: Path) -> None:
    config = tiny_config(reward={"kind": "paper"})
    trainer = AmarlTrainer(config, seed=3, weights=tmp_path)
    trainer.prepare()
    decisions = trainer._collector.collect(20)
    accepted = decisions.outcome >= 0
    assert 0.8 < np.median(decisions.reward[accepted]) < 1.6
    assert "scarcity_cost" not in trainer.advance()["lanes"]
