"""Figure 5 of the paper from our runs: how the agents learn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ric_sim.domain.service import ServiceSpec
from services.cli.report.axes import dress
from services.cli.report.routing_figures import palette
from services.cli.report.routing_results import TrainingRun, label_of

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C6D1F", "#666666")
_POINTS = 60
_RETURN_KEYS = ("return_mean", "reward_mean")
"""What the trainers call the mean return of an agent's episodes, newest first."""


def learning_curves(runs: Sequence[TrainingRun], services: Sequence[ServiceSpec]) -> Callable[[Any], None]:
    """Left: validation GoS of each service's agent (AMARL). Middle: return of the agents. Right: GoS overall over wall time.

    Lines are means over seeds; bands go from the lowest to the highest seed.
    """

    def draw(figure: Any) -> None:
        by_agent, returns, overall = figure.subplots(1, 3)
        several = [run for run in runs if run.algo == "amarl"] or list(runs)
        for number, spec in enumerate(services):
            colour = _COLOURS[number % len(_COLOURS)]
            _band(by_agent, [_scores(run, spec.key) for run in several], colour, spec.label)
            _band(returns, [_returns(run, spec.key) for run in several], colour, spec.label)
        colours = palette([label_of(run, runs) for run in runs])
        for label in colours:
            mine = [run for run in runs if label_of(run, runs) == label]
            _band(overall, [_overall(run) for run in mine], colours[label], f"{label}, seeds: {len(mine)}")
        algo = several[0].algo.upper()
        dress(by_agent, f"{algo}: validation GoS by service", "decisions of all agents, millions", "Grade of Service, %")
        dress(returns, f"{algo}: return by agent", "decisions of all agents, millions", "mean return of an episode")
        dress(overall, "Validation GoS, all services", "training time, minutes", "Grade of Service, %")
        for axes in (by_agent, overall):
            axes.legend(frameon=False, fontsize=8.5, loc="lower right", ncols=2 if axes is by_agent else 1)

    return draw


Curve = tuple[np.ndarray, np.ndarray]


def _scores(run: TrainingRun, key: str) -> Curve:
    return _curve(
        (each["step"] / 1e6, 100 * each["gos_by_service"][key])
        for each in run.result["evaluations"]
        if each.get("gos_by_service", {}).get(key) is not None
    )


def _returns(run: TrainingRun, key: str) -> Curve:
    rows = [row for row in run.learning if row["service"] in (key, "all")]
    return _curve((row["step"] / 1e6, value) for row in rows if np.isfinite(value := _return_of(row)))


def _return_of(row: Mapping[str, Any]) -> float:
    return next((float(row[key]) for key in _RETURN_KEYS if key in row), float("nan"))


def _overall(run: TrainingRun) -> Curve:
    return _curve((each["wall_s"] / 60, 100 * each["gos"]) for each in run.result["evaluations"])


def _curve(points: Iterable[tuple[float, float]]) -> Curve:
    """Arrays of x and y."""
    told = np.array(list(points), dtype=np.float64).reshape(-1, 2)
    return told[:, 0], told[:, 1]


def _band(axes: Any, curves: Sequence[Curve], colour: str, label: str) -> None:
    """Mean of the seeds on common points, and the range between the lowest and the highest."""
    told = [(x, y) for x, y in curves if len(x)]
    if not told:
        return
    # Runs stop early at different times; the band ends with the shortest.
    grid = np.linspace(max(x[0] for x, _ in told), min(x[-1] for x, _ in told), _POINTS)
    values = np.array([np.interp(grid, x, y) for x, y in told])
    axes.plot(grid, values.mean(axis=0), color=colour, linewidth=1.7, label=label)
    if len(told) > 1:
        axes.fill_between(grid, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0)
