"""Writes the report on slicing: one Markdown page, its figures, and its numbers as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ric_sim.envs.statistics import Interval
from services.cli.report import slicing_claims as claims
from services.cli.report import slicing_figures as figures
from services.cli.report import slicing_tables as tables
from services.cli.report.routing_results import Row
from services.cli.report.slicing_cache import ORACLE
from services.cli.report.slicing_results import (
    SAM_WHERE,
    USUAL_DUS,
    SlicingRun,
    Study,
    all3,
    label_of,
    reward,
)

_LEARNING = ("sac", "l2", "actor-sam", "critic-sam", "both-sam", "ta-sam")
_DISTRIBUTIONS = (*_LEARNING, "need-tuned", "equal-rr")
_HELD_AGAINST = (claims.PLAIN, claims.RULE, "curve")
_REFERENCES = ("need-tuned", "static", ORACLE)

_INTRO = """# Slicing: TA-SAM, its ablations and the heuristics

Written by `{command}`; nothing here is typed in by hand. Means with two-sided 95 % intervals (Student's t): of trained policies
over training seeds, of the others over episodes. A figure without an interval comes from one repetition. Differences are paired:
same training seeds, same episodes; unless said otherwise their intervals are over training seeds, the episodes being given.
Learned policies are greedy, trained on `nominal` only, and played on episodes nobody trained on. The paper is Lotfi, Rajoli and
Afghah on TA-SAM MARL for O-RAN slicing.
"""


@dataclass(frozen=True)
class ReportInput:
    """All the report shows.

    Attributes:
        command: what was typed. study: the training runs.
        rows: per profile, the one trained on first. noisy: rows of that profile per level of noise in the reports.
        scaled: label -> number of O-DUs -> reward. played: label -> evaluations of the profile trained on, with quantiles.
        bounds: per profile. cost: `figures` of `ricity bench train-slicing`. suffix: of the figures, `svg` or `png`.
    """

    command: str
    study: Study
    rows: Mapping[str, Sequence[Row]]
    noisy: Mapping[float, Sequence[Row]]
    scaled: Mapping[str, Mapping[int, Interval]]
    played: Mapping[str, Sequence[Mapping[str, Any]]]
    bounds: Mapping[str, Mapping[str, Any]]
    cost: Sequence[Mapping[str, Any]] = ()
    suffix: str = "svg"


class SlicingReport:
    """One report in the making; `write` returns the files."""

    def __init__(self, told: ReportInput, out: Path) -> None:
        self._told, self._out = told, out
        self._files: list[Path] = []
        self._parts: list[str] = []
        compared = told.study.compared
        self._runs = {
            label: [run for run in compared if label_of(run, compared) == label]
            for label in dict.fromkeys(label_of(run, compared) for run in compared)
        }

    def write(self) -> list[Path]:
        """The page first, then its numbers and figures."""
        self._parts.append(_INTRO.format(command=self._told.command))
        self._findings()
        self._head("Table 1: parameters")
        self._parts.append(tables.parameter_table())
        if self._runs:
            self._trainings()
            self._learning()
        self._comparison()
        self._scale()
        self._distributions()
        self._paper_tables()
        self._noise()
        self._bounds()
        self._out.mkdir(parents=True, exist_ok=True)
        page, numbers = self._out / "README.md", self._out / "slicing.json"
        page.write_text("\n".join(self._parts), encoding="utf-8")
        numbers.write_text(json.dumps(summary(self._told), indent=1) + "\n", encoding="utf-8")
        return [page, numbers, *self._files]

    def _findings(self) -> None:
        rows, runs, found = self._told.rows, self._told.study.compared, claims.findings(self._told.rows)
        lines = [
            claims.against_rules(rows, runs),
            claims.counted(found),
            claims.spread(rows),
            claims.flatness(rows, runs),
            claims.learning_speed(runs),
            claims.noise_lines(self._told.noisy),
        ]
        if not any(lines):
            return
        self._head("What the runs show")
        self._parts.append("\n".join(line for line in lines if line) + "\n")
        if found:
            self._parts.append(claims.findings_table(found))

    def _trainings(self) -> None:
        self._head("Training and its cost")
        self._parts.append(
            "A step is one decision of every O-DU in all parallel worlds. Ratios are geometric means over common seeds, with "
            "95 % intervals.\n"
        )
        self._parts.append(tables.training_table(self._told.study.compared))
        if self._told.cost:
            self._parts.append("Processor time of updates of all agents, as `ricity bench train-slicing` measures it:\n")
            self._parts.append(tables.cost_table(self._told.cost))

    def _learning(self) -> None:
        short = [run for run in self._told.study.others if run.n_dus == USUAL_DUS]
        plain = [run for run in short if run.variant in ("sac", "l2")]
        middle = _middle([run.radius for run in short if run.radius is not None])
        falling = {label: self._runs[label] for label in _LEARNING if label in self._runs}
        panels: dict[str, figures.Curves] = {
            f"one static radius, {middle}": _by_variant(
                [*plain, *(run for run in short if run.radius == middle)] if middle else []
            ),
            "static radii of their own": _by_variant([*plain, *_of_variant(short, "unequal-rho")]),
            "falling radii": falling,
        }
        drawn = {title: curves for title, curves in panels.items() if len(curves) > 1}
        if drawn:
            self._head("Figure 5: learning")
            self._figure("fig5-learning", figures.learning(drawn), (5 * len(drawn), 4.4))
        self._radii([run for run in short if run.radius is not None], plain)

    def _radii(self, swept: Sequence[SlicingRun], plain: Sequence[SlicingRun]) -> None:
        if not swept:
            return
        ranked = sorted(swept, key=lambda run: run.radius or 0.0)
        by_variant = {
            variant: {run.radius or 0.0: run.best_episode for run in _of_variant(ranked, variant)}
            for variant in SAM_WHERE
            if _of_variant(ranked, variant)
        }
        without = [run.best_episode for run in _of_variant(plain, claims.PLAIN)]
        self._head("Figure 6: radius")
        self._figure("fig6-radius", figures.radii(by_variant, without[0] if without else None), (6.5, 4.2))
        self._parts.append(_told_short(swept))

    def _comparison(self) -> None:
        rows = self._told.rows
        first = next(iter(rows.values()))
        if any(row.learned for row in first):
            self._head("Figure 7: reward by method")
            means = {row.label: interval.mean for row in first if row.label in _REFERENCES and (interval := row.interval(reward))}
            drawn = [row for row in first if row.learned and "share5" not in row.label and "twobit" not in row.label]
            self._figure("fig7-rewards", figures.rewards(drawn, means), (9, 0.42 * len(drawn) + 1.6))
        for profile, of_profile in rows.items():
            self._head(f"Policies on `{profile}`")
            self._parts.append(tables.policy_table(of_profile))
        self._head("Reward in all profiles")
        self._parts.append(tables.profile_table(rows))
        if any(row.learned for row in first):
            for reference in (label for label in _HELD_AGAINST if any(row.label == label for row in first)):
                self._parts.append(tables.difference_table(rows, reference))

    def _scale(self) -> None:
        if self._told.scaled:
            self._head("Figure 8: number of O-DUs")
            self._figure("fig8-dus", figures.scale(self._told.scaled), (6.5, 4.2))
            peaks = [f"{label} at {max(told, key=lambda m: told[m].mean)}" for label, told in self._told.scaled.items()]
            counts = sorted({count for told in self._told.scaled.values() for count in told})
            self._parts.append(
                f"Cells keep their size and the 200 UEs are shared by all, so more O-DUs mean fewer UEs in each. Played with "
                f"{', '.join(map(str, counts))}; highest reward: {', '.join(peaks)} (the paper: 6 of 2 to 10).\n"
            )
            self._parts.append(_told_short([run for run in self._told.study.others if run.n_dus != USUAL_DUS]))

    def _distributions(self) -> None:
        if self._runs:
            curves = {label: runs for label, runs in self._runs.items() if "share5" not in label and "twobit" not in label}
            self._head("Figure 9: curvature")
            self._figure("fig9-curvature", figures.curvature(curves), (11, 0.42 * len(curves) + 1.6))
            self._parts.append(
                "It depends on the scale of the weights: normalised networks (PLASTIC, spectral) and the central agent's larger "
                "ones do not compare with the others.\n"
            )
        drawn = {label: self._told.played[label] for label in _DISTRIBUTIONS if label in self._told.played}
        self._head(f"Figure 10: QoS of the slices, `{claims.TRAINED_ON}`")
        self._figure("fig10-qos", figures.qos_distribution(drawn), (13, 4.2))
        self._head(f"Figure 11: rates of UEs, `{claims.TRAINED_ON}`")
        self._figure("fig11-ue-rates", figures.ue_rates(drawn), (13, 4.2))

    def _paper_tables(self) -> None:
        first = next(iter(self._told.rows.values()))
        for title, text in (
            ("Table 2: ablation, gains of mean QoS over a central agent", tables.ablation_table(first)),
            ("Table 3: other regularisations", tables.baseline_table(first)),
        ):
            if text:
                self._head(title)
                self._parts.append(text)
        if any(row.label == "ta-sam" for row in first):
            self._parts.append(
                "Gains are of the mean rate or latency and say little about satisfied frames: a slice far above its minimum "
                "counts there as much as one that was lifted over it. `no-selective` is `both-sam`. The paper names no reference "
                "for Table 3; PLASTIC's row fits a central agent, the others plain SAC.\n"
            )

    def _noise(self) -> None:
        if self._told.noisy:
            self._head("Noisy reports")
            self._figure("noise", figures.noise(self._told.noisy, "twobit"), (11, 4.4))
            self._parts.append(tables.noise_table(self._told.noisy))

    def _bounds(self) -> None:
        text = tables.bound_table(self._told.rows, self._told.bounds, ORACLE)
        if text:
            self._head("Distance to the oracle and to a bound")
            self._parts.append(
                "The oracle takes best responses with the rates that will be realised, which no network can know. "
                "Differences are paired.\n"
            )
            self._parts.append(text)

    def _head(self, title: str) -> None:
        self._parts.append(f"## {title}\n")

    def _figure(self, name: str, draw: Any, size: tuple[float, float]) -> None:
        path = figures.save(self._out / f"{name}.{self._told.suffix}", draw, size)
        self._files.append(path)
        self._parts.append(f"![{name}]({path.name})\n")


def summary(told: ReportInput) -> dict[str, Any]:
    """Reward and satisfied frames of every policy with half widths, and the paper's orderings with what was found."""

    def of(interval: Interval | None) -> dict[str, Any] | None:
        return asdict(interval) if interval else None

    return {
        "reward": {name: {row.label: of(row.interval(reward)) for row in rows} for name, rows in told.rows.items()},
        "all3_percent": {name: {row.label: of(row.interval(all3)) for row in rows} for name, rows in told.rows.items()},
        "reward_with_noise": {
            f"{level:g}": {row.label: of(row.interval(reward)) for row in rows} for level, rows in told.noisy.items()
        },
        "orderings": [
            {**asdict(found), "verdict_nominal": claims.verdict(found.nominal), "verdict_shifted": claims.verdict(found.shifted)}
            for found in claims.findings(told.rows)
        ],
        "bounds": dict(told.bounds),
    }


def _by_variant(runs: Sequence[SlicingRun]) -> dict[str, Sequence[SlicingRun]]:
    return {variant: _of_variant(runs, variant) for variant in dict.fromkeys(run.variant for run in runs)}


def _of_variant(runs: Sequence[SlicingRun], variant: str) -> list[SlicingRun]:
    return [run for run in runs if run.variant == variant]


def _middle(values: Sequence[float]) -> float | None:
    told = sorted(set(values))
    return told[(len(told) - 1) // 2] if told else None


def _told_short(runs: Sequence[SlicingRun]) -> str:
    steps, seeds = sorted({run.steps for run in runs}), sorted({run.seed for run in runs})
    return f"Runs of {', '.join(f'{each:,}' for each in steps)} steps, seeds {', '.join(map(str, seeds))}.\n" if runs else ""
