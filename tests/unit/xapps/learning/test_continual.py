from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ric_sim.domain.errors import WeightsMissing
from ric_sim.envs.disturbances import demand_scaled
from ric_sim.network.montreal import build_city
from ric_sim.network.scenario import Scenario
from ric_sim.network.traffic import DAY_MS
from tests.untrained import untrained_folder
from xapps.learning.amarl import training_scenarios
from xapps.learning.config import TrainingConfig
from xapps.learning.continual import AnchoredLearner, ContinualTrainer, Regimes
from xapps.learning.ppo import samples_of
from xapps.learning.pretrained import fitted, load_team

SERVICES = list(build_city("paper").service_index)


def _trainer(config: TrainingConfig, folder: Path, *, rehearses: bool = True, anchor: float = 1.0) -> ContinualTrainer:
    team = load_team(untrained_folder(folder / "old", SERVICES), SERVICES)
    chosen = fitted(config, team)
    old = training_scenarios(chosen, 3)
    new = [(city, demand_scaled(Scenario(city, day), "voip", 2.0, from_ms=0, to_ms=DAY_MS).day) for city, day in old]
    return ContinualTrainer(chosen, Regimes(new, old if rehearses else (), anchor), team, seed=3, weights=folder)


def _divergence(trainer: ContinualTrainer, service: str = "voip") -> float:
    """Of the present policy from the one before, on decisions of the old regime."""
    learner = trainer.learners[SERVICES.index(service)]
    assert isinstance(learner, AnchoredLearner)
    decisions = trainer._collector.collect(20)
    old = np.arange(decisions.service.shape[1]) >= trainer._first_rehearsed
    decisions.service = np.where(old, decisions.service, -1)
    samples = samples_of(decisions, decisions.reward, [SERVICES.index(service)])
    with torch.no_grad():
        return float(learner.divergence(samples, np.arange(len(samples))))


def test_agents_begin_as_they_were(config: TrainingConfig, tmp_path: Path) -> None:
    assert _divergence(_trainer(config, tmp_path)) == 0.0


def test_agents_learn_on_both_regimes_and_rehearse_the_old_one_only(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = _trainer(config, tmp_path)
    trainer.adapt()
    voip = trainer.learners[SERVICES.index("voip")]
    assert voip.n_updates > 0
    assert _divergence(trainer) > 0.0
    played = [batch.day.digest for batch in trainer._batches]
    assert played == [day.digest for _, day in (*trainer.regimes.new, *trainer.regimes.rehearsed)]
    assert trainer._first_rehearsed == config.traffic.lanes


def test_a_heavy_anchor_holds_the_old_policy(config: TrainingConfig, tmp_path: Path) -> None:
    loose, tight = (_trainer(config, tmp_path / str(anchor), anchor=anchor) for anchor in (0.0, 300.0))
    for trainer in (loose, tight):
        trainer.adapt()
    assert _divergence(tight) < 0.5 * _divergence(loose)


def test_without_rehearsal_nothing_is_penalised(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = _trainer(config, tmp_path, rehearses=False)
    trainer.prepare()
    trainer.advance()
    assert all(float(learner._penalty()) == 0.0 for learner in trainer.learners)


def test_the_same_seed_adapts_to_the_last_bit(config: TrainingConfig, tmp_path: Path) -> None:
    first, second = (_trainer(config, tmp_path) for _ in range(2))
    for trainer in (first, second):
        trainer.adapt()
    pairs = zip(first.networks, second.networks, strict=True)
    assert all(torch.equal(a, b) for one, other in pairs for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_adapted_weights_have_the_mask_and_widths_of_the_old_ones(config: TrainingConfig, tmp_path: Path) -> None:
    trainer = _trainer(config, tmp_path)
    trainer.save_weights()
    before, after = load_team(tmp_path / "old", SERVICES), load_team(tmp_path, SERVICES)
    assert all(after[key].spec.widths == before[key].spec.widths for key in SERVICES)
    assert all(after[key].spec.mask == before[key].spec.mask for key in SERVICES)


def test_a_team_must_be_whole(tmp_path: Path) -> None:
    untrained_folder(tmp_path, [key for key in SERVICES if key != "voip"])
    with pytest.raises(WeightsMissing, match="voip"):
        load_team(tmp_path, SERVICES)
