"""A service request through the real RIC: every way it can end, and that it ends once."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.e2.codec import admission_cause
from ricity.e2.v1 import common_pb2, termination_pb2, xapp_pb2
from tests.harness import (
    PATIENCE_S,
    eventually,
    open_xapp,
    route_on_empty_network,
)


def planned(ric, flow: FlowRequest) -> tuple[int, ...]:
    return route_on_empty_network(ric.city, flow)


async def test_route_is_committed_and_answered_with_what_was_applied(ric, agent, xapp, flows):
    await agent.raise_requests(flows[:1])
    indication = await xapp.receive("inserts")
    assert [request.flow_id for request in indication.requests] == [flows[0].flow_id]
    links = planned(ric, flows[0])
    await xapp.route(flows[0].flow_id, links)
    outcome = await xapp.outcome()
    assert outcome.status == xapp_pb2.CONTROL_STATUS_APPLIED
    (answer,) = await agent.answers(1)
    assert tuple(answer.applied.links) == links
    assert answer.applied.latency_us == outcome.latency_us > 0
    assert (answer.xapp, answer.instance_id, answer.attempts, answer.deliveries) == ("routing-voip", "a", 1, 1)
    assert (await ric.gate.fresh_snapshot()).used.any()


async def test_reject_carries_the_xapps_cause_and_reserves_nothing(ric, agent, xapp, flows):
    await agent.raise_requests(flows[:1])
    await xapp.receive("inserts")
    await xapp.reject(flows[0].flow_id, admission_cause(Cause.NO_ROUTE_LATENCY, "too far"))
    (answer,) = await agent.answers(1)
    assert answer.rejected.admission == common_pb2.ADMISSION_CAUSE_NO_ROUTE_LATENCY
    assert (await xapp.outcome()).status == xapp_pb2.CONTROL_STATUS_REJECTED
    assert not (await ric.gate.fresh_snapshot()).used.any()


async def test_invalid_route_is_refused_and_the_request_stays_open(ric, agent, xapp, flows):
    await agent.raise_requests(flows[:1])
    await xapp.receive("inserts")
    await xapp.route(flows[0].flow_id, [0, 1, 2])
    outcome = await xapp.outcome()
    assert outcome.status == xapp_pb2.CONTROL_STATUS_INVALID
    assert outcome.cause.ric == common_pb2.RIC_CAUSE_CONTROL_MESSAGE_INVALID
    await xapp.route(flows[0].flow_id, planned(ric, flows[0]))
    assert (await xapp.outcome()).status == xapp_pb2.CONTROL_STATUS_APPLIED
    (answer,) = await agent.answers(1)
    assert answer.attempts == 2


async def test_second_control_for_an_answered_request_is_unknown(ric, agent, xapp, flows):
    await agent.raise_requests(flows[:1])
    await xapp.receive("inserts")
    links = planned(ric, flows[0])
    await xapp.route(flows[0].flow_id, links)
    await xapp.outcome()
    await xapp.route(flows[0].flow_id, links)
    assert (await xapp.outcome()).status == xapp_pb2.CONTROL_STATUS_UNKNOWN_REQUEST
    assert len(await agent.answers(1)) == 1


async def test_abort_brings_a_fresh_snapshot_and_leaves_the_request_open(ric, agent, xapp, flows):
    big = dataclasses.replace(flows[0], flow_id="big", bandwidth_kbps=900_000)
    same = dataclasses.replace(big, flow_id="same")
    await agent.raise_requests([big, same])
    await xapp.receive("inserts")
    links = planned(ric, dataclasses.replace(flows[0], bandwidth_kbps=1000))
    await xapp.route("big", links)
    first = await xapp.outcome()
    await xapp.route("same", links)
    batch = await xapp.receive("outcomes")
    statuses = {first.status, batch.outcomes[0].status}
    assert xapp_pb2.CONTROL_STATUS_ABORTED in statuses
    assert batch.outcomes[0].limit < batch.outcomes[0].used + 900_000 * 12
    assert len(batch.snapshot.used) == 4 * ric.city.n_resources
    await xapp.reject("same", batch.outcomes[0].cause)
    answers = {a.flow_id: a for a in await agent.answers(1 if first.status == xapp_pb2.CONTROL_STATUS_ABORTED else 2)}
    assert answers["same"].WhichOneof("outcome") == "rejected"


async def test_no_answer_within_the_time_to_wait_means_the_default_action(ric, agent, xapp, flows):
    await agent.raise_requests(flows[:1], time_to_wait_ms=50)
    await xapp.receive("inserts")
    (answer,) = await agent.answers(1)
    assert answer.default_action.admission == common_pb2.ADMISSION_CAUSE_TIME_TO_WAIT_EXPIRED
    await xapp.route(flows[0].flow_id, planned(ric, flows[0]))
    assert (await xapp.outcome()).status == xapp_pb2.CONTROL_STATUS_UNKNOWN_REQUEST
    assert not (await ric.gate.fresh_snapshot()).used.any()


async def test_request_of_a_killed_instance_goes_to_another(ric, channel, agent, xapp, flows):
    await agent.raise_requests(flows[:20])
    assert len((await xapp.receive("inserts")).requests) == 20
    second = open_xapp(channel)
    await second.register("routing-voip", "b")
    await second.subscribe_inserts("voip")
    xapp.cancel()
    received = (await second.receive("inserts")).requests
    assert {r.flow_id for r in received} == {f.flow_id for f in flows[:20]}
    for flow in flows[:20]:
        await second.route(flow.flow_id, planned(ric, flow))
    answers = await agent.answers(20)
    assert {a.flow_id for a in answers} == {f.flow_id for f in flows[:20]}
    assert {a.deliveries for a in answers} == {2}


async def test_instance_killed_between_commit_and_acknowledgement_has_one_effect(ric, channel, agent, xapp, flows):
    await agent.raise_requests(flows[:1])
    await xapp.receive("inserts")
    await xapp.route(flows[0].flow_id, planned(ric, flows[0]))
    (answer,) = await agent.answers(1)
    xapp.cancel()
    await agent.raise_requests(flows[:1], resent=True)
    (again,) = await agent.answers(1)
    assert again.applied.links == answer.applied.links
    assert again.applied.version == answer.applied.version


async def test_nobody_serves_the_service(agent, flows):
    await agent.raise_requests(flows[:1])
    (answer,) = await agent.answers(1)
    assert answer.default_action.admission == common_pb2.ADMISSION_CAUSE_NO_SUBSCRIBER


async def test_requests_wait_for_an_absent_xapp_only_for_the_grace_time(ric, agent, xapp, flows):
    xapp.cancel()
    await eventually(lambda: not ric.termination.requests.pool("routing-voip").instances)
    await agent.raise_requests(flows[:3])
    answers = await agent.answers(3)
    assert {a.default_action.admission for a in answers} == {common_pb2.ADMISSION_CAUSE_NO_SUBSCRIBER}
    delete = await agent.receive("subscription_delete")
    assert delete.subscription_id


async def test_xapp_that_returns_in_time_gets_what_waited(ric, channel, agent, xapp, flows):
    ric.termination._absent_grace_s = 60.0  # read when the xApp goes; that the time ends is another test's
    xapp.cancel()
    await eventually(lambda: not ric.termination.requests.pool("routing-voip").instances)
    await agent.raise_requests(flows[:3])
    back = open_xapp(channel)
    await back.register("routing-voip", "a2")
    await back.subscribe_inserts("voip")
    assert len((await back.receive("inserts")).requests) == 3


async def test_drained_instance_answers_what_it_holds_and_gets_nothing_new(ric, channel, agent, xapp, flows):
    await agent.raise_requests(flows[:2])
    await xapp.receive("inserts")
    second = open_xapp(channel)
    await second.register("routing-voip", "b", xapp_version="2.0.0")
    await second.subscribe_inserts("voip")
    await xapp.send(xapp_pb2.AttachRequest(drain=xapp_pb2.DrainNotice()))
    await eventually(lambda: ric.termination.requests.pool("routing-voip").instances[0].draining)
    await agent.raise_requests(flows[2:10])
    assert len((await second.receive("inserts")).requests) == 8
    for flow in flows[:2]:
        await xapp.route(flow.flow_id, planned(ric, flow))
    await xapp.receive("drain")
    assert {a.xapp_version for a in await agent.answers(2)} == {"1.0.0"}


async def test_node_gave_up_while_away_and_the_reservation_is_given_back(ric, agent, xapp, flows):
    await agent.raise_requests(flows[:1])
    await xapp.receive("inserts")
    await xapp.route(flows[0].flow_id, planned(ric, flows[0]))
    await agent.answers(1)
    defaulted = termination_pb2.DefaultedBatch(flow_ids=[flows[0].flow_id])
    await agent.send(termination_pb2.ConnectRequest(defaulted=defaulted))
    async with asyncio.timeout(PATIENCE_S):
        while (await ric.gate.fresh_snapshot()).used.any():
            pass


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bandwidth_kbps": 0}, "bandwidth"),
        ({"service": 77}, "unknown service index"),
        ({"ru": 310}, "not an O-RU"),
        ({"holding_ms": 0}, "holding"),
        ({"flow_id": "x" * 200}, "flow id"),
    ],
)
async def test_impossible_request_gets_a_typed_default_action(agent, xapp, flows, change, said):
    await agent.raise_requests([dataclasses.replace(flows[0], **change)])
    (answer,) = await agent.answers(1)
    assert answer.default_action.protocol == common_pb2.PROTOCOL_CAUSE_SEMANTIC_ERROR
    assert said in answer.default_action.detail
