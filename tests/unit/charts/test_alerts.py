"""Alert rules, their unit tests and the guide: each rule has all three, and asks for declared metrics only."""

from __future__ import annotations

import re

import pytest
import yaml

from ric_sim.telemetry import registry
from tests.unit.charts.rendering import ROOT

ALERTS = ROOT / "charts" / "alerts"
(GROUP,) = yaml.safe_load((ALERTS / "ricity.rules.yml").read_text())["groups"]
RULES = {rule["alert"]: rule for rule in GROUP["rules"]}
TESTS = yaml.safe_load((ALERTS / "tests.yml").read_text())["tests"]
GUIDE = (ROOT / "docs" / "operations.md").read_text()
PROCEDURES = (ROOT / "docs" / "alerts.md").read_text()
WANTED = {
    "XappDown", "GosDrop", "AuditFailed", "AuditStale", "StoreBehind", "PolicyStale", "CriticAway", "SlicingFallback",
    "ManagerDown", "RegistryDown",
}  # fmt: skip


def _fires(test):
    """Alerts that a test expects to fire, with or without their texts."""
    firing = {case["alertname"] for case in test.get("alert_rule_test", ()) if case.get("exp_alerts")}
    for case in test.get("promql_expr_test", ()):
        named = {name for name in RULES if f'alertname="{name}"' in case["expr"]}
        labelled = {name for name in RULES for sample in case["exp_samples"] if f'alertname="{name}"' in sample["labels"]}
        firing |= labelled | (named if case["exp_samples"] else set())
    return firing


def test_the_faults_of_a_live_system_are_watched():
    assert set(RULES) >= WANTED


@pytest.mark.parametrize("name", RULES)
def test_a_rule_has_a_test_that_fires_it_and_one_that_does_not(name):
    assert any(name in _fires(test) for test in TESTS)
    silent = [case for test in TESTS for case in test.get("alert_rule_test", ()) if not case.get("exp_alerts")]
    assert name in {case["alertname"] for case in silent}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_asks_for_metrics_that_are_declared(name):
    asked = re.findall(r"\b(?:ricity_\w+|process_\w+_\w+|up(?=\{))", RULES[name]["expr"])
    assert asked
    assert {re.sub(r"_(bucket|sum|count)$", "", metric) for metric in asked} <= set(registry())


@pytest.mark.parametrize("name", RULES)
def test_a_rule_leads_to_what_to_do(name):
    rule = RULES[name]
    assert rule["annotations"]["runbook"] == f"docs/alerts.md#{name.lower()}"
    row = re.search(rf"^\| \[{name}\]\(alerts\.md#{name.lower()}\) \| (\w+) \| [^|]+ \| [^|]+ \|$", GUIDE, flags=re.MULTILINE)
    assert row, f"docs/operations.md: no row for {name} under 'When an alert fires'"
    assert row[1] == rule["labels"]["severity"]
    section = re.search(rf"^## {name}\n\n(.+?)(?=^## |\Z)", PROCEDURES, flags=re.MULTILINE | re.DOTALL)
    assert section, f"docs/alerts.md: no section {name}"
    assert "\n- " in section[1], f"docs/alerts.md: {name} says what it means, not what to do"


def test_the_guide_tells_of_no_alert_that_does_not_exist():
    assert set(re.findall(r"^\| \[(\w+)\]\(alerts", GUIDE, flags=re.MULTILINE)) == set(RULES)
