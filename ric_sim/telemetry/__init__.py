"""Metrics, declared once in registry.yaml and created from there: a name, unit or label exists in one place only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml
from prometheus_client import Counter, Gauge, Histogram

from ric_sim.domain.errors import UnknownKey


@dataclass(frozen=True, slots=True)
class Panel:
    """How the dashboard shows a metric.

    Attributes:
        row: key of the dashboard's row (`ric_sim.telemetry.dashboard.ROWS`).
        title: heading of the panel.
        unit: Grafana's name of the unit, e.g. `s`, `reqps`, `percentunit`.
        queries: PromQL by legend.
        kind: Grafana's panel type: timeseries or stat.
    """

    row: str
    title: str
    unit: str
    queries: dict[str, str]
    kind: str = "timeseries"


@dataclass(frozen=True, slots=True)
class Alert:
    """A Prometheus alert rule; `docs/alerts.md` says under its name what to do.

    Attributes:
        name: CamelCase, unique.
        expr: PromQL that returns something while the alert holds.
        hold: how long it must hold before the alert fires, e.g. `15s`.
        severity: warning (look today) or critical (look now).
        summary, description: one sentence each; Prometheus' templates are filled in.
    """

    name: str
    expr: str
    hold: str
    severity: str
    summary: str
    description: str


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One declared metric.

    Attributes:
        name: full Prometheus name; a counter's ends in `_total`.
        kind: counter, gauge or histogram.
        labels: label names; values are bounded (never a flow or UE id).
        meaning: one sentence, shown as help text and in the dashboards.
        component: which process exports it: ric, xapp (every one of the RIC), routing (those xApps only), nodes, radio, slicing
            (the dApps), critic, manager or auditor; `every` process; or `prometheus` itself.
        buckets: upper bounds of a histogram, in the unit of its name.
        panel: the dashboard panel that shows it; None: another metric's panel shows it too, or none.
        alerts: rules that watch it.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    component: str
    buckets: tuple[float, ...] = ()
    panel: Panel | None = None
    alerts: tuple[Alert, ...] = ()


@cache
def registry() -> dict[str, MetricSpec]:
    """All declared metrics by name."""
    rows = yaml.safe_load(resources.files(__package__).joinpath("registry.yaml").read_text())
    specs = (
        MetricSpec(
            name=row["name"],
            kind=row["kind"],
            labels=tuple(row.get("labels", ())),
            meaning=row["meaning"],
            component=row["component"],
            buckets=tuple(row.get("buckets", ())),
            panel=Panel(**row["panel"]) if "panel" in row else None,
            alerts=tuple(Alert(**alert) for alert in row.get("alerts", ())),
        )
        for row in rows
    )
    return {spec.name: spec for spec in specs}


def counter(name: str) -> Counter:
    """The process-wide counter declared under `name`."""
    return _create(name, "counter")


def gauge(name: str) -> Gauge:
    """The process-wide gauge declared under `name`."""
    return _create(name, "gauge")


def histogram(name: str) -> Histogram:
    """The process-wide histogram declared under `name`."""
    return _create(name, "histogram")


def declare(component: str) -> None:
    """Creates every metric of a process at its start, so that what has not happened yet is exported as 0 and not as a gap."""
    for spec in registry().values():
        if spec.component == component:
            _create(spec.name, spec.kind)


@cache
def _create(name: str, kind: str) -> Any:
    spec = registry().get(name)
    if spec is None:
        raise UnknownKey("metric", name, registry())
    if spec.kind != kind:
        raise UnknownKey(f"{kind} metric", name, (other.name for other in registry().values() if other.kind == kind))
    if kind == "counter":
        return Counter(name, spec.meaning, spec.labels)
    if kind == "gauge":
        return Gauge(name, spec.meaning, spec.labels)
    return Histogram(name, spec.meaning, spec.labels, buckets=spec.buckets)
