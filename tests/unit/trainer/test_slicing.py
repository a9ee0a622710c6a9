"""Slicing runs on disk: variants, results, and what a killed run goes on with."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ric_sim.domain.errors import Conflict, MalformedFile, UnknownKey
from ric_sim.envs.slicing_evaluate import evaluate_slicing
from ric_sim.radio.learned import load_slicing
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World
from services.trainer.slicing import CONFIGS, VARIANTS, SlicingRunPlan, find_slicing_config, train_slicing
from xapps.learning.slicing.config import SlicingConfig
from xapps.learning.slicing.training import SlicingTrainer

TINY: dict[str, Any] = {
    "world": {"n_dus": 2, "n_ues": 30, "replicas": 2, "episode": 20},
    "network": {"hidden": [8, 8]},
    "sac": {"warm_up": 10, "batch": 8, "replay": 200},
    "evaluation": {
        "every": 20,
        "profiles": ["nominal", "overload"],
        "seeds": [901, 902],
        "replicas": 2,
        "decisions": 10,
        "validation_replicas": 1,
        "validation_decisions": 5,
        "curvature_every": 20,
        "curvature_rows": 16,
    },
    "total_steps": 60,
}


def _config(variant: str = "ta-sam", **changes: Any) -> SlicingConfig:
    return find_slicing_config("ci", variant, changes={**TINY, **changes})


def _train(folder: Path, *, resume: bool = False, variant: str = "ta-sam", **changes: Any) -> dict[str, Any]:
    plan = SlicingRunPlan(_config(variant, **changes), 1, "test")
    return train_slicing(plan, out=folder, resume=resume, watch=lambda *_: None)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_to_its_end(variant: str, tmp_path: Path) -> None:
    result = _train(tmp_path, variant=variant, total_steps=40)
    assert result["variant"] == variant
    assert result["updates"] == 2 * 30
    assert np.isfinite([result["reward"], result["curvature"]["critic"], *result["curvature"]["actors"]]).all()
    assert set(result["by_profile"]) == {"nominal", "overload"}


def test_variants_differ_where_they_should() -> None:
    chosen = {name: find_slicing_config("ci", name) for name in VARIANTS}
    base = chosen["sac"]
    assert (base.sam.critic, base.sam.actors) == (False, "none")
    assert (chosen["ta-sam"].sam.critic, chosen["ta-sam"].sam.actors) == (True, "selected")
    assert chosen["no-selective"].sam == chosen["both-sam"].sam
    assert chosen["static-rho"].sam.rho_actor.kind == "static"
    assert chosen["single-agent"].n_agents == 1
    for name in VARIANTS:
        if name not in ("plastic", "single-agent"):
            assert chosen[name].network == base.network
            assert chosen[name].sac == base.sac, name
        assert chosen[name].evaluation == base.evaluation
        assert chosen[name].total_steps == base.total_steps


def test_a_run_leaves_result_scalars_and_weights_that_decide(tmp_path: Path) -> None:
    result = _train(tmp_path)
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert result["steps"] == 60
    assert list(tmp_path.glob("events.out.*"))
    with (tmp_path / "learning.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["agent"] for row in rows} == {"world", "critic", "du_0", "du_1"}
    assert all(float(row["td_variance"]) > 0 for row in rows if row["agent"] == "du_0")
    assert len(result["curvatures"]) == 3
    policy = load_slicing(tmp_path / "weights")
    trained = _config()
    world = SlicingTrainer(trained, seed=1).world
    again = evaluate_slicing(policy, world, seeds=(901, 902), decisions=10)
    assert again.reward.mean == pytest.approx(result["reward"], abs=1e-9)


def test_a_resumed_run_ends_like_one_that_was_never_stopped(tmp_path: Path) -> None:
    straight = SlicingTrainer(_config(), seed=1)
    for _ in range(3):
        straight.advance()
    first = SlicingTrainer(_config(), seed=1)
    first.advance()
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = SlicingTrainer(_config(), seed=1)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=False))
    for _ in range(2):
        second.advance()
    assert second.steps == straight.steps == 60
    assert torch.equal(second.learner.actors, straight.learner.actors)
    assert torch.equal(second.learner.critics, straight.learner.critics)


def test_a_run_that_is_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.trainer.slicing.CHECKPOINT_EVERY_S", 0.0)
    plan = SlicingRunPlan(_config(), 1, "test")

    def stop(done: int, _total: int, _progress: object) -> None:
        if done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_slicing(plan, out=tmp_path / "run", resume=False, watch=stop)
    kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=False)
    assert kept["trainer"]["steps"] == 20
    with pytest.raises(Conflict, match="--resume"):
        train_slicing(plan, out=tmp_path / "run", resume=False, watch=stop)
    result = train_slicing(plan, out=tmp_path / "run", resume=True, watch=lambda *_: None)
    assert result["steps"] == 60
    uninterrupted = _train(tmp_path / "other")
    assert result["reward"] == uninterrupted["reward"]


def test_a_finished_run_resumes_to_the_same_result(tmp_path: Path) -> None:
    first = _train(tmp_path)
    second = _train(tmp_path, resume=True)
    assert second["resumed"]
    assert (second["reward"], second["updates"]) == (first["reward"], first["updates"])


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownKey, match="did you mean 'ta-sam'"):
        find_slicing_config("ci", "tasam")
    with pytest.raises(UnknownKey, match="slicing configuration"):
        find_slicing_config("fast", "sac")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: broken\nsac: {gama: 1}\n")
    with pytest.raises(MalformedFile, match=r"sac\.gama"):
        find_slicing_config(str(broken), "sac")
    broken.write_text("- 1\n")
    with pytest.raises(MalformedFile, match="holds no keys"):
        find_slicing_config(str(broken), "sac")


@pytest.mark.parametrize("size", ["ci", "full", "paper"])
def test_every_size_fits_every_variant(size: str) -> None:
    overlays = {file.stem for file in (CONFIGS / "variants").glob("*.yaml")}
    assert overlays >= {*VARIANTS, "equal-rho", "unequal-rho", "td-rho"}
    chosen = [find_slicing_config(size, variant) for variant in sorted(overlays)]
    assert {config.name for config in chosen} == {size}
    assert [config.variant for config in chosen] == sorted(overlays)
    assert len({config.digest for config in chosen}) == len(chosen)


def test_noisy_reports_are_learnt_from_but_not_evaluated_on(tmp_path: Path) -> None:
    noisy, clean = (SlicingTrainer(_config(world={**TINY["world"], "report_noise": level}), seed=1) for level in (1.0, 0.0))
    assert not np.array_equal(noisy._seen(), clean._seen())
    assert np.array_equal(noisy.world.observe(), clean.world.observe())
    noisy.advance()
    assert np.isfinite(noisy.replay.sample(50, np.random.default_rng(0)).observation.numpy()).all()


def test_four_hundred_steps_beat_the_best_rule() -> None:
    """Measured: 1.98 to 1.99 in five of five runs, the rule has 1.95 on these worlds."""
    config = find_slicing_config("ci", "sac", changes={"total_steps": 400})
    trainer = SlicingTrainer(config, seed=1)
    while trainer.steps < config.total_steps:
        trainer.advance()
    world = World(n_replicas=8)
    learned = evaluate_slicing(trainer.policy(), world, seeds=(901,))
    rule = evaluate_slicing(make_slicing_policy("need-tuned"), world, seeds=(901,))
    assert learned.reward.mean >= 1.94
    assert learned.reward.mean > rule.reward.mean - 0.01
    variances = trainer.learner.selection.variances
    assert variances[4] > variances[5]  # 1.3 and 0.7 times the usual load
