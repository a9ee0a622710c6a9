"""The generated dashboard and alert rules: complete, laid out without overlap, about declared metrics only, and up to date."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from ric_sim.telemetry import registry
from ric_sim.telemetry.dashboard import ROWS, alert_rules, dashboard, main, rendered

ROOT = Path(__file__).resolve().parents[3]
PANELS = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
RULES = alert_rules()["groups"][0]["rules"]
METRIC = re.compile(r"\b(?:ricity_\w+|process_\w+|up(?=\{))")
CORE_PANEL_TYPES = {"timeseries", "stat", "gauge"}


def _metrics_of(expression):
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in METRIC.findall(expression)}


def test_the_committed_files_are_what_the_registry_says():
    assert main(["--check", str(ROOT / "charts")]) == 0


def test_check_finds_a_stale_and_a_missing_file(tmp_path, capsys):
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    stale, missing = (tmp_path / path for path in rendered())
    stale.write_text("{}")
    missing.unlink()
    assert main(["--check", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert str(stale) in told
    assert str(missing) in told


@pytest.mark.parametrize("expression", [*EXPRESSIONS, *(rule["expr"] for rule in RULES)])
def test_an_expression_asks_for_declared_metrics_and_their_labels(expression):
    names = _metrics_of(expression)
    assert names
    assert names <= set(registry())
    for name, selector in re.findall(r"(ricity_\w+)\{([^}]*)\}", expression):
        asked = set(re.findall(r"(\w+)\s*[=!]", selector))
        assert asked <= set(registry()[re.sub(r"_(bucket|sum|count)$", "", name)].labels)


def test_every_declared_metric_is_shown():
    shown = set().union(*map(_metrics_of, EXPRESSIONS))
    assert shown == set(registry())


def test_panels_have_unique_ids_core_types_and_known_rows():
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(ids)) == len(ids)
    assert {panel["type"] for panel in PANELS} <= CORE_PANEL_TYPES
    assert {spec.panel.row for spec in registry().values() if spec.panel} == set(ROWS)


def test_panels_do_not_overlap():
    def cells(panel):
        at = panel["gridPos"]
        return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}

    for one, other in combinations(dashboard()["panels"], 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
    assert max(x for panel in dashboard()["panels"] for x, _ in cells(panel)) < 24


def test_every_alert_is_unique_and_has_a_runbook():
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs" / "alerts.md").read_text(), flags=re.MULTILINE)
    assert sorted(sections) == sorted(names)
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"warning", "critical"}
