"""Figures of a played day, by hand."""

from __future__ import annotations

import json

import pytest

from ric_sim.domain.flow import Cause
from ric_sim.e2.identity import nodes_of
from ric_sim.e2.node.ledger import Outcome, Settlement
from ric_sim.e2.node.pacing import MaxPace
from ric_sim.e2.node.player import DayPlayer
from ric_sim.e2.node.subscriptions import Capabilities, InsertSubscription, SubscriptionTable
from ric_sim.e2.node.summary import progress, summarise
from tests.unit.e2.node.two_sites import AR, route_of, two_sites, uniform_day

CITY = two_sites()


def new_player(n: int) -> DayPlayer:
    nodes, day = nodes_of(CITY), uniform_day(n)
    names = [node.ran_name for node in nodes]
    table = SubscriptionTable(Capabilities(reporting=names, inserting=names[:2], services=["ar", "iot"]))
    table.admit(InsertSubscription(1, (), ("ar", "iot")))
    player = DayPlayer(CITY, nodes, day, pace=MaxPace(day, in_flight=8), table=table, time_to_wait_s=10.0)
    player.association_up(0.0)
    player.start(100.0)
    return player


@pytest.fixture
def played() -> DayPlayer:
    """Eight requests at 100.0: AR accepted, IoT rejected, AR defaulted by the RIC, IoT by the node, and four pending."""
    player = new_player(10)
    player.raise_due(100.0)
    player.take(100.0)
    accepted = Settlement(Outcome.APPLIED, latency_us=4000, n_links=6, attempts=2, deliveries=3, instance="r/1/a")
    player.answer(0, accepted, route_of(CITY, AR), 100.010)
    player.answer(
        1, Settlement(Outcome.REJECTED, Cause.NO_ROUTE_LATENCY, attempts=1, deliveries=1, instance="r/1/b"), (), 100.030
    )
    player.answer(2, Settlement(Outcome.DEFAULT, Cause.QUEUE_FULL), (), 100.040)
    player.answer(2, accepted, route_of(CITY, AR), 100.050)
    player._default(3, Cause.TIME_TO_WAIT_EXPIRED, 101.0)
    player.answer(3, accepted, route_of(CITY, AR), 101.5)
    return player


def test_the_summary_counts_everything_once(played):
    summary = summarise(played, began_unix_s=5.0)
    assert {key: summary[key] for key in ("requests", "answered", "accepted", "forgotten")} == {
        "requests": 8,
        "answered": 4,
        "accepted": 1,
        "forgotten": 4,
    }
    assert (summary["answered_twice"], summary["late"], summary["unknown_answers"]) == (1, 1, 0)
    assert (summary["gos"], summary["gos_by_service"]) == (0.125, {"ar": 0.25, "iot": 0.0})
    assert summary["latency_ms_by_service"] == {"ar": 4.0, "iot": None}
    assert summary["decision_ms"] == {"p50": 20.0, "p99": 29.8, "max": 30.0}
    assert (summary["defaulted"], summary["defaulted_by_node"], summary["redelivered"], summary["resent"]) == (2, 1, 2, 0)
    assert summary["by_cause"] == {"no_route_latency": 1, "queue_full": 1, "time_to_wait_expired": 1}
    assert summary["decided_by"] == {"r/1/a": 1, "r/1/b": 1}
    assert (summary["wall_s"], summary["decisions_per_s"]) == (1.0, 4.0)
    assert summary["longest_gap_s_by_service"] == {"ar": 0.03, "iot": 0.97}
    assert summary["began_unix_s"] == 5.0
    json.dumps(summary)


def test_nothing_measured_is_none_not_zero():
    summary = summarise(new_player(4), began_unix_s=None)
    assert summary["gos"] is summary["wall_s"] is summary["decisions_per_s"] is summary["clock_skew_ms"] is None
    assert summary["decision_ms"] == {"p50": None, "p99": None, "max": None}
    assert (summary["by_cause"], summary["decided_by"], summary["outages"]) == ({}, {}, [])


def test_progress_says_where_the_day_stands(played):
    assert progress(played, 102.0) == {
        "requests": 10,
        "raised": 8,
        "settled": 4,
        "accepted": 1,
        "outstanding": 4,
        "gos": 0.25,
        "decisions_per_s": 2.0,
        "now_ms": 7000,
        "wall_s": 2.0,
        "connected": True,
        "done": False,
    }
