"""Training on Ray: real actors, one of which is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import warnings
from pathlib import Path

import psutil
import pytest

from ric_sim.domain.errors import DeploymentFailed
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from services.trainer.async_trainer import AgentsPlan, TurnTaking
from services.trainer.backends import BackendPlan
from services.trainer.ray_backend import RayTrainer
from services.trainer.routing import RunPlan, find_config, train_routing
from services.trainer.training import Progress
from xapps.learning.config import TrainingConfig
from xapps.learning.shared_env import MemoryEnvironment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

AGENTS = ("iot", "voip")


def config() -> TrainingConfig:
    fast = find_config("fast")
    return fast.model_copy(
        update={
            "traffic": fast.traffic.model_copy(update={"profiles": ("paper",), "lanes": 8, "filled": 30, "validation_flows": 64}),
            "reward": fast.reward.model_copy(update={"scarcity_first": 2, "scarcity_steps": 1}),
            "amarl": fast.amarl.model_copy(update={"rollout": 128, "epochs": 1}),
            "total_steps": 6_000,
            "evaluate_every": 100_000,
        }
    )


def test_killed_agent_comes_back_while_the_other_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[RayTrainer] = []
    start = RayTrainer.prepare

    def prepare(trainer: RayTrainer) -> None:
        prepared.append(trainer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray's own, at import and start
            start(trainer)

    monkeypatch.setattr(RayTrainer, "prepare", prepare)
    killed: list[int] = []

    def watch(done: int, _most: int, _progress: Progress) -> None:
        if done > 500 and not killed:
            killed.append(prepared[0].agent_pid("iot"))
            os.kill(killed[0], signal.SIGKILL)

    plan = RunPlan("amarl", config(), 1, "0" * 40, BackendPlan("ray", agents=AGENTS))
    result = train_routing(plan, out=tmp_path, resume=False, watch=watch)

    assert result["backend"] == "ray"
    assert result["restarts"] == 1
    assert result["steps"] >= 6_000
    assert result["agents"] == list(AGENTS)
    assert sum(result["staleness_histogram"]) > 0
    assert {file.stem for file in (tmp_path / "weights" / "amarl").iterdir()} >= set(AGENTS)
    assert (tmp_path / "result.json").exists()
    deadline_s = time.monotonic() + 60
    while (psutil.pid_exists(killed[0]) or rays()) and time.monotonic() < deadline_s:  # some end a moment later
        time.sleep(0.1)
    assert not psutil.pid_exists(killed[0])
    assert not rays()


def rays() -> list[int]:
    """Ids of this process's children that are Ray's."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ray" in " ".join(child.cmdline()):
                found.append(child.pid)
    return found


def test_run_goes_on_where_it_was_and_a_lost_environment_ends_it(tmp_path: Path) -> None:
    city = build_city("paper")
    day = generate_day(city, "train", profile="paper", seed=5)
    plan = AgentsPlan(config(), 1, (city,), (day.name,), ("voip",), tmp_path)
    learner = TurnTaking(plan, MemoryEnvironment([(city, day)], config(), seed=1), batch=8)
    learner.prepare()
    while not learner.agents[0].learner.n_updates:
        learner.advance()
    trainer = RayTrainer(plan, [(city, day)])
    trainer.load_state_dict(learner.state_dict())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.prepare()
        while trainer.steps == learner.steps:
            trainer.advance()
        assert trainer.state_dict()["agents"]["voip"]["learner"]["n_updates"] >= 1
        os.kill(trainer.environment_pid(), signal.SIGKILL)
        with pytest.raises(DeploymentFailed, match="--resume"):
            _advance_forever(trainer)
    finally:
        trainer.close()


def _advance_forever(trainer: RayTrainer) -> None:
    while True:
        trainer.advance()
