"""The report on routing in words and tables (Markdown)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ric_sim.domain.service import ServiceSpec
from ric_sim.envs.statistics import Interval, mean_interval
from ric_sim.network.calibration import DayStatistics
from ric_sim.network.montreal_traffic import TRAFFIC, Split
from services.cli.report.routing_results import Row, TrainingRun, difference, gos, label_of, of_service, wall_s

PAPER_GOS = {"sarl": 97.81, "amarl": 98.48}
PAPER_TRAIN_S = {"sarl": 7 * 3600 + 25 * 60 + 5, "amarl": 5 * 3600 + 12 * 60}
PAPER_TEST_S = {"sarl": 45 * 60 + 22, "amarl": 38 * 60 + 33}
"""Table 5 of the paper."""

_TABLE_4: tuple[tuple[str, str, str, str], ...] = (
    ("gamma", "discount", "0.99", "0.99"),
    ("gae_lambda", "GAE lambda", "0.95", "0.90"),
    ("learning_rate", "learning rate", "3e-4", "5e-5"),
    ("epochs", "policy epochs", "10", "5"),
    ("rollout", "rollout size", "4096", "1024"),
    ("minibatch", "mini-batch size", "128", "64"),
    ("clip", "clip", "0.2", "0.2"),
    ("entropy", "entropy coefficient", "0.001", "0.001"),
)
"""Key inside an algorithm's part of a configuration, name, the paper's SARL and AMARL values."""


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table whose columns are right-aligned but for the first."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join(["---"] + ["---:"] * (len(columns) - 1)) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def shown(interval: Interval | None, digits: int = 2, *, signed: bool = False) -> str:
    """`99.53 ± 0.04`, without the half width for a single repetition, a dash for nothing."""
    if interval is None:
        return "-"
    mean = f"{interval.mean:+.{digits}f}" if signed else f"{interval.mean:.{digits}f}"
    return mean if interval.half_width is None else f"{mean} ± {interval.half_width:.{digits}f}"


def traffic_table(services: Sequence[ServiceSpec], statistics: DayStatistics, split: Split) -> str:
    """Paper Table 1 (train) or 2 (test) of a generated day: ours / the paper's."""
    rows = []
    for spec, ours in zip(services, statistics.services, strict=True):
        paper, budget_ms = TRAFFIC[spec.key], spec.latency_budget_us / 1000
        ours_ms, paper_ms = ours.reference_processing_us / 1000, paper.paper_processing_us[split] / 1000
        rows.append(
            (
                spec.label,
                f"{ours.flows:,} / {paper.flows[split]:,}",
                f"{budget_ms:.1f}",
                f"{ours_ms:.2f} / {paper_ms:.2f}",
                f"{budget_ms - ours_ms:.2f} / {budget_ms - paper_ms:.2f}",
                f"{ours.offered_kbps / 1000:,.2f} / {paper.offered_kbps[split] / 1000:,.2f}",
            )
        )
    columns = ("service", "flows", "latency budget ms", "mean processing ms", "mean margin ms", "mean total bandwidth Mbps")
    return markdown_table(columns, rows)


def parameter_table(configs: Mapping[str, Mapping[str, Any]]) -> str:
    """Paper Table 4: the paper's values and those of the configurations, by their names."""
    columns = [
        "parameter",
        "SARL, paper",
        "AMARL, paper",
        *(f"{algo}, `{name}`" for name in configs for algo in ("SARL", "AMARL")),
    ]

    def of(config: Mapping[str, Any], *path: str) -> str:
        value: Any = config
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    rows: list[tuple[str, ...]] = [
        (name, sarl, amarl, *(of(config, algo, key) for config in configs.values() for algo in ("sarl", "amarl")))
        for key, name, sarl, amarl in _TABLE_4
    ]
    shared = (
        ("net (policy and value)", "[256, 128]", ("network", "trunk")),
        ("features dim (GCN)", "256", ("network", "graph")),
        ("evaluation every, steps", "~50k", ("evaluate_every",)),
        ("early stop after evaluations without gain", "5", ("patience",)),
        ("matrix products", "-", ("matmul_precision",)),
        ("reward", "paper", ("reward", "kind")),
        ("steps at most", "-", ("total_steps",)),
    )
    for name, paper, path in shared:
        rows.append((name, paper, paper, *(of(config, *path) for config in configs.values() for _ in range(2))))
    return markdown_table(columns, rows)


