"""Runs a trainer to its end: evaluations, early stop, checkpoints, scalars."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.trainer.run_folder import RunFolder
from xapps.learning.config import TrainingConfig
from xapps.learning.validation import Score

CHECKPOINT_EVERY_S = 30.0


class Trainer(Protocol):
    """What `run_training` needs of an algorithm."""

    steps: int

    def prepare(self) -> None:
        """What comes before the first decision of a fresh or resumed run."""

    def advance(self) -> dict[str, dict[str, float]]:
        """Some more decisions and updates; scalars by agent, those of the environment under `lanes`."""

    def score(self) -> Score:
        """The present policies on the validation day."""

    def save_weights(self) -> None:
        """Keeps the present policies as the best so far."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass
class Progress:
    """What a run has been through; part of its checkpoint."""

    wall_s: float = 0.0
    train_s: float = 0.0
    next_evaluation: int = 0
    best_gos: float = -1.0
    best_step: int = 0
    since_best: int = 0
    evaluations: list[dict[str, Any]] = field(default_factory=list)


Watcher = Callable[[int, Progress, dict[str, dict[str, float]]], None]
"""Called after each step of the trainer, with the decisions so far."""


def run_training(
    trainer: Trainer, config: TrainingConfig, folder: RunFolder, state: dict[str, Any] | None, watch: Watcher
) -> Progress:
    """Trains until `total_steps` or until `patience` evaluations brought nothing better.

    Args:
        state: the checkpoint to go on from, None at the start.
    Returns:
        The progress; the best policies are in the folder's `weights`. A run that ends in an error or is killed goes on from
        its last checkpoint, at most some 30 seconds back.
    """
    progress = Progress(next_evaluation=config.evaluate_every)
    if state is not None:
        trainer.load_state_dict(state["trainer"])
        progress = Progress(**state["progress"])
    begun_s = time.monotonic() - progress.wall_s
    trainer.prepare()
    saved_s = time.monotonic()
    while trainer.steps < config.total_steps and progress.since_best < config.patience:
        step_s = time.monotonic()
        report = trainer.advance()
        progress.train_s += time.monotonic() - step_s
        if trainer.steps >= progress.next_evaluation or trainer.steps >= config.total_steps:
            _evaluate(trainer, config, progress, time.monotonic() - begun_s)
            saved_s = 0.0
        progress.wall_s = time.monotonic() - begun_s
        folder.append_scalars(step=trainer.steps, wall_s=progress.wall_s, report=report)
        watch(trainer.steps, progress, report)
        if time.monotonic() - saved_s > CHECKPOINT_EVERY_S:
            folder.save_checkpoint({"trainer": trainer.state_dict(), "progress": vars(progress)})
            saved_s = time.monotonic()
    if progress.best_step == 0:
        _evaluate(trainer, config, progress, time.monotonic() - begun_s)
    folder.save_checkpoint({"trainer": trainer.state_dict(), "progress": vars(progress)})
    return progress


def _evaluate(trainer: Trainer, config: TrainingConfig, progress: Progress, wall_s: float) -> None:
    score = trainer.score()
    progress.next_evaluation = trainer.steps + config.evaluate_every
    progress.evaluations.append({"step": trainer.steps, "wall_s": wall_s, "train_s": progress.train_s, **score.to_dict()})
    progress.since_best += 1
    if score.gos > progress.best_gos:
        progress.best_gos, progress.best_step, progress.since_best = score.gos, trainer.steps, 0
        trainer.save_weights()
