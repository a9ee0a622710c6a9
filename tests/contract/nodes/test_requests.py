"""Requests of the nodes: waiting, defaults, late and repeated answers, bounds, schedules."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest

from ric_sim.domain.flow import Cause
from ric_sim.e2.node.ledger import Outcome
from ric_sim.e2.node.pacing import MaxPace, RatePace, SpeedPace
from ricity.e2.v1 import common_pb2, termination_pb2
from tests.contract.nodes.scripted_ric import applied, insert_subscription, rejected
from tests.harness import eventually
from tests.unit.e2.node.two_sites import AR, DU_EAST_NAME, DU_WEST_NAME, route_of, two_sites, uniform_day

CITY = two_sites()
MOST_LATE_MS = 50.0


def no_answer(_request):
    return None


async def test_each_request_names_the_home_du_of_its_radio_unit(ric, play):
    nodes = play(uniform_day(4))
    await eventually(lambda: nodes.player.done)
    assert [request.ran_name for request in ric.received] == [DU_EAST_NAME, DU_WEST_NAME] * 2
    assert all(9000 < request.time_to_wait_ms <= 10_000 for request in ric.received)


async def test_never_more_than_the_window_is_outstanding(ric, play):
    ric.answer = no_answer
    nodes = play(uniform_day(60), MaxPace(uniform_day(60), in_flight=5))
    for answered in range(60):
        await eventually(lambda answered=answered: len(ric.received) > answered)
        assert len(ric.received) - answered <= 5
        await ric.say(answers=termination_pb2.AnswerBatch(answers=[rejected(ric.received[answered])]))
    await eventually(lambda: nodes.player.done)
    assert len(ric.received) == 60


async def test_a_paced_day_is_bounded_and_what_overflows_is_counted(ric, play):
    ric.answer = no_answer
    pace = RatePace(uniform_day(30), rate=10_000)
    pace.max_outstanding = 10
    nodes = play(uniform_day(30), pace)
    await eventually(lambda: nodes.player.ledger.n_raised == 30)
    assert nodes.player.ledger.cause.tolist().count(Cause.QUEUE_FULL) == 20
    await eventually(lambda: len(ric.received) == 10)


async def test_without_an_answer_the_node_acts_itself_and_a_late_answer_changes_nothing(ric, play):
    ric.answer = no_answer
    nodes = play(uniform_day(2), time_to_wait_s=0.1)
    await eventually(lambda: nodes.player.done)
    ledger = nodes.player.ledger
    assert ledger.cause.tolist() == [Cause.TIME_TO_WAIT_EXPIRED] * 2
    assert (ledger.answered_us - ledger.sent_us >= 1_100_000).all()
    await eventually(lambda: sorted(ric.defaulted) == ["day-000000", "day-000001"])
    await ric.say(answers=termination_pb2.AnswerBatch(answers=[applied(ric.received[0], route_of(CITY, AR))]))
    await eventually(lambda: ledger.late == 1)
    assert ledger.outcome.tolist() == [Outcome.DEFAULT] * 2


async def test_what_was_given_up_while_the_ric_was_away_is_reported_when_it_is_back(ric, play):
    ric.answer = no_answer
    nodes = play(uniform_day(2, holding_ms=10**7), time_to_wait_s=2.0)
    await eventually(lambda: len(ric.received) == 2)
    await ric.kill()
    await eventually(lambda: nodes.player.done)
    assert nodes.player.ledger.cause.tolist() == [Cause.RIC_UNREACHABLE] * 2
    await ric.start()
    await eventually(lambda: sorted(ric.defaulted) == ["day-000000", "day-000001"])


async def test_a_repeated_answer_is_counted_and_the_first_holds(ric, play):
    ric.answer = no_answer
    nodes = play(uniform_day(1))
    await eventually(lambda: ric.received)
    (request,) = ric.received
    answers = [applied(request, route_of(CITY, AR)), rejected(request), rejected(request)]
    await ric.say(answers=termination_pb2.AnswerBatch(answers=answers))
    await eventually(lambda: nodes.player.ledger.answered_twice == 2)
    assert nodes.player.ledger.outcome[0] == Outcome.APPLIED


@pytest.mark.parametrize(
    "nonsense",
    [
        termination_pb2.Answer(flow_id="day-000000"),
        termination_pb2.Answer(flow_id="day-000000", applied=termination_pb2.AppliedRoute(links=[2**31])),
        termination_pb2.Answer(flow_id="day-000000", applied=termination_pb2.AppliedRoute()),
        termination_pb2.Answer(flow_id="day-000000", attempts=2**31, rejected=common_pb2.Cause()),
        termination_pb2.Answer(flow_id="day-999999", rejected=common_pb2.Cause()),
        termination_pb2.Answer(flow_id="", rejected=common_pb2.Cause()),
    ],
)
async def test_an_answer_that_makes_no_sense_changes_nothing(ric, play, nonsense):
    ric.answer = no_answer
    nodes = play(uniform_day(1))
    await eventually(lambda: ric.received)
    await ric.say(answers=termination_pb2.AnswerBatch(answers=[nonsense]))
    await ric.say(subscription_delete=termination_pb2.NodeSubscriptionDelete(subscription_id=999))
    await ric.say(answers=termination_pb2.AnswerBatch(answers=[rejected(ric.received[0])]))
    await eventually(lambda: nodes.player.done)
    assert nodes.player.ledger.outcome[0] == Outcome.REJECTED
    assert nodes.player.ledger.answered_twice == 0


async def test_a_service_is_raised_only_while_somebody_subscribes(ric, play):
    ric.subscriptions = [insert_subscription(1, ["ar"])]
    nodes = play(uniform_day(10))
    await eventually(lambda: nodes.player.done)
    assert {request.service for request in ric.received} == {AR}
    assert nodes.player.ledger.cause.tolist()[1::2] == [Cause.NO_SUBSCRIBER] * 5


async def test_the_day_waits_for_every_service_when_told_to(ric, play):
    ric.subscriptions = [insert_subscription(1, ["ar"])]
    nodes = play(uniform_day(10), wait_for_services=True)
    await eventually(lambda: len(ric.results) == 1)
    assert nodes.player.started_s is None
    await ric.subscribe(insert_subscription(2, ["iot"]))
    await eventually(lambda: nodes.player.done)
    assert len(ric.received) == 10


async def test_an_end_of_the_subscription_ends_the_inserts(ric, play):
    nodes = play(uniform_day(2000), RatePace(uniform_day(2000), rate=500))
    await eventually(lambda: len(ric.received) > 100)
    await ric.say(subscription_delete=termination_pb2.NodeSubscriptionDelete(subscription_id=1))
    await eventually(lambda: nodes.player.done)
    causes = nodes.player.ledger.cause
    assert len(ric.received) < 2000
    assert (causes == Cause.NO_SUBSCRIBER).sum() == 2000 - len(ric.received)


@pytest.mark.parametrize("kind", ["speed", "rate"])
async def test_a_paced_day_keeps_its_schedule(ric, play, record_property, kind):
    day = uniform_day(100, spacing_ms=1000)
    pace = {"speed": partial(SpeedPace, speed=100), "rate": partial(RatePace, rate=100)}[kind]
    medians_ms: list[float] = []
    while len(medians_ms) < 4 and min(medians_ms, default=MOST_LATE_MS) >= MOST_LATE_MS:  # others may be using the machine
        nodes = play(day, pace(day))
        await eventually(lambda nodes=nodes: nodes.player.done)
        raised_ms = nodes.player.ledger.raised_us / 1000
        lateness_ms = raised_ms - np.arange(100) * 10
        assert (lateness_ms >= -0.001).all()
        assert 0.98 < raised_ms[-1] / 1000 < 10
        medians_ms.append(float(np.median(lateness_ms)))
    record_property("lateness_p50_ms", min(medians_ms))
    assert min(medians_ms) < MOST_LATE_MS


async def test_emulated_time_goes_on_with_its_day(ric, play):
    day = uniform_day(3, spacing_ms=1000)
    play(day, SpeedPace(day, speed=10))
    await eventually(lambda: len(ric.batches) >= 4 and ric.batches[-1].now_ms > 10_000)
    assert all(batch.now_ms >= request.arrival_ms for batch in ric.batches for request in batch.requests)
    times = [batch.now_ms for batch in ric.batches]
    assert times == sorted(times)


async def test_decisions_are_timed_from_sending_to_answer(ric, play):
    ric.answer = no_answer
    before_s = time.monotonic()
    nodes = play(uniform_day(1))
    await eventually(lambda: ric.received)
    received_s = time.monotonic()
    await eventually(lambda: time.monotonic() > received_s + 0.05)
    await ric.say(answers=termination_pb2.AnswerBatch(answers=[rejected(ric.received[0])]))
    await eventually(lambda: nodes.player.done)
    (decision_us,) = nodes.player.ledger.decision_us().tolist()
    assert 0.05 <= decision_us / 1e6 <= time.monotonic() - before_s