def time_table(runs: Sequence[TrainingRun], rows: Sequence[Row]) -> str:
    """Paper Table 5: GoS on the test day, training and test wall time, with the paper's values in brackets."""
    cells = []
    for row in (each for each in rows if each.learned):
        mine = [run for run in runs if label_of(run, runs) == row.label]
        train = mean_interval([float(run.result["wall_s"]) for run in mine])
        algo = mine[0].algo
        cells.append(
            (
                row.label,
                len(mine),
                f"{shown(row.interval(gos))} ({PAPER_GOS.get(algo, '-')})",
                f"{_clock(train)} ({_clock_s(PAPER_TRAIN_S.get(algo))})",
                f"{shown(row.interval(wall_s), 1)} ({PAPER_TEST_S.get(algo, '-')})",
            )
        )
    columns = ("method", "seeds", "avg. GoS %", "train h:mm:ss", "test s")
    return markdown_table(columns, cells)


def policy_table(rows: Sequence[Row], services: Sequence[ServiceSpec], bound: Mapping[str, Any] | None) -> str:
    """One profile: Grade of Service of every policy, all requests and by service, best last; then the bound."""
    ranked = sorted(rows, key=lambda row: interval.mean if (interval := row.interval(gos)) else -1.0)
    cells: list[tuple[object, ...]] = [
        (
            row.label,
            len(row.units(gos)),
            shown(row.interval(gos)),
            *(shown(row.interval(of_service("gos_by_service", spec.key, 100.0))) for spec in services),
        )
        for row in ranked
    ]
    if bound:
        cells.append((f"bound, in {len(bound['windows'])} windows", 1, f"{100 * bound['gos']:.2f}", *("-" for _ in services)))
    return markdown_table(("policy", "n", "GoS %", *(spec.label for spec in services)), cells)


def difference_table(rows: Sequence[Row]) -> str:
    """One profile: every trained policy against every other policy, points of Grade of Service on the same seeds and days."""
    cells, done = [], set[str]()
    for ours in (row for row in rows if row.learned):
        done.add(ours.label)
        for theirs in (row for row in rows if row.label not in done):
            gap = difference(ours, theirs, gos)
            if gap is None:
                verdict = "nothing in common"
            elif gap.half_width is None:
                verdict = "one repetition"
            else:
                verdict = ("better" if gap.mean > 0 else "worse") if gap.excludes_zero else "no difference shown"
            cells.append((f"{ours.label} - {theirs.label}", gap.n if gap else 0, shown(gap, 3, signed=True), verdict))
    return markdown_table(("difference", "pairs", "points of GoS", "verdict"), cells)


def robustness_table(evaluations: Sequence[Mapping[str, Any]]) -> str:
    """One profile: Grade of Service before, during and after each disturbance."""

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.2f}"

    rows = [
        (
            each["disturbance"],
            each["policy"],
            percent(each["gos"]),
            *(percent(each["gos_by_phase"][phase]) for phase in ("before", "during", "after")),
            each["dropped"],
        )
        for each in evaluations
    ]
    return markdown_table(("disturbance", "policy", "GoS %", "before", "during", "after", "dropped flows"), rows)


def _clock(interval: Interval) -> str:
    half = "" if interval.half_width is None else f" ± {_clock_s(interval.half_width)}"
    return f"{_clock_s(interval.mean)}{half}"


def _clock_s(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
