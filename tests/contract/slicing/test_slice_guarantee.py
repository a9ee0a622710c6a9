"""An A1 policy's guaranteed slice throughput: the ratios that O-DUs apply follow it, its status says what is confirmed."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import pytest

from ric_sim.radio.shield import PolicyRatio
from ricity.e2.v1 import conflict_pb2, conflict_pb2_grpc
from tests.contract.manager.a1_client import TSP, manager_of, until_known
from tests.contract.slicing.parts import N_DUS, radio_network
from tests.contract.slicing.test_shield import answered, decider
from tests.harness import channel_to, eventually, ric_on_embedded_store

WITHIN_S = 30.0
SLA = TSP.replace("TrafficSteeringPreference", "SliceSLATarget")
MMTC = {"sst": 3, "sd": "000001"}


def guaranteed(kbps, slice_id=MMTC, **others):
    return {"scope": {"sliceId": slice_id}, "sliceSlaObjectives": {"guaDlThptPerSlice": kbps, **others}}


def rated_kbps(radio):
    """What one per cent of all O-DUs carries."""
    return radio.network.rb_kbps * N_DUS


@pytest.fixture
async def stack():
    async with contextlib.AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def ric(stack):
    return await stack.enter_async_context(ric_on_embedded_store())


@pytest.fixture
async def client(stack, ric):
    return await until_known(await stack.enter_async_context(manager_of(ric.grpc_port)))


def network_of(ric):
    return radio_network(ric=f"127.0.0.1:{ric.grpc_port}", wait_for_dapps_s=0)


async def test_a_guarantee_changes_what_the_o_dus_apply_and_its_end_restores_it(ric, client):
    async with network_of(ric) as radio, decider(radio) as stream:
        report = await answered(stream, await stream.receive("report"), [100, 0, 0])
        assert list(report.outcome.quota_rbs)[1] == 0
        assert (await client.put(f"{SLA}/mtc", json=guaranteed(30 * rated_kbps(radio)))).status_code == 201
        await client.until_status(f"{SLA}/mtc", "ENFORCED")
        assert [shield.limits.ratios[1] for shield in radio.network.shields] == [PolicyRatio(0, 30, 100)] * N_DUS
        for _ in range(20):
            needed = int(-(-report.need_rbs[1] // 1))
            report = await answered(stream, report, [100, 0, 0])
            assert report.outcome.quota_rbs[1] == min(needed, 30)
        assert radio.network.record.interventions["policy_ratio"][1] > 0
        assert (await client.delete(f"{SLA}/mtc")).status_code == 204
        await eventually(lambda: radio.network.shields[1].limits.ratios[1] == PolicyRatio(), within_s=WITHIN_S)
        report = await answered(stream, report, [100, 0, 0])
        report = await answered(stream, report, [100, 0, 0])
        assert list(report.outcome.quota_rbs) == [100, 0, 0] or report.outcome.detail.startswith("urllc_minimum")


async def test_without_a_radio_network_that_confirms_it_is_not_enforced(ric, client):
    await client.put(f"{SLA}/mtc", json=guaranteed(1000.5))
    async with network_of(ric) as radio:
        await client.until_status(f"{SLA}/mtc", "ENFORCED")
        assert radio.network.shields[0].limits.ratios[1].minimum > 0
    assert await client.until_status(f"{SLA}/mtc", "NOT_ENFORCED") == {
        "enforceStatus": "NOT_ENFORCED",
        "enforceReason": "OTHER_REASON",
    }
    async with network_of(ric):
        await client.until_status(f"{SLA}/mtc", "ENFORCED")


async def test_what_there_is_no_room_for_is_not_enforced_until_there_is(ric, client):
    async with network_of(ric) as radio:
        percent = rated_kbps(radio)
        await client.put(f"{SLA}/first", json=guaranteed(60 * percent))
        await client.until_status(f"{SLA}/first", "ENFORCED")
        await client.put(f"{SLA}/second", json=guaranteed(50 * percent, {"sst": 1, "sd": "000001"}))
        await client.put(f"{SLA}/third", json=guaranteed(20 * percent, {"sst": 1, "sd": "000002"}, dlSlicePriority=1))
        await client.until_status(f"{SLA}/third", "ENFORCED")
        assert (await client.get(f"{SLA}/second/status")).json()["enforceStatus"] == "NOT_ENFORCED"
        assert [ratio.minimum for ratio in radio.network.shields[0].limits.ratios] == [20, 60, 0]
        await client.delete(f"{SLA}/first")
        await client.until_status(f"{SLA}/second", "ENFORCED")
        assert [ratio.minimum for ratio in radio.network.shields[0].limits.ratios] == [70, 0, 0]


async def test_of_two_guarantees_of_a_slice_the_newer_one_holds(ric, client):
    async with network_of(ric) as radio:
        await client.put(f"{SLA}/old", json=guaranteed(10 * rated_kbps(radio)))
        await client.put(f"{SLA}/new", json=guaranteed(5 * rated_kbps(radio)))
        await client.until_status(f"{SLA}/new", "ENFORCED")
        assert (await client.get(f"{SLA}/old/status")).json()["enforceStatus"] == "NOT_ENFORCED"
        assert radio.network.shields[0].limits.ratios[1].minimum == 5


async def test_other_scopes_and_objectives_are_not_applicable(ric, client):
    services = guaranteed(1000)
    services["scope"]["serviceIdList"] = ["iot"]
    await client.put(f"{SLA}/services", json=services)
    await client.put(f"{SLA}/users", json=guaranteed(1000, maxNumberOfUes=5))
    expected = {"services": "SCOPE_NOT_APPLICABLE", "users": "STATEMENT_NOT_APPLICABLE"}
    for policy_id, reason in expected.items():
        await eventually_reason(client, policy_id, reason)


async def eventually_reason(client, policy_id, reason):
    async with asyncio.timeout(WITHIN_S):
        while (await client.get(f"{SLA}/{policy_id}/status")).json().get("enforceReason") != reason:
            await asyncio.sleep(0.02)


async def test_ratios_of_xapps_hold_beneath_a_guarantee_and_again_after_it(ric, client, stack):
    channel = await stack.enter_async_context(channel_to(ric))
    guard = conflict_pb2_grpc.ConflictServiceStub(channel)
    request = conflict_pb2.ControlRatiosRequest(xapp_name="one", ran_name="du_0")
    request.ratios.add(slice="embb", dedicated=60, min=80, max=100)
    request.ratios.add(slice="mmtc", dedicated=0, min=0, max=10)
    assert (await guard.ControlRatios(request)).applied
    async with network_of(ric) as radio:
        shield, set_by_xapp = radio.network.shields[0], (PolicyRatio(60, 80, 100), PolicyRatio(0, 0, 10))
        await eventually(lambda: shield.limits.ratios[:2] == set_by_xapp, within_s=WITHIN_S)
        await client.put(f"{SLA}/mtc", json=guaranteed(50 * rated_kbps(radio)))
        await client.until_status(f"{SLA}/mtc", "ENFORCED")
        assert shield.limits.ratios[:2] == (PolicyRatio(49, 49, 100), PolicyRatio(0, 50, 50))  # one is left for URLLC
        await client.delete(f"{SLA}/mtc")
        await eventually(lambda: shield.limits.ratios[:2] == set_by_xapp, within_s=WITHIN_S)


async def test_a_radio_network_that_falls_silent_or_speaks_nonsense(ric, client, stack):
    channel = await stack.enter_async_context(channel_to(ric))
    await client.put(f"{SLA}/mtc", json=guaranteed(1000))
    call = conflict_pb2_grpc.ConflictServiceStub(channel).EnforceRatios()
    capacity = conflict_pb2.RadioCapacity(ran_names=["du_0"], n_rbs=100, rb_kbps=200)
    await call.write(conflict_pb2.EnforceRatiosRequest(capacity=capacity))
    first = await call.read()
    enforced = asyncio.Event()

    async def confirm():
        generation = first.generation
        while not enforced.is_set():  # not cancelled: that would cancel the call
            confirmation = conflict_pb2.RatioConfirmation(generation=generation)
            await call.write(conflict_pb2.EnforceRatiosRequest(confirmation=confirmation))
            generation = (await call.read()).generation

    confirming = asyncio.create_task(confirm())
    await client.until_status(f"{SLA}/mtc", "ENFORCED")
    enforced.set()
    await confirming
    await client.until_status(f"{SLA}/mtc", "NOT_ENFORCED")  # the stream lives, and says nothing
    await call.write(conflict_pb2.EnforceRatiosRequest(confirmation=conflict_pb2.RatioConfirmation(generation=77)))
    with pytest.raises(grpc.aio.AioRpcError, match="generation 77"):
        await read_to_the_end(call)
    for nonsense in (conflict_pb2.RatioConfirmation(generation=1), conflict_pb2.RadioCapacity()):
        field = "confirmation" if isinstance(nonsense, conflict_pb2.RatioConfirmation) else "capacity"
        refused = conflict_pb2_grpc.ConflictServiceStub(channel).EnforceRatios()
        await refused.write(conflict_pb2.EnforceRatiosRequest(**{field: nonsense}))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await refused.read()
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def read_to_the_end(call):
    while await call.read() is not grpc.aio.EOF:
        pass
