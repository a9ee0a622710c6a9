"""Preemption and congestion signals through the real RIC: asked again, committed, told to the nodes, and off by default."""

from __future__ import annotations

import asyncio
import dataclasses

import numpy as np
import pytest

from ric_sim.domain.flow import Cause
from ric_sim.e2.codec import admission_cause
from ric_sim.network.admission import commit_request
from ricity.e2.v1 import common_pb2, xapp_pb2
from ricity.store.v1 import store_pb2, store_pb2_grpc
from tests.harness import eventually, open_agent, ric_on_embedded_store, route_on_empty_network

NO_ROUTE = admission_cause(Cause.NO_ROUTE_CAPACITY)


@pytest.fixture
async def ric(request):
    """With preemption and signals, unless a test asks for a plain one."""
    async with ric_on_embedded_store(**getattr(request, "param", {"preemption": True, "congestion_signals": True})) as running:
        yield running


@pytest.fixture
def low(flows):
    return dataclasses.replace(flows[0], flow_id="low", bandwidth_kbps=500_000, holding_ms=10**9)


@pytest.fixture
async def links(ric, low):
    """The route on which a reservation without priority leaves no room for another as large."""
    links = route_on_empty_network(ric.city, dataclasses.replace(low, bandwidth_kbps=1000))
    committed = asyncio.get_running_loop().create_future()
    ric.gate.submit(commit_request(ric.city, low, links), committed.set_result)
    assert (await committed).version == 1
    return links


@pytest.fixture
async def urgent(agent, xapp, low, links):
    """Raised, delivered and not decided yet."""
    flow = dataclasses.replace(low, flow_id="urgent")
    await agent.raise_requests([flow])
    message = await xapp.receive("inserts")
    assert message.used_if_displacing == b""
    return flow


async def test_a_critical_flow_is_asked_again_displaces_and_the_nodes_are_told(ric, agent, xapp, urgent, links, channel):
    await xapp.reject("urgent", NO_ROUTE)
    question = await xapp.receive("inserts")
    assert [request.flow_id for request in question.requests] == ["urgent"]
    used, relaxed = (np.frombuffer(raw, "<u4") for raw in (question.snapshot.used, question.used_if_displacing))
    assert (relaxed <= used).all()
    assert (relaxed < used)[list(links)].any()
    await xapp.route("urgent", links)
    assert (await xapp.outcome()).status == xapp_pb2.CONTROL_STATUS_APPLIED
    (answer,) = await agent.answers(1)
    assert (tuple(answer.applied.links), answer.attempts) == (links, 2)
    (told,) = (await agent.receive("displaced")).flows
    assert (told.flow_id, told.displaced_by, tuple(told.links)) == ("low", "urgent", links)
    returning = open_agent(channel)
    assert (await returning.setup(ric.city)).accepted
    assert [flow.flow_id for flow in (await returning.receive("displaced")).flows] == ["low"]
    watch = store_pb2_grpc.StoreServiceStub(channel).Watch(store_pb2.WatchRequest(after_version=1))
    record = (await watch.read()).changes[0]
    assert (record.kind, record.flow_id, record.displaced_by) == (store_pb2.CHANGE_KIND_PREEMPT, "low", "urgent")
    watch.cancel()


async def test_a_second_reject_is_final_and_nobody_is_displaced(ric, agent, xapp, urgent):
    await xapp.reject("urgent", NO_ROUTE)
    await xapp.receive("inserts")
    await xapp.reject("urgent", NO_ROUTE)
    (answer,) = await agent.answers(1)
    assert answer.rejected.admission == common_pb2.ADMISSION_CAUSE_NO_ROUTE_CAPACITY
    assert (await xapp.outcome()).status == xapp_pb2.CONTROL_STATUS_REJECTED
    assert (await ric.gate.fresh_snapshot()).version == 1


async def test_a_reject_for_another_reason_is_not_asked_again(agent, xapp, urgent):
    await xapp.reject("urgent", admission_cause(Cause.AGENT_ERROR))
    assert (await agent.answers(1))[0].rejected.admission == common_pb2.ADMISSION_CAUSE_AGENT_ERROR


async def test_where_nobody_can_be_displaced_the_reject_stands(agent, xapp, flows):
    await agent.raise_requests(flows[:1])
    await xapp.receive("inserts")
    await xapp.reject(flows[0].flow_id, NO_ROUTE)
    assert (await agent.answers(1))[0].WhichOneof("outcome") == "rejected"


@pytest.mark.parametrize("ric", [{}], indirect=True, ids=["off"])
async def test_by_default_a_reject_is_final_and_snapshots_carry_no_pressure(ric, agent, xapp, urgent, links):
    await xapp.route("urgent", links)
    assert (await xapp.outcome()).status == xapp_pb2.CONTROL_STATUS_ABORTED
    await xapp.reject("urgent", NO_ROUTE)
    assert (await agent.answers(1))[0].WhichOneof("outcome") == "rejected"
    assert (await ric.gate.fresh_snapshot()).pressure is None


async def test_what_a_rejected_flow_lacked_presses_in_every_snapshot(ric, agent, xapp, flows):
    await agent.raise_requests(flows[:1])
    await xapp.receive("inserts")
    control = xapp_pb2.Control(flow_id=flows[0].flow_id, reject=NO_ROUTE, lacking_resources=[5, ric.city.n_resources])
    await xapp.send(xapp_pb2.AttachRequest(controls=xapp_pb2.ControlBatch(controls=[control])))
    await agent.answers(1)

    async def pressed():
        return np.flatnonzero((await ric.gate.fresh_snapshot()).pressure).tolist()

    async with asyncio.timeout(30):
        while await pressed() != [5]:
            await asyncio.sleep(0)
    await agent.raise_requests(flows[1:2])
    message = await xapp.receive("inserts")
    assert np.frombuffer(message.snapshot.pressure, "<f4")[5] > 0
    await eventually(lambda: ric.gate.latest.pressure is not None)
