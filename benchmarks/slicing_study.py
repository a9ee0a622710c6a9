"""The trainings that `ricity report slicing` compares: every variant with several seeds, some radii, some numbers of O-DUs.

    python -m benchmarks.slicing_study --out runs/slicing --seeds 1,2,3,4,5
    ricity report slicing --runs runs/slicing

One process, run after run, each in OUT/<name>-<seed>; finished runs are left alone and an interrupted one goes on, so the same
command continues a study. Seed after seed: whenever it stops, compared variants have had about as many.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ric_sim.domain.errors import TrainingDiverged
from services.cli.local.identity import git_commit
from services.trainer.slicing import SlicingRunPlan, find_slicing_config, train_slicing

COMPARED = ("sac", "ta-sam", "l2", "actor-sam", "critic-sam", "both-sam")
"""What the paper's figures show."""

ABLATED = ("static-rho", "single-agent", "plastic", "dropout", "spectral-norm")
"""The other rows of its tables; `no-selective` is `both-sam` under another name: the same weights from the same seed."""

NOISE_TRIED = ("sac", "actor-sam", "ta-sam")
"""With actors whose action leans on no rule, as noise in their reports shows there; besides, plain SAC that learns with noise."""

FIRST_SEEDS = 3
RADII = (0.02, 0.1, 0.5)
N_DUS = (2, 4, 6, 8, 10)
SWEEP_STEPS = 400

_EVALUATION = {"profiles": ["nominal"], "seeds": [901], "replicas": 2, "decisions": 20}
"""The report plays the policies; what a run plays at its end need not be long."""


@dataclass(frozen=True)
class Training:
    """One run: a variant with a seed, and what differs from its configuration."""

    name: str
    variant: str
    seed: int
    changes: dict[str, Any] = field(default_factory=dict)


def study(seeds: Sequence[int]) -> Iterator[Training]:
    """All trainings in the order they are made: those the figures compare come first."""
    first, others = seeds[:FIRST_SEEDS], seeds[FIRST_SEEDS:]
    yield from (Training(variant, variant, seed) for seed in seeds for variant in COMPARED)
    yield from (Training(variant, variant, seed) for seed in first for variant in ABLATED)
    for seed in first:
        yield from against_noise(seed)
    yield from sweeps(first[0])
    yield from (Training("ta-sam-twobit", "ta-sam", seed, {"world": {"decoding": "twobit"}}) for seed in first)
    yield from (Training(variant, variant, seed) for seed in others for variant in ABLATED)


def against_noise(seed: int) -> Iterator[Training]:
    """Runs whose actors set shares outright, with clean reports and, of plain SAC, with noisy ones."""
    world: dict[str, Any] = {"decoding": "share5"}
    for variant in NOISE_TRIED:
        yield Training(f"{variant}-share5", variant, seed, {"world": world})
    yield Training("sac-share5-noise", "sac", seed, {"world": {**world, "report_noise": 1.0}})


def sweeps(seed: int) -> Iterator[Training]:
    """Short runs of one seed: static radii (Figs. 5 and 6), numbers of O-DUs (Fig. 8)."""
    for variant in ("actor-sam", "critic-sam", "both-sam"):
        for radius in RADII:
            rho = {"kind": "static", "start": radius}
            # Without the guard, which would make a large radius a smaller one.
            sam = {"rho_actor": rho, "rho_critic": rho, "guard": None}
            yield Training(f"{variant}-rho-{radius:g}", variant, seed, {"sam": sam, "total_steps": SWEEP_STEPS})
    yield Training("unequal-rho", "unequal-rho", seed, {"total_steps": SWEEP_STEPS})
    for n_dus in N_DUS:
        for variant in ("sac", "ta-sam", "l2"):
            changes = {"world": {"n_dus": n_dus}, "total_steps": SWEEP_STEPS}
            yield Training(f"{variant}-dus-{n_dus}", variant, seed, changes)


def train(training: Training, config: str, steps: int | None, out: Path) -> float | None:
    """Trains unless that is done; seconds it took, None for a run that was there."""
    folder = out / f"{training.name}-{training.seed}"
    if (folder / "result.json").exists():
        return None
    began_s = time.monotonic()
    length = {} if steps is None else {"total_steps": steps}
    changes = {**length, **training.changes, "evaluation": _EVALUATION}
    chosen = find_slicing_config(config, training.variant, changes=changes)
    plan = SlicingRunPlan(chosen, training.seed, git_commit())
    train_slicing(plan, out=folder, resume=True, watch=lambda _done, _total, _progress: None)
    return time.monotonic() - began_s


def main() -> None:
    """Trains until all is there, or until the time is up: a run that has begun is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--seeds", default="1,2,3,4,5", help="training seeds, separated by commas")
    parser.add_argument("--config", default="ci", help="as of `ricity train slicing`")
    parser.add_argument("--steps", type=int, help="of the comparisons, instead of the configuration's")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no run begins later than this")
    told = parser.parse_args()
    trainings = list(study([int(word) for word in told.seeds.split(",")]))
    began_s = time.monotonic()
    for number, training in enumerate(trainings, start=1):
        if time.monotonic() - began_s > 60 * told.minutes:
            print(f"time is up: {len(trainings) - number + 1} of {len(trainings)} runs not made", file=sys.stderr)
            return
        try:
            took_s = train(training, told.config, told.steps, told.out)
            done = "was there" if took_s is None else f"{took_s:.0f} s"
        except TrainingDiverged as error:
            done = f"diverged ({error}); the others go on"
        print(f"{number}/{len(trainings)} {training.name}, seed {training.seed}: {done}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
