"""The single agent: a few updates, an exact resume, its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ric_sim.domain.errors import TrainingDiverged
from ric_sim.domain.weight_file import SUFFIX
from ric_sim.network.policies.learned.weights import ALL_SERVICES, load_weights
from tests.unit.xapps.learning.tiny import tiny_config
from xapps.learning.config import RewardConfig, TrainingConfig
from xapps.learning.sarl import AGENT, SarlTrainer, reward_weights


@pytest.fixture
def config() -> TrainingConfig:
    traffic = {"profiles": ["paper"], "lanes": 12, "stretch": 500, "filled": 30, "validation_flows": 64}
    ppo = {"rollout": 480, "minibatch": 32, "epochs": 2, "learning_rate": 1e-3, "gamma": 1.0, "gae_lambda": 0.97}
    return tiny_config(traffic=traffic, sarl=ppo)


def _trained(config: TrainingConfig, folder: Path, *, rollouts: int = 2) -> SarlTrainer:
    trainer = SarlTrainer(config, seed=3, weights=folder)
    trainer.prepare()
    for _ in range(rollouts):
        trainer.advance()
    return trainer


def _parameters(trainer: SarlTrainer) -> list[torch.Tensor]:
    return [values.detach().clone() for values in trainer.network.parameters()]


def _equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(left, right) for left, right in zip(one, other, strict=True))


def test_the_same_seed_gives_the_same_network_to_the_last_bit(config: TrainingConfig, tmp_path: Path) -> None:
    first, second = (_parameters(_trained(config, tmp_path)) for _ in range(2))
    assert _equal(first, second)


def test_it_learns_from_every_decision_and_tells(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = SarlTrainer(config, seed=3, weights=tmp_path)
    trainer.prepare()
    before = _parameters(trainer)
    report = trainer.advance()
    assert not _equal(before, _parameters(trainer))
    assert trainer.steps == report[AGENT]["decisions"] > 0
    assert 0.0 < report["lanes"]["accepted"] <= 1.0
    assert report["lanes"]["scarcity_cost"] > 0.0
    assert all(np.isfinite(value) for scalars in report.values() for value in scalars.values())


def test_two_resumed_runs_go_on_alike_from_where_the_first_was(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = _trained(config, tmp_path)
    torch.save(trainer.state_dict(), tmp_path / "state.pt")
    at_save = _parameters(trainer)
    ends = []
    for seed_noise in (1, 2):
        torch.manual_seed(seed_noise)
        resumed = SarlTrainer(config, seed=3, weights=tmp_path)
        resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=False))
        assert _equal(_parameters(resumed), at_save)
        assert resumed.steps == trainer.steps
        resumed.prepare()
        resumed.advance()
        ends.append(_parameters(resumed))
    assert _equal(*ends)
    assert not _equal(ends[0], at_save)


def test_weights_on_disk_are_the_network(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = _trained(config, tmp_path, rollouts=1)
    trainer.save_weights()
    weights = load_weights(tmp_path / "sarl" / f"{ALL_SERVICES}{SUFFIX}", algorithm="sarl", service="voip")
    state = trainer.network.state_dict()
    assert set(weights.tensors) == set(state)
    assert all(np.array_equal(weights.tensors[name], values.numpy()) for name, values in state.items())
    assert weights.spec.lineage.steps == trainer.steps


def test_a_network_that_is_not_finite_ends_the_run_by_name(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = _trained(config, tmp_path, rollouts=1)
    with torch.no_grad():
        trainer.network.value.weight.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match=r"value\.weight"):
        trainer.advance()


def test_the_papers_reward_is_selfish() -> None:
    assert reward_weights(RewardConfig(kind="paper")).scarcity == 0.0
    team = reward_weights(RewardConfig(kind="team", hop_per_ms=0.5, scarcity=2.0))
    assert (team.latency_per_ms, team.scarcity, team.refused) == (-0.5, -2.0, -1.0)


def test_the_papers_reward_trains_without_a_scarcity_model(config: TrainingConfig, tmp_path: Path) -> None:
    selfish = config.model_copy(update={"reward": RewardConfig(kind="paper")})
    trainer = _trained(selfish, tmp_path, rollouts=1)
    assert trainer.state_dict()["scarcity"] == []
    assert trainer.steps > 0
