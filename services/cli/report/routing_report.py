"""Writes the report on routing: one Markdown page, and its figures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ric_sim.network.calibration import day_statistics
from ric_sim.network.montreal import build_city
from ric_sim.network.montreal_traffic import Split
from ric_sim.network.scenario import load_scenario
from services.cli.report import routing_figures as figures
from services.cli.report import routing_tables as tables
from services.cli.report.learning_figure import learning_curves
from services.cli.report.routing_results import Row, TrainingRun, gos

CONFIGS = Path(__file__).parents[2] / "trainer" / "configs"
"""Where the trainer keeps its configurations; data, not code."""

_COMPARED = ("specialised", "cspf")
"""Stand beside the trained policies in the figures by service, in this order."""

_MOST_COMPARED = 4

_INTRO = """# Routing: AMARL, SARL and the heuristics

Written by `{command}`; nothing here is typed in by hand. Means with two-sided 95 % intervals (Student's t): of trained
policies over training seeds, of the others over days. A figure without an interval comes from one repetition. Differences are
paired: same seeds, same days. The paper is Racedo, Jaumard, Delgado and Masoudi, AAMAS 2026.
"""


@dataclass(frozen=True)
class ReportInput:
    """All the report shows.

    Attributes:
        command: what was typed. runs: finished training runs. rows: per profile, in the order to show.
        bounds, robustness: per profile, as the cache gives them; a profile may be missing.
        suffix: of the figures, `svg` or `png`.
    """

    command: str
    runs: Sequence[TrainingRun]
    rows: Mapping[str, Sequence[Row]]
    bounds: Mapping[str, Mapping[str, Any]]
    robustness: Mapping[str, Sequence[Mapping[str, Any]]]
    suffix: str = "svg"


class RoutingReport:
    """One report in the making; `write` returns the files."""

    def __init__(self, told: ReportInput, out: Path) -> None:
        self._told = told
        self._out = out
        self._files: list[Path] = []
        self._parts: list[str] = []
        self._services = build_city().services

    def write(self) -> list[Path]:
        """The page first, then its figures."""
        self._parts.append(_INTRO.format(command=self._told.command))
        self._traffic()
        self._training()
        self._comparison()
        self._by_service()
        self._robustness()
        page = self._out / "README.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("\n".join(self._parts), encoding="utf-8")
        return [page, *self._files]

    def _traffic(self) -> None:
        splits: tuple[tuple[int, Split], ...] = ((1, "train"), (2, "test"))
        for number, split in splits:
            day = load_scenario(profile="paper", day=split).day
            self._head(f"Table {number}: traffic of the {split} day, measured / the paper's")
            self._parts.append(tables.traffic_table(self._services, day_statistics(build_city(), day), split))
        self._parts.append(
            "Processing delay is the reference without routing (docs/city.md); routing decides what flows really meet.\n"
        )

    def _training(self) -> None:
        configs = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(CONFIGS.glob("*.yaml"))}
        configs |= {run.config_name: run.config for run in self._told.runs}
        if configs:
            self._head("Table 4: hyper-parameters")
            self._parts.append(tables.parameter_table(configs))
        if not self._told.runs:
            return
        self._head("Table 5: Grade of Service, training and test time (the paper's in brackets)")
        first = next(iter(self._told.rows.values()))
        self._parts.append(tables.time_table(self._told.runs, first))
        self._head("Figure 5: learning")
        self._figure("fig5-learning", learning_curves(self._told.runs, self._services), (15, 4.6))

    def _comparison(self) -> None:
        profiles = self._told.rows
        self._head("Figure 6: Grade of Service on the test day")
        bounds = {name: 100 * bound["gos"] for name, bound in self._told.bounds.items()}
        tallest = max(len(rows) for rows in profiles.values())
        size = (4.6 * len(profiles) + 0.6, 0.42 * tallest + 1.5)
        self._figure("fig6-grade-of-service", figures.grade_of_service(profiles, bounds), size)
        if bounds:
            self._parts.append(
                "The bound knows all requests beforehand and holds for windows of the busy hours, each from an empty network; "
                "no policy can be above it in the same windows.\n"
            )
        for profile, rows in profiles.items():
            self._head(f"Policies on `{profile}`")
            self._parts.append(tables.policy_table(rows, self._services, self._told.bounds.get(profile)))
            if any(row.learned for row in rows):
                self._parts.append(tables.difference_table(rows))

    def _by_service(self) -> None:
        for profile, rows in self._told.rows.items():
            chosen = _compared(rows)
            if not chosen:
                continue
            named = (
                (7, "latency per service", "latency", figures.latency(chosen, self._services), (10, 4.4)),
                (8, "latency analysis", "latency-analysis", figures.latency_analysis(chosen, self._services), (13, 4.8)),
                (9, "refusals by cause", "failures", figures.failures(chosen, self._services), (3.1 * len(chosen) + 1.2, 4.2)),
            )
            for number, title, slug, draw, size in named:
                self._head(f"Figure {number}: {title}, `{profile}`")
                self._figure(f"fig{number}-{slug}-{profile}", draw, size)

    def _robustness(self) -> None:
        for profile, evaluations in self._told.robustness.items():
            self._head(f"Robustness on `{profile}`")
            self._parts.append(
                "Grade of Service of the last hour's requests; on the right, of the service that the disturbance hurts most. It "
                "lasts from 14:00 to 18:00. Flows that an outage ends count as accepted and as dropped. Of trained policies the "
                "first run.\n"
            )
            panels = len({each["disturbance"] for each in evaluations})
            self._figure(f"robustness-{profile}", figures.over_time(evaluations, self._services), (12, 1.9 * panels + 0.8))
            self._parts.append(tables.robustness_table(evaluations))

    def _head(self, title: str) -> None:
        self._parts.append(f"## {title}\n")

    def _figure(self, name: str, draw: Any, size: tuple[float, float]) -> None:
        path = figures.save(self._out / f"{name}.{self._told.suffix}", draw, size)
        self._files.append(path)
        self._parts.append(f"![{name}]({path.name})\n")


def _compared(rows: Sequence[Row]) -> list[Row]:
    """Trained policies, then the heuristics to hold them against."""
    learned = sorted((row for row in rows if row.learned and row.interval(gos)), key=lambda row: row.label)
    plain = {row.label: row for row in rows if not row.learned}
    return [*learned, *(plain[name] for name in _COMPARED if name in plain)][:_MOST_COMPARED]
