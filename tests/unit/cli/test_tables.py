import io

import pytest
from rich.console import Console

from ric_sim.network.policies import POLICIES
from ric_sim.network.services_catalogue import SERVICES
from services.cli.eval_command import chosen, comparison
from services.cli.run_tables import number, percent, summary_tables

KEYS = [spec.key for spec in SERVICES]
SUMMARY = {
    "profile": "paper",
    "day": "test",
    "policy": "cspf",
    "requests": 47_061,
    "gos": 0.98282,
    "gos_by_service": {**dict.fromkeys(KEYS, 0.99), "voip": None},
    "latency_ms_by_service": dict.fromkeys(KEYS, 7.5),
    "latency_p95_ms_by_service": dict.fromkeys(KEYS, 9.25),
    "decision_ms": {"p50": 1.5, "p99": 6.25},
    "wall_s": 61.2,
    "decisions_per_s": 769.0,
    "start_up_s": 4.2,
    "commits": {"ok": 46_252, "aborted": 12},
    "aborts_by_cause": {"link_capacity": 12, "latency_budget": 0},
    "rejects_by_cause": {"no_route_latency": 800, "no_route_capacity": 9},
    "defaulted": 0,
    "defaults_by_cause": {},
    "redelivered": 3,
    "answered_twice": 0,
    "forgotten": 0,
    "restarts": {"ric": 1},
    "heal_s": {"max": 1.94},
    "memory_mb_peak": 750.2,
    "audit": {"ok": True},
    "out": "runs/x",
}


def rendered(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(renderable)
    return console.file.getvalue()


def test_the_closing_tables_say_everything_of_interest():
    text = rendered(summary_tables(SUMMARY, SERVICES, ["a.png"]))
    for part in (
        "47,061 requests",
        "98.28",
        "MIoT",
        "1.50 / 6.25 ms",
        "46,252 ok, 12 aborted (link capacity 12)",
        "809 (no route latency 800, no route capacity 9)",
        "ric 1, healed within 1.9 s",
        "750 MB",
        "passed",
        "runs/x: summary.json, ledger.npz, logs/, 1 plots in plots/",
    ):
        assert part in text


def test_a_failed_audit_and_no_restart_are_said_too():
    failed = SUMMARY | {"audit": {"ok": False}, "restarts": {}, "heal_s": {"max": None}}
    text = rendered(summary_tables(failed, SERVICES, []))
    assert "FAILED" in text
    assert "plots" not in text
    assert "healed" not in text


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (0.0, "0.00"), (3.14159, "3.14"), (99.999, "100.00"), (1234.5, "1,234")]
)
def test_figures_have_sensible_digits(value, shown):
    assert number(value) == shown


def test_no_ratio_is_a_dash():
    assert (percent(None), percent(0.98765)) == ("-", "98.77")


@pytest.mark.parametrize(
    ("words", "names"),
    [("all", ["cspf", "ksp"]), ("ksp", ["ksp"]), (" ksp, cspf ,ksp", ["ksp", "cspf"])],
)
def test_lists_of_names(words, names):
    assert chosen("policy", words, {"cspf": 1, "ksp": 2}) == names


def test_all_policies_are_each_of_them_once():
    names = chosen("policy", "all", POLICIES)
    assert {"amarl", "sarl", "cspf"} < set(names) == set(POLICIES) - {"learned"}
    assert chosen("policy", "learned", POLICIES) == ["learned"]


def test_a_comparison_has_a_row_per_policy():
    rows = [
        {
            "policy": policy,
            "day": "test",
            "requests": 400,
            "gos": 0.5,
            "gos_by_service": {"ar": 0.5, "iot": None},
            "latency_ms_by_service": {"ar": 6.44, "iot": None},
            "hops": 8.5,
            "decisions_per_s": 20_000.0,
            "wall_s": 1.0,
        }
        for policy in ("cspf", "random")
    ]
    lines = rendered(comparison("paper", rows)).splitlines()
    assert [line.split() for line in lines if "50.00" in line] == [
        [policy, "50.00", "50.00", "-", "6.4", "-", "8.50", "20,000", "1.00"] for policy in ("cspf", "random")
    ]
