"""The RIC's count of what became of every request."""

from __future__ import annotations

from ric_sim.domain.flow import Cause
from ric_sim.e2.codec import admission_cause
from ricity.e2.v1 import admin_pb2, admin_pb2_grpc, termination_pb2
from tests.harness import eventually, route_on_empty_network


async def looked(channel):
    response = await admin_pb2_grpc.E2AdminServiceStub(channel).ListXapps(admin_pb2.ListXappsRequest())
    (totals,) = response.requests
    return totals, response.xapps


async def test_every_request_is_in_one_column(ric, channel, agent, xapp, flows):
    await agent.raise_requests(flows[3:4], time_to_wait_ms=500)
    held = [request.flow_id for request in (await xapp.receive("inserts")).requests]
    await agent.raise_requests(flows[:3])
    await agent.raise_requests(flows[:1], resent=True)
    while len(held) < 4:
        held += [request.flow_id for request in (await xapp.receive("inserts")).requests]
    totals, (info,) = await looked(channel)
    assert (totals.xapp_name, totals.received_total, info.subscriptions) == ("routing-voip", 4, 1)

    await xapp.route(flows[0].flow_id, route_on_empty_network(ric.city, flows[0]))
    await xapp.reject(flows[1].flow_id, admission_cause(Cause.AGENT_ERROR, "a defect"))
    defaulted = termination_pb2.DefaultedBatch(flow_ids=[flows[2].flow_id])
    await agent.answers(3)
    await agent.send(termination_pb2.ConnectRequest(defaulted=defaulted))
    await eventually(lambda: not len(ric.termination.requests))

    totals, (info,) = await looked(channel)
    counted = (totals.answered_total, totals.defaulted_total, totals.given_up_total, totals.doubled_total, totals.waiting)
    assert counted == (2, 1, 1, 0, 0)
    assert totals.received_total == 4
    assert (info.applied_total, info.rejected_total, info.failed_total, info.defaulted_total) == (1, 1, 1, 1)
