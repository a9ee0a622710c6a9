"""Evaluations for the report: read where they have been made, made and kept where they are missing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ric_sim.envs.bound import bound_row
from ric_sim.envs.bound.result import DEFAULT_WINDOWS
from ric_sim.envs.disturbances import DISTURBANCES, Disturbance, disturbances
from ric_sim.envs.disturbed import evaluate_disturbed
from ric_sim.envs.evaluate import evaluate
from ric_sim.network.policies import RoutingPolicy, make_policy
from ric_sim.network.scenario import Scenario, load_scenario
from services.cli.report.kept import bar, kept
from services.cli.report.routing_results import Evaluated, Row, TrainingRun, label_of

_NEEDED = ("gos_by_service", "rejects_by_service", "latency_percentiles_ms_by_service", "propagation_ms_by_service")


@dataclass(frozen=True)
class EvaluationCache:
    """Files of evaluations.

    Attributes:
        data: folder for what belongs to no training run.
        day: `test` or `train`. seeds: of the days, None for the split's own.
    """

    data: Path
    day: str
    seeds: tuple[int | None, ...]

    def rows(self, profile: str, policies: Sequence[str], runs: Sequence[TrainingRun]) -> list[Row]:
        """One row per policy and per algorithm (and configuration) of the runs, each played on every day."""
        rows: dict[str, Row] = {}
        for seed in self.seeds:
            scenario = load_scenario(profile=profile, day=self.day, seed=seed)
            suffix = "" if seed is None else f"-{seed}"
            for run in runs:
                label = label_of(run, runs)
                row = rows.setdefault(label, Row(label, profile, learned=True))
                path = run.path / f"eval-{profile}{suffix}.json"
                row.evaluations[run.seed, scenario.day.name] = self._evaluation(path, scenario, run.algo, run)
            for name in policies:
                row = rows.setdefault(name, Row(name, profile, learned=False))
                path = self.data / f"eval-{name}-{profile}{suffix}.json"
                row.evaluations[None, scenario.day.name] = self._evaluation(path, scenario, name, None)
        return list(rows.values())

    def bound(self, profile: str) -> dict[str, Any]:
        """The offline bound in windows of the day, as `ricity bound routing --json` tells it."""
        scenario = load_scenario(profile=profile, day=self.day, seed=self.seeds[0])

        def fresh() -> dict[str, Any]:
            done = itertools.count(1)
            with bar(f"bound, {profile}", DEFAULT_WINDOWS) as advance:
                return bound_row(scenario, progress=lambda _: advance(next(done))).to_dict()

        return kept(self.data / f"bound-{profile}.json", fresh, lambda told: _of_scenario(told, scenario))

    def robustness(self, profile: str, policies: Sequence[str], runs: Sequence[TrainingRun]) -> list[dict[str, Any]]:
        """Disturbed evaluations of the policies and of each algorithm's first run, labelled as the rows are."""
        scenario = load_scenario(profile=profile, day=self.day, seed=self.seeds[0])
        first: dict[str, TrainingRun] = {}
        for run in runs:
            first.setdefault(label_of(run, runs), run)
        contestants: dict[str, TrainingRun | None] = {**first, **dict.fromkeys(policies)}
        return [
            {**self._disturbed(disturbance, label, run, profile), "policy": label}
            for disturbance in disturbances(scenario, DISTURBANCES)
            for label, run in contestants.items()
        ]

    def _disturbed(self, disturbance: Disturbance, label: str, run: TrainingRun | None, profile: str) -> dict[str, Any]:
        scenario = disturbance.scenario
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", f"{profile} {disturbance.name}")
        path = run.path / f"robustness-{slug}.json" if run else self.data / f"robustness-{label}-{slug}.json"

        def fresh() -> dict[str, Any]:
            with bar(f"{label}, {disturbance.name}", len(scenario.day)) as advance:
                return evaluate_disturbed(disturbance, _policy(run, label, scenario.city), progress=advance).to_dict()

        return kept(path, fresh, lambda told: _of_scenario(told, scenario), newer_than=_result_of(run))

    def _evaluation(self, path: Path, scenario: Scenario, name: str, run: TrainingRun | None) -> Evaluated:
        def fresh() -> dict[str, Any]:
            with bar(
                f"{run.path.name if run else name}, {scenario.city.profile}, {scenario.day.name}", len(scenario.day)
            ) as advance:
                return evaluate(scenario, _policy(run, name, scenario.city), progress=advance).to_dict()

        def fits(told: Evaluated) -> bool:
            return _of_scenario(told, scenario) and all(key in told for key in _NEEDED)

        return kept(path, fresh, fits, newer_than=_result_of(run))


def _policy(run: TrainingRun | None, name: str, city: Any) -> RoutingPolicy:
    if run is None:
        return make_policy(name, city)
    return make_policy(run.algo, city, weights=run.path / "weights")


def _result_of(run: TrainingRun | None) -> Path | None:
    return run.path / "result.json" if run else None


def _of_scenario(told: Evaluated, scenario: Scenario) -> bool:
    return told.get("config_hash") == scenario.config_hash
