"""Writes the Grafana dashboard and the Prometheus alert rules from the declared metrics: `make charts`.

    python -m ric_sim.telemetry.dashboard [--check] [DIRECTORY]

`--check` writes nothing and exits 1 when the files in DIRECTORY (default `charts`) differ from what would be written.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from ric_sim.telemetry import Alert, Panel, registry

ROWS = {
    "requests": "Requests and Grade of Service",
    "decisions": "Decisions and latency",
    "commits": "Commits and aborts",
    "delivery": "Delivery and queues",
    "network": "Nodes and network",
    "operations": "Rollouts, A/B tests and configurations",
    "slicing": "Slicing of the O-DUs",
    "learning": "Learning of the slicing actors",
    "processes": "Processes",
}
"""Rows of the dashboard from top to bottom, by the key that a panel names."""

DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
DASHBOARD_FILE = Path("dashboards/ricity.json")
ALERTS_FILE = Path("alerts/ricity.rules.yml")
RUNBOOK = "docs/alerts.md"

_GRID_COLUMNS = 24
_PANEL_COLUMNS = 8
_PANEL_ROWS = 7


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana's JSON model: core panel types only, one data source, no plugins."""
    panels: list[dict[str, Any]] = []
    y = 0
    for key, title in ROWS.items():
        members = [(name, spec.panel) for name, spec in registry().items() if spec.panel is not None and spec.panel.row == key]
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": _cell(0, y, width=24, height=1)}
        )
        y += 1
        for index, (name, panel) in enumerate(members):
            column, row = index * _PANEL_COLUMNS % _GRID_COLUMNS, index * _PANEL_COLUMNS // _GRID_COLUMNS
            cell = _cell(column, y + row * _PANEL_ROWS, width=_PANEL_COLUMNS, height=_PANEL_ROWS)
            panels.append({"id": len(panels) + 1, "gridPos": cell, **_panel(panel, registry()[name].meaning)})
        y += -(-len(members) * _PANEL_COLUMNS // _GRID_COLUMNS) * _PANEL_ROWS
    return {
        "uid": "ricity",
        "title": "Ricity",
        "tags": ["ricity"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "panels": panels,
    }


def _cell(x: int, y: int, *, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel, meaning: str) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "expr": expr, "legendFormat": legend}
        for index, (legend, expr) in enumerate(panel.queries.items())
    ]
    model: dict[str, Any] = {
        "type": panel.kind,
        "title": panel.title,
        "description": meaning,
        "datasource": DATASOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
    }
    if panel.kind == "stat":
        model["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area", "textMode": "value_and_name"}
    else:
        model["options"] = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return model


def alert_rules() -> dict[str, Any]:
    """The rule file as Prometheus reads it."""
    rules = [_rule(alert) for spec in registry().values() for alert in spec.alerts]
    return {"groups": [{"name": "ricity", "rules": rules}]}


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.hold,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook": f"{RUNBOOK}#{alert.name.lower()}",
        },
    }


def rendered() -> dict[Path, str]:
    """Text of each generated file by its path below `charts`."""
    note = "# Made from ric_sim/telemetry/registry.yaml by `make charts`; change it there.\n"
    return {
        DASHBOARD_FILE: json.dumps(dashboard(), indent=2) + "\n",
        ALERTS_FILE: note + yaml.safe_dump(alert_rules(), sort_keys=False, width=160),
    }


def main(arguments: list[str] | None = None) -> int:
    """Writes or compares the files; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ric_sim.telemetry.dashboard", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when a file differs")
    parser.add_argument("directory", nargs="?", type=Path, default=Path("charts"))
    options = parser.parse_args(arguments)
    stale = False
    for path, text in rendered().items():
        target = options.directory / path
        if not options.check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        elif not target.is_file() or target.read_text() != text:
            stale = True
            sys.stderr.write(f"{target} differs from ric_sim/telemetry/registry.yaml: run `make charts` and commit the result\n")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
