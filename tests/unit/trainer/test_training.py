"""Runs on disk: evaluations, early stop, what a killed run leaves, what a resumed one goes on with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ric_sim.domain.errors import Conflict, MalformedFile, UnknownKey
from services.trainer.routing import RunPlan, find_config, train_routing
from services.trainer.run_folder import RunFolder
from services.trainer.training import run_training
from tests.unit.xapps.learning.tiny import tiny_config
from xapps.learning.validation import Score


def _train(folder: Path, *, resume: bool = False, **changes: Any) -> dict[str, Any]:
    plan = RunPlan("amarl", tiny_config(**changes), 1, "test")
    return train_routing(plan, out=folder, resume=resume, watch=lambda *_: None)


def _trained(folder: Path) -> None:
    """A run as `_train` leaves it, of a trainer that does nothing."""
    run, config = RunFolder(folder), tiny_config()
    run.begin(config, algo="amarl", seed=1, resume=False)
    run_training(_Flat(), config, run, None, lambda *_: None)


def test_a_run_ends_with_a_result_weights_and_scalars(tmp_path: Path) -> None:
    result = _train(tmp_path)
    assert result["steps"] >= 400
    assert 0 < result["gos_validation"] <= 1
    assert result["steps_per_s"] > 0
    assert json.loads((tmp_path / "result.json").read_text())["gos_validation"] == result["gos_validation"]
    assert len(list((tmp_path / "weights" / "amarl").glob("*.safetensors"))) == 6
    assert (tmp_path / "learning.csv").read_text().startswith("step,wall_s,service")
    assert list(tmp_path.glob("events.out.*"))


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    _trained(tmp_path)
    with pytest.raises(Conflict, match="--resume"):
        _train(tmp_path)
    with pytest.raises(Conflict, match="another algorithm, seed or configuration"):
        _train(tmp_path, resume=True, ticks=13)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    _trained(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(MalformedFile, match="checkpoint"):
        _train(tmp_path, resume=True)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_run_killed_outright_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    config = tiny_config(total_steps=10_000_000, evaluate_every=150, patience=10_000)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    run = tmp_path / "run"
    command = [sys.executable, "-m", "services.cli.main", "train", "routing", "--config", str(path), "--out", str(run)]
    errors = tmp_path / "stderr"
    with errors.open("w") as stderr:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
    deadline_s = time.monotonic() + 240
    try:
        while not (run / "checkpoint.pt").exists():
            assert child.poll() is None, errors.read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    at = torch.load(run / "checkpoint.pt", weights_only=False)["trainer"]["steps"]
    assert at > 0
    state = RunFolder(run).begin(config, algo="amarl", seed=1, resume=True)
    assert state is not None
    assert state["trainer"]["steps"] == at


def test_configurations_are_found_by_name_or_path(tmp_path: Path) -> None:
    assert find_config("fast").name == "fast"
    assert find_config("paper").amarl.learning_rate == 5e-5
    with pytest.raises(UnknownKey, match="fast"):
        find_config("fasst")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: x\nticks: 0\n")
    with pytest.raises(MalformedFile, match="ticks"):
        find_config(str(wrong))


class _Flat:
    """A trainer that never gets better."""

    def __init__(self) -> None:
        self.steps = 0
        self.saved = 0

    def prepare(self) -> None: ...

    def advance(self) -> dict[str, dict[str, float]]:
        self.steps += 100
        return {}

    def score(self) -> Score:
        return Score(0.5, {}, {}, {}, 1)

    def save_weights(self) -> None:
        self.saved += 1

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]


def test_training_stops_when_nothing_gets_better(tmp_path: Path) -> None:
    trainer = _Flat()
    config = tiny_config(total_steps=100_000, evaluate_every=100, patience=3)
    progress = run_training(trainer, config, RunFolder(tmp_path), None, lambda *_: None)
    assert (trainer.steps, trainer.saved, progress.best_step) == (400, 1, 100)
