"""A day being played: every request raised once, settled once, and never forgotten."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.domain.errors import InvalidRoute
from ric_sim.domain.flow import Cause
from ric_sim.e2.identity import nodes_of
from ric_sim.e2.node.ledger import Outcome, Settlement
from ric_sim.e2.node.outages import Outage
from ric_sim.e2.node.pacing import MaxPace, RatePace, SpeedPace
from ric_sim.e2.node.player import GUARD_S, DayPlayer
from ric_sim.e2.node.subscriptions import Capabilities, InsertSubscription, SubscriptionTable
from ric_sim.e2.node.summary import summarise
from tests.unit.e2.node.two_sites import AR, IOT, route_of, two_sites, uniform_day

CITY = two_sites()
NODES = nodes_of(CITY)
WAIT_S = 10.0
REJECTED = Settlement(Outcome.REJECTED, Cause.NO_ROUTE_CAPACITY, attempts=1, deliveries=1, instance="routing/1/a")
APPLIED = Settlement(Outcome.APPLIED, latency_us=4000, n_links=7, attempts=1, deliveries=1, instance="routing/1/a")


def subscribe(player: DayPlayer, *services: str) -> None:
    player.table.admit(InsertSubscription(len(services), (), services))


def player_of(day, pace, *services: str) -> DayPlayer:
    """Connected, subscribed and started at time 0."""
    names = [node.ran_name for node in NODES]
    table = SubscriptionTable(Capabilities(reporting=names, inserting=names[:2], services=["ar", "iot"]))
    player = DayPlayer(CITY, NODES, day, pace=pace, table=table, time_to_wait_s=WAIT_S)
    if services:
        subscribe(player, *services)
    player.association_up(0.0)
    player.start(0.0)
    return player


def rows(sendings) -> list[int]:
    return [int(sending.flow.flow_id[-6:]) for sending in sendings]


def sent(player: DayPlayer, now_s: float) -> list[int]:
    player.raise_due(now_s)
    return rows(player.take(now_s))


def test_requests_go_out_and_answers_settle_them():
    day = uniform_day(10)
    player = player_of(day, MaxPace(day, in_flight=4), "ar", "iot")
    assert sent(player, 0.0) == [0, 1, 2, 3]
    assert sent(player, 0.1) == []
    player.answer(0, APPLIED, route_of(CITY, AR), 0.2)
    player.answer(1, REJECTED, (), 0.2)
    assert sent(player, 0.2) == [4, 5]
    assert (player.ledger.n_raised, player.ledger.n_settled, player.ledger.n_accepted) == (6, 2, 1)
    assert player.load.last_end_ms == 5000


def test_a_service_without_subscriber_gets_its_default_at_once():
    day = uniform_day(10)
    player = player_of(day, MaxPace(day, in_flight=4), "ar")
    assert sent(player, 0.0) == [0, 2, 4, 6]
    assert player.ledger.cause[[1, 3, 5]].tolist() == [Cause.NO_SUBSCRIBER] * 3
    assert player.ledger.sent_us[1] == -1
    assert player.take_given_up() == []


def test_a_day_without_any_subscriber_ends_in_bounded_steps():
    day = uniform_day(1300)
    player = player_of(day, MaxPace(day, in_flight=4))
    assert [player.raise_due(0.0) for _ in range(4)] == [True, True, False, False]
    assert player.done
    assert Counter(player.ledger.cause.tolist()) == {Cause.NO_SUBSCRIBER: 1300}


def test_a_paced_day_queues_up_to_its_bound_and_defaults_the_rest():
    day = uniform_day(20)
    pace = RatePace(day, rate=1000)
    pace.max_outstanding = 8
    player = player_of(day, pace, "ar", "iot")
    assert sent(player, 1.0) == list(range(8))
    assert player.ledger.cause[8:].tolist() == [Cause.QUEUE_FULL] * 12
    assert player.ledger.n_raised == 20


def test_without_association_a_day_at_speed_max_pauses():
    day = uniform_day(10)
    player = player_of(day, MaxPace(day, in_flight=4), "ar", "iot")
    sent(player, 0.0)
    player.table.association_lost()
    player.association_lost(0.5)
    player.answer(0, REJECTED, (), 0.6)
    player.raise_due(1.0)
    assert player.ledger.n_raised == 4


def test_without_association_a_paced_day_goes_on_and_its_requests_wait():
    day = uniform_day(10)
    player = player_of(day, SpeedPace(day, speed=1), "ar", "iot")
    assert sent(player, 1.5) == [0, 1]
    player.table.association_lost()
    player.association_lost(1.6)
    player.raise_due(4.5)
    assert (player.ledger.n_raised, len(player.outstanding)) == (5, 5)
    player.table.association_up()
    subscribe(player, "ar", "iot")
    player.association_up(4.6)
    again = player.take(4.6)
    assert rows(again) == [0, 1, 2, 3, 4]
    assert [sending.resent for sending in again] == [True, True, False, False, False]
    assert [sending.remaining_ms for sending in again] == [6900, 6900, 9900, 9900, 9900]


def test_after_a_reconnect_only_what_has_a_subscriber_is_sent_again():
    day = uniform_day(4)
    player = player_of(day, MaxPace(day, in_flight=4), "ar", "iot")
    sent(player, 0.0)
    player.table.association_lost()
    player.association_lost(1.0)
    player.table.association_up()
    subscribe(player, "ar")
    player.association_up(2.0)
    assert rows(player.take(2.0)) == [0, 2]
    assert player.ledger.cause[[1, 3]].tolist() == [Cause.NO_SUBSCRIBER] * 2
    assert player.take_given_up() == ["day-000001", "day-000003"]


def test_a_silent_ric_costs_the_time_to_wait_and_is_told_so():
    day = uniform_day(4)
    player = player_of(day, MaxPace(day, in_flight=4), "ar", "iot")
    sent(player, 0.0)
    player.answer(0, REJECTED, (), 1.0)
    player.expire(WAIT_S + GUARD_S - 0.01)
    assert player.ledger.n_settled == 1
    player.expire(WAIT_S + GUARD_S)
    assert player.ledger.cause[1:].tolist() == [Cause.TIME_TO_WAIT_EXPIRED] * 3
    assert player.ledger.by_node.tolist() == [False, True, True, True]
    assert player.take_given_up() == ["day-000001", "day-000002", "day-000003"]
    assert player.take_given_up() == []


def test_an_answer_after_the_default_action_is_late_and_changes_nothing():
    day = uniform_day(4)
    player = player_of(day, MaxPace(day, in_flight=4), "ar", "iot")
    sent(player, 0.0)
    player.expire(20.0)
    player.answer(0, APPLIED, route_of(CITY, AR), 20.1)
    assert player.ledger.late == 1
    assert player.ledger.outcome[0] == Outcome.DEFAULT
    assert player.load.last_end_ms == player.load.now_ms


def test_requests_given_up_while_the_ric_is_away_are_reported_when_it_is_back_while_they_could_be_reserved():
    day = uniform_day(3, spacing_ms=1000, holding_ms=30_000)
    player = player_of(day, SpeedPace(day, speed=1), "ar", "iot")
    sent(player, 1.0)
    player.table.association_lost()
    player.association_lost(1.5)
    player.raise_due(2.0)
    player.expire(13.1)
    assert player.ledger.cause.tolist() == [Cause.RIC_UNREACHABLE] * 3
    assert player.take_given_up() == []
    player.association_up(14.0)
    assert player.take_given_up() == ["day-000000", "day-000001"]
    player.association_lost(30.0)
    player.association_up(30.5)
    assert player.take_given_up() == ["day-000001"]


def test_the_end_of_the_process_leaves_nothing_pending():
    day = uniform_day(8)
    player = player_of(day, MaxPace(day, in_flight=4), "ar", "iot")
    sent(player, 0.0)
    player.give_up_all(0.5)
    assert player.ledger.n_raised == player.ledger.n_settled == 4
    assert player.take_given_up() == [f"day-00000{index}" for index in range(4)]


def test_a_route_that_cannot_be_leaves_the_request_open():
    day = uniform_day(4)
    player = player_of(day, MaxPace(day, in_flight=4), "ar", "iot")
    sent(player, 0.0)
    with pytest.raises(InvalidRoute):
        player.answer(0, APPLIED, (1, 2, 3), 0.1)
    assert player.ledger.outcome[0] == Outcome.PENDING
    player.answer(0, APPLIED, route_of(CITY, AR), 0.2)
    assert player.ledger.n_accepted == 1


def test_a_done_day_at_speed_max_ends_when_its_last_flow_ends():
    day = uniform_day(2)
    player = player_of(day, MaxPace(day, in_flight=4), "ar", "iot")
    sent(player, 0.0)
    player.answer(0, REJECTED, (), 0.1)
    assert not player.done
    assert player.horizon_ms(0.1) == 1000
    player.answer(1, APPLIED, route_of(CITY, IOT), 0.1)
    assert player.done
    assert (player.horizon_ms(0.2), player.emulated_ms(0.2)) == (6000, 6000)


def test_an_outage_of_the_ric_is_measured():
    day = uniform_day(8)
    player = player_of(day, MaxPace(day, in_flight=4), "ar", "iot")
    sent(player, 0.0)
    player.association_lost(1.0)
    player.association_up(1.5)
    player.take(1.5)
    player.answer(0, REJECTED, (), 1.75)
    assert Outage("association", 1.0, 0.75) in player.outages.outages


def test_lag_and_wait_follow_the_schedule():
    day = uniform_day(4)
    player = player_of(day, SpeedPace(day, speed=2), "ar", "iot")
    assert player.wait_s(0.0) == 0.0
    sent(player, 0.0)
    assert player.wait_s(0.1) == pytest.approx(0.4)
    assert player.lag_s(0.1) == 0.0
    assert player.lag_s(0.75) == pytest.approx(0.25)
    sent(player, 5.0)
    assert player.wait_s(5.0) is None


actions = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.integers(0, 11), st.sampled_from([APPLIED, REJECTED])),
        st.tuples(st.just("lose"), st.just(0), st.just(None)),
        st.tuples(st.just("reconnect"), st.just(0), st.just(None)),
        st.tuples(st.just("wait"), st.integers(1, 12), st.just(None)),
        st.tuples(st.just("unsubscribe"), st.just(0), st.just(None)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(actions, st.sampled_from(["max", "speed", "rate"]))
def test_whatever_happens_every_request_ends_in_exactly_one_record(script, kind):
    day = uniform_day(12, spacing_ms=500)
    pace = {"max": MaxPace(day, in_flight=4), "speed": SpeedPace(day, speed=1), "rate": RatePace(day, rate=2)}[kind]
    player = player_of(day, pace, "ar", "iot")
    now_s, n_answers = 0.0, 0
    for action, argument, settlement in script:
        if action == "answer":
            flow = argument % 12
            n_answers += 1
            player.answer(flow, settlement, route_of(CITY, int(day.service[flow])), now_s)
        elif action == "lose" and player.connected:
            player.table.association_lost()
            player.association_lost(now_s)
        elif action == "reconnect" and not player.connected:
            player.table.association_up()
            subscribe(player, "ar", "iot")
            player.association_up(now_s)
        elif action == "wait":
            now_s += argument
        elif action == "unsubscribe":
            player.table.delete(2)
        player.expire(now_s)
        player.raise_due(now_s)
        if player.connected:
            player.take(now_s)
        assert len(player.outstanding) <= pace.max_outstanding
        assert len(player.outstanding) == player.ledger.n_raised - player.ledger.n_settled
        assert player.progress.settled <= player.progress.raised == player.ledger.n_raised
    now_s += 100.0
    player.raise_due(now_s)
    player.expire(now_s + 100.0)
    ledger = player.ledger
    assert len(player.outstanding) == 0
    assert ledger.n_raised == ledger.n_settled
    n_by_node = int(ledger.by_node.sum())
    assert ledger.n_settled - n_by_node + ledger.answered_twice + ledger.late + ledger.unknown == n_answers
    assert player.done == (ledger.n_raised == len(day))
    player.load.advance(10**7)
    assert player.load.active == [0, 0]


def test_a_displaced_flow_is_accepted_but_not_served_and_is_told_of_once(tmp_path):
    day = uniform_day(4)
    player = player_of(day, MaxPace(day, in_flight=4), "ar", "iot")
    sent(player, 0.0)
    for index in range(4):
        player.answer(index, APPLIED, route_of(CITY, player.day.flow(index).service), 0.1)
    links = route_of(CITY, player.day.flow(2).service)
    for _ in range(2):
        player.displaced(2, links, player.load.now_ms)
    player.displaced(-1, links, 0)
    summary = summarise(player, began_unix_s=0.0)
    assert (summary["accepted"], summary["displaced"], summary["gos"]) == (4, 1, 0.75)
    player.ledger.save(tmp_path / "ledger.npz")
    with np.load(tmp_path / "ledger.npz") as columns:
        assert columns["displaced"].tolist() == [False, False, True, False]


def test_a_day_without_displaced_flows_is_written_as_ever(tmp_path):
    day = uniform_day(1)
    player = player_of(day, MaxPace(day, in_flight=1), "ar", "iot")
    sent(player, 0.0)
    player.answer(0, APPLIED, route_of(CITY, player.day.flow(0).service), 0.1)
    player.ledger.save(tmp_path / "ledger.npz")
    with np.load(tmp_path / "ledger.npz") as columns:
        assert "displaced" not in columns
    assert "displaced" not in summarise(player, began_unix_s=0.0)


def test_news_of_a_displaced_flow_that_comes_before_its_answer_waits_for_it():
    day = uniform_day(2)
    player = player_of(day, MaxPace(day, in_flight=2), "ar", "iot")
    sent(player, 0.0)
    links = route_of(CITY, player.day.flow(0).service)
    player.displaced(0, links, 0)
    player.displaced(1, links, 0)
    assert player.ledger.displaced == set()
    player.answer(0, APPLIED, links, 0.1)
    player.answer(1, REJECTED, (), 0.1)
    assert player.ledger.displaced == {0}
