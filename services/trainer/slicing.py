"""`ricity train slicing`: one run, from configuration to weights and figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ric_sim.domain.errors import UnknownKey
from ric_sim.envs.slicing_evaluate import evaluate_slicing
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.learned.policy import LearnedSlicing
from ric_sim.radio.learned.weights import actor_file, save_actor
from ric_sim.radio.world import World
from services.trainer.run_folder import RunFolder
from services.trainer.scalars import ScalarLog
from services.trainer.slicing_outcome import final_figures
from xapps.learning.slicing.config import VARIANTS, SlicingConfig, load_slicing_config
from xapps.learning.slicing.export import actor_weights
from xapps.learning.slicing.training import VALIDATION_SEED, SlicingTrainer

CONFIGS = Path(__file__).parent / "configs" / "slicing"
CHECKPOINT_EVERY_S = 30.0

COLUMNS = (
    "step",
    "wall_s",
    "agent",
    "reward",
    "all3",
    "satisfied_embb",
    "satisfied_mmtc",
    "satisfied_urllc",
    "validation_reward",
    "actor_loss",
    "entropy",
    "temperature",
    "td_variance",
    "under_sam",
    "rho",
    "critic_loss",
    "sharpness",
    "curvature",
)


@dataclass(frozen=True)
class SlicingRunPlan:
    """What a run is."""

    config: SlicingConfig
    seed: int
    git_commit: str


@dataclass
class SlicingProgress:
    """What a run has been through; part of its checkpoint."""

    wall_s: float = 0.0
    train_s: float = 0.0
    next_evaluation: int = 0
    next_curvature: int = 0
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    curvatures: list[dict[str, Any]] = field(default_factory=list)


Watcher = Callable[[int, int, SlicingProgress], None]
"""Steps so far, steps at the end, what there is to tell."""


def find_slicing_config(name: str, variant: str, *, changes: dict[str, Any] | None = None) -> SlicingConfig:
    """A size by name or from a YAML file, with a variant over it.

    Args:
        changes: single values over both, nested as the file is.
    Raises:
        UnknownKey: no such size or variant.
        MalformedFile: a file with unknown, missing or impossible values.
    """
    overlays = {file.stem: file for file in (CONFIGS / "variants").glob("*.yaml")}
    if variant not in overlays:
        raise UnknownKey("slicing variant", variant, overlays)
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = {file.stem: file for file in CONFIGS.glob("*.yaml")}
        if name not in known:
            raise UnknownKey("slicing configuration", name, [*known, "<file>.yaml"])
        path = known[name]
    return load_slicing_config(path, overlays[variant], changes)


def train_slicing(plan: SlicingRunPlan, *, out: Path, resume: bool, watch: Watcher) -> dict[str, Any]:
    """Trains to the end, or goes on with a run that was cut off.

    Returns:
        The content of `result.json`: variant, config, seed, reward, satisfied, all3, by_profile, curvature, steps, wall_s, ...
    Raises:
        Conflict, MalformedFile: the folder (see `RunFolder.begin`).
        TrainingDiverged: the last checkpoint and its weights stand.
    """
    config, folder = plan.config, RunFolder(out, columns=COLUMNS)
    state = folder.begin(config, algo=f"slicing/{config.variant}", seed=plan.seed, resume=resume)
    trainer, progress = SlicingTrainer(config, seed=plan.seed), SlicingProgress()
    if state is not None:
        trainer.load_state_dict(state["trainer"])
        progress = SlicingProgress(**state["progress"])
    scalars = ScalarLog(out)
    try:
        _run(trainer, progress, folder, scalars, watch)
    finally:
        scalars.close()
    _save_weights(trainer, folder)
    result = {
        "variant": config.variant,
        "config": config.name,
        "config_hash": config.digest,
        "seed": plan.seed,
        "git_commit": plan.git_commit,
        "decoding": config.world.decoding,
        "steps": trainer.steps,
        "updates": trainer.learner.n_updates,
        "wall_s": progress.wall_s,
        "train_s": progress.train_s,
        "steps_per_s": trainer.steps / progress.train_s if progress.train_s else 0.0,
        "resumed": state is not None,
        **final_figures(trainer),
        "weights": str(folder.weights),
        "evaluations": progress.evaluations,
        "curvatures": progress.curvatures,
    }
    folder.write_result(result)
    return result


def _run(trainer: SlicingTrainer, progress: SlicingProgress, folder: RunFolder, scalars: ScalarLog, watch: Watcher) -> None:
    """Episodes until the end, with the looks and the checkpoints between them."""
    config = trainer.config
    begun_s, saved_s = time.monotonic() - progress.wall_s, time.monotonic()
    validation = _validation_world(config)
    while trainer.steps < config.total_steps:
        step_s = time.monotonic()
        report = trainer.advance()
        progress.train_s += time.monotonic() - step_s
        if trainer.steps >= min(progress.next_evaluation, config.total_steps):
            progress.next_evaluation = trainer.steps + config.evaluation.every
            report["world"]["validation_reward"] = _validated(trainer, validation, progress)
            _save_weights(trainer, folder)
        if config.evaluation.curvature_every and trainer.steps >= max(progress.next_curvature, config.sac.warm_up + 1):
            progress.next_curvature = trainer.steps + config.evaluation.curvature_every
            _measure_curvature(trainer, progress, report)
        progress.wall_s = time.monotonic() - begun_s
        folder.append_scalars(step=trainer.steps, wall_s=progress.wall_s, report=report)
        scalars.write(trainer.steps, report)
        watch(trainer.steps, config.total_steps, progress)
        if time.monotonic() - saved_s > CHECKPOINT_EVERY_S:
            _save_checkpoint(trainer, progress, folder)
            saved_s = time.monotonic()
    _save_checkpoint(trainer, progress, folder)


def _validation_world(config: SlicingConfig) -> World:
    return World(
        RadioConfig(n_dus=config.world.n_dus, n_ues=config.world.n_ues),
        n_replicas=config.evaluation.validation_replicas,
        decoding=config.world.decoding,
        observation=config.world.observation,
    )


def _validated(trainer: SlicingTrainer, world: World, progress: SlicingProgress) -> float:
    """Reward of the present greedy policies on the validation seed."""
    policy: LearnedSlicing = trainer.policy()
    decisions = trainer.config.evaluation.validation_decisions
    evaluation = evaluate_slicing(policy, world, seeds=(VALIDATION_SEED,), decisions=decisions)
    reward = evaluation.reward.mean
    progress.evaluations.append(
        {"step": trainer.steps, "train_s": progress.train_s, "reward": reward, "all3": evaluation.all3.mean}
    )
    return reward


def _measure_curvature(trainer: SlicingTrainer, progress: SlicingProgress, report: dict[str, dict[str, float]]) -> None:
    measured = trainer.curvature()
    progress.curvatures.append({"step": trainer.steps, **asdict(measured)})
    report.setdefault("critic", {})["curvature"] = measured.critic
    for agent, value in zip(trainer.agents, measured.actors, strict=True):
        report.setdefault(agent, {})["curvature"] = value


def _save_weights(trainer: SlicingTrainer, folder: RunFolder) -> None:
    for weights in actor_weights(trainer.learner, trainer.config, seed=trainer.seed, steps=trainer.steps):
        save_actor(actor_file(folder.weights, weights.spec.agent), weights)


def _save_checkpoint(trainer: SlicingTrainer, progress: SlicingProgress, folder: RunFolder) -> None:
    folder.save_checkpoint({"trainer": trainer.state_dict(), "progress": vars(progress)})


__all__ = ["VARIANTS", "SlicingProgress", "SlicingRunPlan", "find_slicing_config", "train_slicing"]
