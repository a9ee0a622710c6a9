"""What the report on slicing is made of: training runs, episodes of policies, and how they are averaged and compared.

The unit of repetition of a learned policy is its training seed, with the episodes it was played on averaged first; that of a
policy without training is the episode. Rows and differences are those of the report on routing, an episode in place of a day.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ric_sim.domain.errors import MalformedFile
from ric_sim.envs.slicing_gain import gain_percent
from ric_sim.envs.statistics import Interval, mean_interval, paired_difference
from ric_sim.radio.config import RadioConfig
from services.cli.report.routing_results import Evaluated, Metric, Row

SAM_WHERE = ("actor-sam", "critic-sam", "both-sam")
USUAL_DUS = 6
USUAL_DECODING = "resid5"
LEARNED_REWARD = 1.9
"""Training reward at which a run counts as having learned."""

_SMOOTHED_EPISODES = 2


@dataclass(frozen=True)
class SlicingRun:
    """One folder that `ricity train slicing` left.

    Attributes:
        path: the folder. variant, seed: what was trained. config: `config.yaml` of the run.
        result: `result.json`. learning: (step, training reward), one per episode.
    """

    path: Path
    variant: str
    seed: int
    config: Mapping[str, Any]
    result: Mapping[str, Any]
    learning: tuple[tuple[int, float], ...]

    @property
    def n_dus(self) -> int:
        return int(self.config["world"]["n_dus"])

    @property
    def in_usual_network(self) -> bool:
        """Of the size that policies without training are played in."""
        return self.n_dus == USUAL_DUS and int(self.config["world"]["n_ues"]) == RadioConfig().n_ues

    @property
    def decoding(self) -> str:
        return str(self.config["world"]["decoding"])

    @property
    def steps(self) -> int:
        return int(self.config["total_steps"])

    @property
    def scale(self) -> tuple[Any, ...]:
        """What curvatures must have in common to be compared: they depend on sizes and scales of weights and of inputs."""
        whole = self.config
        return whole["network"], whole["world"], whole["regularisation"]["spectral_norm"]

    @property
    def name(self) -> str:
        """Of the configuration the variant was laid over."""
        return str(self.config["name"])

    @property
    def radius(self) -> float | None:
        """The one radius of all sharpness-aware steps, None for one that changes, for several and for none."""
        sam = self.config["sam"]
        actor, critic = sam["rho_actor"], sam["rho_critic"]
        one = actor["kind"] == critic["kind"] == "static" and actor["start"] == critic["start"]
        return float(actor["start"]) if one and self.variant in SAM_WHERE else None

    @property
    def learned_at(self) -> int | None:
        """Steps until the training reward, over two episodes, reached `LEARNED_REWARD`; None: never."""
        for place in range(_SMOOTHED_EPISODES, len(self.learning) + 1):
            window = self.learning[place - _SMOOTHED_EPISODES : place]
            if sum(reward for _, reward in window) / len(window) >= LEARNED_REWARD:
                return window[-1][0]
        return None

    @property
    def best_episode(self) -> float:
        """Highest training reward of an episode."""
        return max(value for _, value in self.learning)

    @property
    def validation_reward(self) -> float:
        """Of the final policies on the validation seed."""
        return float(self.result["evaluations"][-1]["reward"])

    @property
    def actor_curvature(self) -> float:
        """Largest Hessian eigenvalue of an actor's loss, mean over actors."""
        actors = self.result["curvature"]["actors"]
        return float(sum(actors) / len(actors))

    @property
    def critic_curvature(self) -> float:
        """Largest Hessian eigenvalue of the critics' loss."""
        return float(self.result["curvature"]["critic"])


