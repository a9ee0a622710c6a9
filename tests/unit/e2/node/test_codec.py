"""What comes in over the wire is checked, what goes out is complete."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.domain.errors import InvalidInput
from ric_sim.domain.flow import Cause
from ric_sim.e2.identity import nodes_of
from ric_sim.e2.node import codec
from ric_sim.e2.node.ledger import Outcome
from ric_sim.e2.node.player import Sending
from ric_sim.e2.node.subscriptions import InsertSubscription, ReportSubscription
from ricity.e2.v1 import common_pb2, termination_pb2
from tests.unit.e2.node.two_sites import DU_WEST_NAME, two_sites, uniform_day

CITY = two_sites()
DAY = uniform_day(12)


def test_setup_lists_every_node_with_what_it_offers():
    request = codec.setup_request(CITY, nodes_of(CITY), "agent")
    assert request.city_fingerprint == CITY.fingerprint
    functions = {node.node_name: [f.ran_function_id for f in node.ran_functions] for node in request.nodes}
    assert functions == {"du-west": [2, 3], "du-east": [2, 3], "cu-west": [2], "cu-east": [2]}
    kpm, rc = request.nodes[0].ran_functions
    assert rc.insert_services == ["ar", "iot"]
    assert {(m.name, m.unit) for m in kpm.measurements} >= {("RRU.PrbTotDl", "%"), ("RRC.ConnMean", "count")}


def test_an_insert_says_everything_about_the_request():
    batch = codec.insert_batch([Sending(DAY.flow(1), DU_WEST_NAME, 900, resent=True)], now_ms=77)
    (request,) = batch.requests
    assert batch.now_ms == 77
    assert (request.flow_id, request.service, request.upf, request.arrival_ms) == ("day-000001", 1, -1, 1000)
    assert (request.ran_name, request.time_to_wait_ms, request.resent) == (DU_WEST_NAME, 900, True)


@pytest.mark.parametrize("index", [0, 7, 11])
def test_a_flow_id_of_the_day_is_found(index):
    assert codec.flow_index(DAY, DAY.flow_id(index)) == index


@settings(deadline=None)
@given(
    st.one_of(st.text(), st.from_regex(r"day-[0-9]{0,14}"), st.sampled_from(["day-000012", "day-12", "day-+00001", "day-00000١"]))
)
def test_any_other_flow_id_is_of_no_flow(text):
    known = {DAY.flow_id(index): index for index in range(len(DAY))}
    assert codec.flow_index(DAY, text) == known.get(text, -1)


def answer(**content) -> termination_pb2.Answer:
    return termination_pb2.Answer(flow_id="day-000000", xapp="routing", xapp_version="1", instance_id="a", **content)


def test_an_applied_route_is_a_record_with_its_latency_and_author():
    applied = termination_pb2.AppliedRoute(links=[1, 2, 3], latency_us=1234)
    settlement = codec.settlement(answer(applied=applied, attempts=2, deliveries=1))
    assert (settlement.outcome, settlement.cause, settlement.latency_us) == (Outcome.APPLIED, Cause.NONE, 1234)
    assert (settlement.n_links, settlement.attempts, settlement.instance) == (3, 2, "routing/1/a")


def test_refusals_carry_their_cause():
    capacity = common_pb2.Cause(admission=common_pb2.ADMISSION_CAUSE_NO_ROUTE_CAPACITY)
    rejected = codec.settlement(answer(rejected=capacity))
    assert (rejected.outcome, rejected.cause) == (Outcome.REJECTED, Cause.NO_ROUTE_CAPACITY)
    nobody = common_pb2.Cause(admission=common_pb2.ADMISSION_CAUSE_NO_SUBSCRIBER)
    default = codec.settlement(answer(default_action=nobody))
    assert (default.outcome, default.cause, default.instance) == (Outcome.DEFAULT, Cause.NO_SUBSCRIBER, "")
    assert codec.settlement(answer(rejected=common_pb2.Cause())).cause == Cause.AGENT_ERROR


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"rejected": common_pb2.Cause(), "attempts": 2**31},
        {"rejected": common_pb2.Cause(), "deliveries": 40_000},
        {"applied": termination_pb2.AppliedRoute(links=[1], latency_us=2**63)},
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(content):
    with pytest.raises(InvalidInput, match="the answer"):
        codec.settlement(answer(**content))


def node_subscription(function: int) -> termination_pb2.NodeSubscription:
    return termination_pb2.NodeSubscription(subscription_id=5, ran_function_id=function, ran_names=["x"])


def test_subscriptions_are_read_by_function_and_action():
    insert = node_subscription(3)
    insert.insert.service_keys.append("ar")
    assert codec.subscription(insert) == InsertSubscription(5, ("x",), ("ar",))
    report = node_subscription(2)
    report.report.trigger.granularity_period_ms = 100
    report.report.action.measurement_names.extend(["a", "b", "a"])
    assert codec.subscription(report) == ReportSubscription(5, ("x",), ("a", "b"), 100)


@pytest.mark.parametrize(
    ("function", "action", "cause"),
    [
        (4, "insert", common_pb2.RIC_CAUSE_RAN_FUNCTION_ID_INVALID),
        (2, "insert", common_pb2.RIC_CAUSE_ACTION_NOT_SUPPORTED),
        (3, "report", common_pb2.RIC_CAUSE_ACTION_NOT_SUPPORTED),
        (3, None, common_pb2.RIC_CAUSE_ACTION_NOT_SUPPORTED),
    ],
)
def test_a_function_or_action_the_nodes_lack_is_refused(function, action, cause):
    message = node_subscription(function)
    if action is not None:
        getattr(message, action).SetInParent()
    with pytest.raises(InvalidInput, match=f"RAN function {function} with action {action or 'none'}") as refusal:
        codec.subscription(message)
    result = codec.refused(message, refusal.value).subscription_result
    assert (result.admitted, result.cause.ric, result.subscription_id) == (False, cause, 5)
    assert "expected KPM (2) with report" in result.cause.detail
