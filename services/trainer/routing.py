"""`ricity train routing`: one run, from configuration to weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ric_sim.domain.errors import UnknownKey
from ric_sim.network.policies.learned.weights import Lineage
from services.trainer.async_trainer import TurnTaking
from services.trainer.backends import BackendPlan, async_trainer
from services.trainer.ray_backend import RayTrainer
from services.trainer.run_folder import RunFolder
from services.trainer.scalars import ScalarLog
from services.trainer.training import Progress, Trainer, run_training
from xapps.learning.amarl import AmarlTrainer
from xapps.learning.config import TrainingConfig, load_config
from xapps.learning.onboarding import Onboarding, OnboardingTrainer

CONFIGS = Path(__file__).with_name("configs")

Algorithm = Literal["amarl", "sarl"]
Watcher = Callable[[int, int, Progress], None]
"""Decisions so far, decisions at most, what there is to tell."""


@dataclass(frozen=True)
class RunPlan:
    """What a run is; with `onboarding`, only the newcomers learn."""

    algo: Algorithm
    config: TrainingConfig
    seed: int
    git_commit: str
    backend: BackendPlan = field(default_factory=BackendPlan)
    onboarding: Onboarding | None = None


def find_config(name: str) -> TrainingConfig:
    """A configuration by name, or from a YAML file.

    Raises:
        UnknownKey: neither.
        MalformedFile: a file with unknown, missing or impossible values.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return load_config(path)
    known = {file.stem: file for file in CONFIGS.glob("*.yaml")}
    if name not in known:
        raise UnknownKey("training configuration", name, [*known, "<file>.yaml"])
    return load_config(known[name])


def train_routing(plan: RunPlan, *, out: Path, resume: bool, watch: Watcher) -> dict[str, Any]:
    """Trains until the configuration says so, or goes on with a run that was cut off.

    Returns:
        The content of `result.json`: algo, config, seed, gos_validation, steps, wall_s, steps_per_s, evaluations, weights, ...
    Raises:
        Conflict, MalformedFile: the folder (see `RunFolder.begin`).
        TrainingDiverged: the last checkpoint and the best weights stand.
    """
    algo, config, seed, git_commit = plan.algo, plan.config, plan.seed, plan.git_commit
    folder = RunFolder(out)
    begun_s = time.monotonic()
    state = folder.begin(config, algo=algo, seed=seed, resume=resume)
    lineage = Lineage(git_commit=git_commit)
    trainer = _trainer(plan, weights=folder.weights, lineage=lineage)
    scalars = ScalarLog(out)

    def tell(steps: int, progress: Progress, report: dict[str, dict[str, float]]) -> None:
        scalars.write(steps, report)
        watch(steps, config.total_steps, progress)

    try:
        progress = run_training(trainer, config, folder, state, tell)
        facts = trainer.facts() if isinstance(trainer, TurnTaking | RayTrainer) else {}
    finally:
        scalars.close()
        if isinstance(trainer, TurnTaking | RayTrainer):
            trainer.close()
    best = max(progress.evaluations, key=lambda evaluation: evaluation["gos"])
    result = {
        "algo": algo,
        "config": config.name,
        "config_hash": config.digest,
        "seed": seed,
        "git_commit": git_commit,
        "gos_validation": progress.best_gos,
        "gos_validation_by_profile": best["gos_by_city"],
        "steps": trainer.steps,
        "best_step": progress.best_step,
        "wall_s": progress.wall_s,
        "setup_s": time.monotonic() - begun_s - progress.wall_s if state is None else None,
        "train_s": progress.train_s,
        "steps_per_s": trainer.steps / progress.train_s if progress.train_s else 0.0,
        "resumed": state is not None,
        "weights": str(folder.weights),
        "evaluations": progress.evaluations,
        "backend": plan.backend.name,
        **facts,
    }
    folder.write_result(result)
    return result


def _trainer(plan: RunPlan, *, weights: Path, lineage: Lineage) -> Trainer:
    config, seed = plan.config, plan.seed
    if plan.algo == "sarl":
        from xapps.learning.sarl import SarlTrainer  # stable-baselines3 takes seconds to import

        return SarlTrainer(config, seed=seed, weights=weights, lineage=lineage)
    if plan.onboarding is not None:
        return OnboardingTrainer(config, plan.onboarding, seed=seed, weights=weights, lineage=lineage)
    if not plan.backend.is_plain:
        return async_trainer(plan.backend, config, seed=seed, weights=weights, lineage=lineage)
    return AmarlTrainer(config, seed=seed, weights=weights, lineage=lineage)
