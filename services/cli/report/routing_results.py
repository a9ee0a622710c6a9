"""What the report on routing is made of: training runs, evaluations of policies, and how they are averaged and compared.

The unit of repetition of a learned policy is its training seed, with the days it was played on averaged first; that of a
policy without training is the day.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ric_sim.domain.errors import MalformedFile
from ric_sim.envs.statistics import Interval, mean_interval, paired_difference

Evaluated = Mapping[str, Any]
"""One object of `ricity eval routing --json`."""

Metric = Callable[[Evaluated], float | None]


@dataclass(frozen=True)
class TrainingRun:
    """One folder that `ricity train routing` left.

    Attributes:
        path: the folder. algo: `amarl` or `sarl`. config_name, seed: what was trained. config: `config.yaml` of the run.
        result: `result.json`. learning: rows of `learning.csv`, numbers where there are some.
    """

    path: Path
    algo: str
    config_name: str
    seed: int
    config: Mapping[str, Any]
    result: Mapping[str, Any]
    learning: tuple[Mapping[str, Any], ...]


def read_run(folder: Path) -> TrainingRun:
    """A finished run.

    Raises:
        MalformedFile: the folder holds no finished run.
    """
    try:
        result = json.loads((folder / "result.json").read_text("utf-8"))
        told = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
        config = told.get("config", told)
        with (folder / "learning.csv").open(newline="", encoding="utf-8") as file:
            learning = tuple({key: _number(value) for key, value in row.items()} for row in csv.DictReader(file))
        algo, seed = str(result["algo"]), int(result["seed"])
        _ = (result["wall_s"], [each["gos"] for each in result["evaluations"]])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise MalformedFile(
            f"{folder}: no finished training run ({type(error).__name__}: {error}); expected config.yaml, learning.csv and "
            "result.json as `ricity train routing` writes them"
        ) from error
    return TrainingRun(folder, algo, str(config.get("name", "?")), seed, config, result, learning)


def _number(text: str | None) -> Any:
    try:
        return float(text or "nan")
    except ValueError:
        return text


@dataclass
class Row:
    """A policy in one profile, and its evaluations by (training seed or None, day)."""

    label: str
    profile: str
    learned: bool
    evaluations: dict[tuple[int | None, str], Evaluated] = field(default_factory=dict)

    def units(self, metric: Metric) -> dict[Any, float]:
        """The metric per repetition: by seed, averaged over days; by day for what has no training. None values are left out."""
        values: dict[Any, list[float]] = {}
        for (seed, day), evaluation in self.evaluations.items():
            value = metric(evaluation)
            if value is not None:
                values.setdefault(seed if self.learned else day, []).append(value)
        return {unit: sum(each) / len(each) for unit, each in values.items()}

    def interval(self, metric: Metric) -> Interval | None:
        """Mean and interval over the repetitions; None where the metric has no value."""
        units = self.units(metric)
        return mean_interval(list(units.values())) if units else None


def difference(ours: Row, theirs: Row, metric: Metric) -> Interval | None:
    """`ours - theirs` on the same days and, where both were trained, the same seeds; None without a common repetition."""
    if ours.learned == theirs.learned:
        a, b = ours.units(metric), theirs.units(metric)
        return paired_difference(a, b) if set(a) & set(b) else None
    trained, plain = (ours, theirs) if ours.learned else (theirs, ours)
    by_day = {day: metric(evaluation) for (_, day), evaluation in plain.evaluations.items()}
    gains: dict[Any, list[float]] = {}
    for (seed, day), evaluation in trained.evaluations.items():
        value, other = metric(evaluation), by_day.get(day)
        if value is not None and other is not None:
            gains.setdefault(seed, []).append(value - other if trained is ours else other - value)
    return mean_interval([sum(each) / len(each) for each in gains.values()]) if gains else None


def gos(evaluation: Evaluated) -> float | None:
    """Grade of Service, percent."""
    return 100.0 * float(evaluation["gos"])


def wall_s(evaluation: Evaluated) -> float | None:
    """Seconds of wall time of the evaluation."""
    return float(evaluation["wall_s"])


def of_service(table: str, key: str, scale: float = 1.0) -> Metric:
    """An entry of one of the tables by service."""

    def metric(evaluation: Evaluated) -> float | None:
        value = evaluation[table].get(key)
        return None if value is None else scale * float(value)

    return metric


def percentile_ms(key: str, place: int) -> Metric:
    """An entry of `latency_percentiles_ms_by_service`."""

    def metric(evaluation: Evaluated) -> float | None:
        values = evaluation["latency_percentiles_ms_by_service"].get(key)
        return float(values[place]) if values else None

    return metric


def refused_percent(key: str, causes: Sequence[str]) -> Metric:
    """Share of a service's requests refused for one of the causes, percent."""

    def metric(evaluation: Evaluated) -> float | None:
        accepted, refused = evaluation["gos_by_service"].get(key), evaluation["rejects_by_service"].get(key, {})
        if accepted is None:
            return None
        of_causes = sum(refused.get(cause, 0) for cause in causes)
        return 100.0 * (1.0 - accepted) * of_causes / max(1, sum(refused.values()))

    return metric


def label_of(run: TrainingRun, runs: Sequence[TrainingRun]) -> str:
    """The algorithm; with the name of the configuration where runs of several are compared."""
    configs = {other.config_name for other in runs if other.algo == run.algo}
    return run.algo if len(configs) == 1 else f"{run.algo} ({run.config_name})"