def read_run(folder: Path) -> SlicingRun:
    """A finished run.

    Raises:
        MalformedFile: the folder holds no finished run.
    """
    try:
        result = json.loads((folder / "result.json").read_text("utf-8"))
        config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))["config"]
        with (folder / "learning.csv").open(newline="", encoding="utf-8") as file:
            # A resumed run plays its last episodes again: of each step the later row counts.
            learning = {int(row["step"]): float(row["reward"]) for row in csv.DictReader(file) if row["agent"] == "world"}
        run = SlicingRun(folder, str(result["variant"]), int(result["seed"]), config, result, tuple(sorted(learning.items())))
        _ = (run.n_dus, run.decoding, run.steps, run.name, run.radius, run.best_episode, run.in_usual_network, run.scale)
        _ = (run.actor_curvature, run.critic_curvature, run.validation_reward)
        _ = (str(result["config_hash"]), float(config["world"]["report_noise"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ZeroDivisionError, yaml.YAMLError) as error:
        raise MalformedFile(
            f"{folder}: no finished training run ({type(error).__name__}: {error}); expected config.yaml, learning.csv and "
            "result.json as `ricity train slicing` writes them"
        ) from error
    return run


def find_runs(folders: Iterable[Path]) -> list[SlicingRun]:
    """The finished runs among folders, each a run or a folder of runs; by variant and seed.

    Raises:
        MalformedFile: a folder that holds neither, or a damaged run.
    """
    runs = []
    for folder in folders:
        inside = [folder] if (folder / "config.yaml").exists() else sorted(path.parent for path in folder.glob("*/result.json"))
        if not inside:
            raise MalformedFile(f"{folder}: no run and no folder of finished runs; train with `ricity train slicing --out`")
        runs += [read_run(each) for each in inside]
    return sorted(runs, key=lambda run: (run.name, run.variant, run.seed, str(run.path)))


@dataclass(frozen=True)
class Study:
    """Runs by what they are for.

    Attributes:
        compared: of the usual network at full length. others: short ones, those with one static radius, other networks.
    """

    compared: tuple[SlicingRun, ...]
    others: tuple[SlicingRun, ...]


def sort_runs(runs: Sequence[SlicingRun]) -> Study:
    """Full length is the longest that a configuration was trained with in the usual network and decoding."""
    longest: dict[str, int] = {}
    for run in runs:
        if run.decoding == USUAL_DECODING and run.in_usual_network:
            longest[run.name] = max(run.steps, longest.get(run.name, 0))

    def is_compared(run: SlicingRun) -> bool:
        return run.in_usual_network and run.radius is None and run.steps >= longest.get(run.name, 0)

    return Study(tuple(filter(is_compared, runs)), tuple(run for run in runs if not is_compared(run)))


def label_of(run: SlicingRun, runs: Sequence[SlicingRun]) -> str:
    """The variant, and what sets it apart from the usual: decoding, noisy reports, the configuration where there are several."""
    noise = float(run.config["world"]["report_noise"])
    parts = [
        run.variant,
        run.decoding if run.decoding != USUAL_DECODING else "",
        f"noise {noise:g}" if noise else "",
        run.name if len({other.name for other in runs}) > 1 else "",
    ]
    return ", ".join(part for part in parts if part)


def reward(episode: Evaluated) -> float | None:
    """Per O-DU and decision, eq. (8)."""
    return float(episode["reward"])


def all3(episode: Evaluated) -> float | None:
    """Frames in which all three slices of a cell are satisfied, percent."""
    return 100.0 * float(episode["all3"])


def satisfied(slice_name: str) -> Metric:
    """Frames in which a slice of a cell is satisfied, percent."""
    return lambda episode: 100.0 * float(episode["satisfied"][slice_name])


def qos(slice_name: str) -> Metric:
    """Mean QoS of a slice: Mbps, Mbps, ms."""

    def metric(episode: Evaluated) -> float | None:
        value = episode["qos"][slice_name]
        return None if value is None else float(value)

    return metric


def pooled(rows: Iterable[Row], profile: str) -> Row:
    """One policy's episodes of several profiles together."""
    told = list(rows)
    merged = Row(told[0].label, profile, told[0].learned)
    for row in told:
        merged.evaluations.update(row.evaluations)
    return merged


def gains(ours: Row, reference: Row, slice_name: str) -> Interval | None:
    """Gain of a slice's mean QoS over a reference's of the same training seed, percent (`gain_percent`)."""
    a, b = ours.units(qos(slice_name)), reference.units(qos(slice_name))
    common = [seed for seed in a if seed in b]
    return mean_interval([gain_percent(slice_name, a[seed], b[seed]) for seed in common]) if common else None


def ratio(
    ours: Sequence[SlicingRun], theirs: Sequence[SlicingRun], value: Callable[[SlicingRun], float]
) -> tuple[float, float, float] | None:
    """Geometric mean of `ours / theirs` over common seeds with the ends of its 95 % interval; nan ends for one seed.

    None without a common seed or with a value that is not above 0.
    """
    a, b = ({run.seed: value(run) for run in runs} for runs in (ours, theirs))
    if not set(a) & set(b) or min(*a.values(), *b.values()) <= 0:
        return None
    logs = paired_difference(
        {seed: math.log(each) for seed, each in a.items()}, {seed: math.log(each) for seed, each in b.items()}
    )
    half = math.nan if logs.half_width is None else logs.half_width
    return math.exp(logs.mean), math.exp(logs.mean - half), math.exp(logs.mean + half)
