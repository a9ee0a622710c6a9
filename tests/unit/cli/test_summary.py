from typing import Any

import pytest

from ric_sim.domain.flow import Cause
from ric_sim.e2.node.ledger import Outcome
from ric_sim.network.services_catalogue import SERVICES
from services.cli.local.child import Restart
from services.cli.report.ledger import DayLedger
from services.cli.report.summary import PlayedDay, RunFacts, StoreFindings, compose, failures, heal_time_s

KEYS = [spec.key for spec in SERVICES]
FINE = StoreFindings(2, {"link_capacity": 1, "latency_budget": 3}, (), 0, 0)
NODES: dict[str, Any] = {
    "requests": 4,
    "accepted": 2,
    "gos": 0.5,
    "gos_by_service": {},
    "latency_ms_by_service": {},
    "decision_ms": {"p50": 2.0, "p99": 2.0, "max": 2.0},
    "decisions_per_s": 800.0,
    "wall_s": 0.005,
    "redelivered": 3,
    "defaulted": 1,
    "answered_twice": 0,
    "forgotten": 0,
    "clock_skew_ms": 0.0,
    "outages": [],
    "began_unix_s": 1000.0,
}


def summary(
    ledger: DayLedger, *, nodes: dict[str, Any] | None = None, store: StoreFindings = FINE, **given: Any
) -> dict[str, Any]:
    usual = {"start_up_s": 2.5, "memory_mb_peak": 512.0, "restarts": (), "killed_at_stop": (), "interrupted": False}
    day = PlayedDay(SERVICES, ledger)
    return compose(NODES | (nodes or {}), day, store, RunFacts(**(usual | given)), {"profile": "paper", "seed": 1})


def test_the_figures_of_a_small_day(make_ledger):
    ledger = make_ledger(
        service=[0, 0, 3, 3],
        outcome=[Outcome.APPLIED, Outcome.REJECTED, Outcome.APPLIED, Outcome.DEFAULT],
        cause=[Cause.NONE, Cause.NO_ROUTE_LATENCY, Cause.NONE, Cause.NO_SUBSCRIBER],
        latency_us=[4000, 0, 6000, 0],
    )
    result = summary(ledger)
    assert (result["profile"], result["seed"], result["requests"], result["gos"]) == ("paper", 1, 4, 0.5)
    assert result["latency_p95_ms_by_service"] == {**dict.fromkeys(KEYS), "ar": 4.0, "iot": 6.0}
    assert result["commits"] == {"ok": 2, "aborted": 4}
    assert result["aborts_by_cause"] == {"link_capacity": 1, "latency_budget": 3}
    assert result["rejects_by_cause"] == {"no_route_latency": 1}
    assert result["defaults_by_cause"] == {"no_subscriber": 1}
    assert result["restarts"] == {}
    assert result["heal_s"] == {"max": None, "each": []}
    assert result["audit"]["ok"]
    assert failures(result) == []


def test_causes_are_listed_by_frequency(make_ledger):
    ledger = make_ledger(service=[0] * 3, outcome=[Outcome.REJECTED] * 3, cause=[1, 5, 5])
    assert list(summary(ledger)["rejects_by_cause"].items()) == [("no_route_latency", 2), ("link_capacity", 1)]


def test_everything_that_is_not_a_success_is_named(make_ledger):
    store = StoreFindings(1, {}, ("USED at version 7: too much", "another"), 2, 3)
    nodes = {"answered_twice": 4, "forgotten": 5}
    result = summary(make_ledger(service=[0]), nodes=nodes, store=store, killed_at_stop=("ric",))
    assert not result["audit"]["ok"]
    assert failures(result) == [
        "audit: USED at version 7: too much",
        "2 accepted flow(s) that the commit log does not know",
        "3 committed flow(s) that the nodes do not carry",
        "4 request(s) answered twice",
        "5 request(s) never answered",
        "1 process(es) that did not stop when told",
    ]


@pytest.mark.parametrize(("name", "healed_s"), [("ric", 0.501), ("routing-iot", 0.503), ("routing-voip", 0.5)])
def test_healed_by_the_first_answer_after_the_replacement_is_ready(make_ledger, name, healed_s):
    """Two answers of ar, the first of them too early, one of iot; none of voip, so that its readiness has to do."""
    ledger = make_ledger(service=[0, 0, 3], answered_us=[1_000_999, 1_002_000, 1_004_000])
    restart = Restart(name, "killed by SIGKILL", died_unix_s=100.501, ready_unix_s=101.001)
    assert heal_time_s(restart, PlayedDay(SERVICES, ledger), began_unix_s=100.0) == pytest.approx(healed_s, abs=1e-6)


def test_what_never_came_back_has_no_heal_time(make_ledger):
    gone = Restart("ric", "exit code 1", died_unix_s=1.0)
    back = Restart("ric", "exit code 1", died_unix_s=1000.0, ready_unix_s=1000.5)
    result = summary(make_ledger(service=[0]), restarts=[gone, back])
    assert result["restarts"] == {"ric": 2}
    assert result["heal_s"] == {"max": 0.5, "each": [None, 0.5]}
