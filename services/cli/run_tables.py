"""The summary of a run for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from ric_sim.domain.service import ServiceSpec
from services.cli.local.slicing import slicing_rows
from services.cli.output import table


def summary_tables(summary: Mapping[str, Any], services: Sequence[ServiceSpec], plots: Sequence[str]) -> RenderableType:
    """Services, figures of the run, and where to find the rest."""
    return Group(services_table(summary, services), figures_table(summary), _footer(summary, plots))


def services_table(summary: Mapping[str, Any], services: Sequence[ServiceSpec]) -> Table:
    """Grade of Service and latency per service, and of all together."""
    rows = [
        (
            spec.label,
            percent(summary["gos_by_service"][spec.key]),
            number(summary["latency_ms_by_service"][spec.key]),
            number(summary["latency_p95_ms_by_service"][spec.key]),
            f"{spec.latency_budget_us / 1000:g}",
        )
        for spec in services
    ]
    rows.append(("all", percent(summary["gos"]), "", "", ""))
    title = f"{summary['profile']}, {summary['day']} day, {summary['policy']}: {summary['requests']:,} requests"
    return table(title, ("<service", "GoS %", "latency ms", "p95 ms", "budget ms"), rows)


def figures_table(summary: Mapping[str, Any]) -> Table:
    """Everything that is one figure."""
    decision, commits, heal = summary["decision_ms"], summary["commits"], summary["heal_s"]["max"]
    rows = [
        ("decision p50 / p99", f"{number(decision['p50'])} / {number(decision['p99'])} ms"),
        ("played in", f"{number(summary['wall_s'])} s ({number(summary['decisions_per_s'])} decisions/s)"),
        ("start-up", f"{number(summary['start_up_s'])} s"),
        ("commits", f"{commits['ok']:,} ok, {commits['aborted']:,} aborted{_causes(summary['aborts_by_cause'])}"),
        *([("displaced", f"{summary['displaced']:,} (accepted, then gave way; not served)")] if "displaced" in summary else []),
        ("rejected", f"{sum(summary['rejects_by_cause'].values()):,}{_causes(summary['rejects_by_cause'])}"),
        ("default action", f"{summary['defaulted']:,}{_causes(summary['defaults_by_cause'])}"),
        ("delivered again", f"{summary['redelivered']:,}"),
        ("answered twice, forgotten", f"{summary['answered_twice']}, {summary['forgotten']}"),
        ("restarts", _restarts(summary["restarts"]) + (f", healed within {heal:.1f} s" if heal is not None else "")),
        *(slicing_rows(summary["slicing"]) if summary.get("slicing") else ()),
        ("memory, peak", f"{summary['memory_mb_peak']:,.0f} MB"),
        ("audit", "passed" if summary["audit"]["ok"] else "FAILED"),
    ]
    grid = table("", ("<", "<"), rows)
    grid.show_header = False
    return grid


def percent(ratio: float | None) -> str:
    """A ratio as percent, `-` for none."""
    return "-" if ratio is None else f"{100 * ratio:.2f}"


def number(value: float | None) -> str:
    """A figure with sensible digits, `-` for none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _causes(causes: Mapping[str, int]) -> str:
    named = ", ".join(f"{cause.replace('_', ' ')} {count:,}" for cause, count in causes.items() if count)
    return f" ({named})" if named else ""


def _restarts(restarts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in restarts.items()) or "none"


def _footer(summary: Mapping[str, Any], plots: Sequence[str]) -> str:
    drawn = f", {len(plots)} plots in plots/" if plots else ""
    return f"{summary['out']}: summary.json, ledger.npz, logs/{drawn}"
