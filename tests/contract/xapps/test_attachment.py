"""How an xApp comes, stays, comes back and leaves. The RIC is scripted; gRPC and the commits are real."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from ric_sim.domain.errors import CityMismatch, InvalidInput, RefusedByRic, UnsupportedVersion
from ric_sim.e2 import RAN_FUNCTION_RC
from ric_sim.network.montreal import build_city
from ricity.e2.v1 import common_pb2, xapp_pb2
from tests.contract.xapps.conftest import SERVICE, running_runtime, xapp_instance
from tests.contract.xapps.scripted_ric import ScriptedRic
from tests.harness import eventually
from xapps.sdk import e2_client, runtime
from xapps.sdk.descriptor import ReportSubscription
from xapps.sdk.runtime import Agents, XappRuntime
from xapps.sdk.settings import XappSettings


def _metric(name, **labels):
    return REGISTRY.get_sample_value(name, {"xapp": f"routing-{SERVICE}", **labels}) or 0.0


async def test_it_registers_as_told_and_subscribes_to_its_service(city):
    async with (
        ScriptedRic(city) as ric,
        running_runtime(ric.target, window=7, weight=3, instance_id="me", xapp_version="2.0.0") as xapp,
    ):
        await xapp.runtime.attached.wait()
        request = ric.attachment.register
        assert (request.xapp_name, request.xapp_version, request.instance_id) == (f"routing-{SERVICE}", "2.0.0", "me")
        assert (request.window, request.weight) == (7, 3)
        (subscription,) = ric.attachment.subscriptions
        assert subscription.ran_function_id == RAN_FUNCTION_RC
        assert list(subscription.insert.service_keys) == [SERVICE]
        assert not subscription.ran_names
        assert _metric("ricity_xapp_attached") == 1


async def test_another_protocol_version_ends_it_with_both_versions_named(city):
    refusal = common_pb2.Cause(detail="unsupported_version: too old")
    async with ScriptedRic(city, protocol_version=9, refusal=refusal) as ric, running_runtime(ric.target) as xapp:
        with pytest.raises(UnsupportedVersion, match="version 9, this xApp 1"):
            await asyncio.wait_for(xapp.task, 10)
    assert ric.refused_registrations == 1


async def test_a_refused_registration_ends_it_with_the_cause(city):
    refusal = common_pb2.Cause(detail="duplicate_instance: taken")
    async with ScriptedRic(city, refusal=refusal) as ric, running_runtime(ric.target) as xapp:
        with pytest.raises(RefusedByRic, match="duplicate_instance: taken"):
            await asyncio.wait_for(xapp.task, 10)
    assert ric.refused_registrations == 1


async def test_a_city_that_is_not_the_one_sent_is_refused(city):
    async with ScriptedRic(city, fingerprint="0" * 64) as ric, running_runtime(ric.target) as xapp:
        with pytest.raises(CityMismatch, match="000000000000"):
            await asyncio.wait_for(xapp.task, 10)


async def test_a_ric_that_is_not_there_yet_is_tried_until_it_is(city):
    ric = ScriptedRic(city)
    async with ric:
        await ric.stop()
        failures = _metric("ricity_xapp_connect_failures_total")
        async with running_runtime(ric.target) as xapp:
            await eventually(lambda: _metric("ricity_xapp_connect_failures_total") >= failures + 3)
            assert not xapp.runtime.attached.is_set()
            assert not xapp.task.done()
            await ric.start()
            await asyncio.wait_for(xapp.runtime.attached.wait(), 30)


async def test_told_to_stop_while_the_ric_is_away_it_stops(city):
    async with ScriptedRic(city) as ric:
        await ric.stop()
        async with running_runtime(ric.target) as xapp:
            await eventually(lambda: xapp.runtime._failures)
            await xapp.end()


async def test_it_comes_back_as_the_same_instance_subscribes_again_and_answers_what_is_redelivered(city, flows):
    held = []

    async with ScriptedRic(city) as ric, running_runtime(ric.target) as xapp:
        await ric.subscribed()
        ric.meddle = lambda control: held.append(control.flow_id) or xapp_pb2.ControlOutcome()
        ric.offer(flows[:5])
        await ric.until(lambda: len(held) == 5)
        reconnects = _metric("ricity_xapp_reconnects_total")
        await ric.stop()
        await eventually(lambda: not xapp.runtime.attached.is_set())
        ric.meddle = lambda control: None
        await ric.start()
        await ric.subscribed(times=2)
        first, second = ric.attachments
        assert second.register == first.register
        assert second.subscriptions == first.subscriptions
        await ric.until(lambda: len(ric.answers) == 5)
        assert {answer.status for answer in ric.answers.values()} == {xapp_pb2.CONTROL_STATUS_APPLIED}
        assert _metric("ricity_xapp_reconnects_total") == reconnects + 1
        await eventually(lambda: _metric("ricity_xapp_held_requests") == 0)


async def test_a_refusal_after_a_reconnect_is_tried_again(city):
    async with ScriptedRic(city) as ric, running_runtime(ric.target) as xapp:
        await xapp.runtime.attached.wait()
        await ric.stop()
        ric.refusal = common_pb2.Cause(detail="duplicate_instance: still attached")
        await ric.start()
        await ric.until(lambda: ric.refused_registrations >= 2)
        ric.refusal = None
        await ric.subscribed(times=2)
        assert not xapp.task.done()


async def test_a_refusal_that_lasts_ends_it_after_the_grace_time(city, monkeypatch):
    monkeypatch.setattr(runtime, "REFUSAL_GRACE_S", 0.3)
    async with ScriptedRic(city) as ric, running_runtime(ric.target) as xapp:
        await xapp.runtime.attached.wait()
        await ric.stop()
        ric.refusal = common_pb2.Cause(detail="unknown_key: no longer wanted")
        await ric.start()
        with pytest.raises(RefusedByRic, match="no longer wanted"):
            await asyncio.wait_for(xapp.task, 10)
    assert ric.refused_registrations >= 1


async def _hear_out(reader, writer):
    await reader.read()
    writer.close()


async def test_a_ric_that_accepts_connections_but_never_answers_counts_as_unreachable(monkeypatch):
    monkeypatch.setattr(e2_client, "ANSWER_TIMEOUT_S", 0.2)
    failures = _metric("ricity_xapp_connect_failures_total")
    mute = await asyncio.start_server(_hear_out, "127.0.0.1", 0)
    async with mute, running_runtime(f"127.0.0.1:{mute.sockets[0].getsockname()[1]}") as xapp:
        await eventually(lambda: _metric("ricity_xapp_connect_failures_total") >= failures + 2)
        assert not xapp.task.done()


async def test_a_ric_that_comes_back_with_another_city_gets_an_agent_for_that_city(city, flows):
    other = build_city("congested")
    async with ScriptedRic(city) as ric, running_runtime(ric.target) as xapp:
        await xapp.runtime.attached.wait()
        await ric.stop()
        ric.city = other
        await ric.start()
        await ric.subscribed(times=3)
        assert xapp.agent.city.fingerprint == other.fingerprint


async def test_keep_alives_flow_while_nothing_else_does(city):
    async with ScriptedRic(city, keep_alive_ms=100) as ric, running_runtime(ric.target):
        await ric.subscribed()
        await ric.until(lambda: ric.attachment.keep_alives >= 10)
        assert len(ric.attachments) == 1


async def test_a_ric_gone_silent_is_left_and_attached_to_again(city):
    async with ScriptedRic(city, keep_alive_ms=20, sends_keep_alives=False) as ric, running_runtime(ric.target):
        await ric.subscribed(times=2)
        assert ric.attachments[1].register.instance_id == ric.attachments[0].register.instance_id


async def test_a_drain_answers_what_is_held_and_takes_nothing_new(city, flows):
    async with ScriptedRic(city) as ric, running_runtime(ric.target, window=4) as xapp:
        await ric.subscribed()
        ric.meddle = lambda control: _stop_on_first(xapp, control)
        ric.offer(flows[:20])
        await asyncio.wait_for(xapp.task, 10)
        assert ric.attachment.draining
        assert not ric.attachment.outstanding
        delivered = [flow_id for flow_id, _ in xapp.agent.seen]
        assert sorted(ric.answers) == sorted(delivered)
        assert 4 <= len(delivered) < 20
        assert not xapp.runtime.attached.is_set()


def _stop_on_first(xapp, control):
    xapp.stop.set()


async def test_a_drain_waits_for_the_outcome_of_what_was_aborted(city, flows):
    aborted = []

    def abort_first(control):
        if control.flow_id in aborted:
            return None
        aborted.append(control.flow_id)
        xapp.stop.set()
        return xapp_pb2.ControlOutcome(flow_id=control.flow_id, status=xapp_pb2.CONTROL_STATUS_ABORTED)

    async with ScriptedRic(city, meddle=abort_first) as ric, running_runtime(ric.target) as xapp:
        await ric.subscribed()
        ric.offer(flows[:3])
        await asyncio.wait_for(xapp.task, 10)
        assert {answer.status for answer in ric.answers.values()} == {xapp_pb2.CONTROL_STATUS_APPLIED}
        assert len(ric.answers) == 3


async def test_a_drain_that_the_ric_does_not_live_to_see_ends_all_the_same(city, flows):
    async with ScriptedRic(city) as ric, running_runtime(ric.target) as xapp:
        await ric.subscribed()
        ric.meddle = lambda control: xapp_pb2.ControlOutcome()
        ric.offer(flows[:2])
        await ric.until(lambda: len(ric.controls) == 2)
        xapp.stop.set()
        await ric.until(lambda: ric.attachment.draining)
        await ric.stop()
        await asyncio.wait_for(xapp.task, 10)


async def test_a_drain_that_takes_too_long_is_cut_short(city, flows, monkeypatch):
    monkeypatch.setattr(runtime, "DRAIN_TIMEOUT_S", 1.0)
    async with ScriptedRic(city) as ric, running_runtime(ric.target) as xapp:
        await ric.subscribed()
        ric.meddle = lambda control: xapp_pb2.ControlOutcome()
        ric.offer(flows[:2])
        await ric.until(lambda: len(ric.controls) == 2)
        await xapp.end()
        assert ric.attachment.draining
        assert len(ric.attachment.outstanding) == 2


async def test_a_snapshot_of_another_city_costs_the_association_not_the_process(city):
    async with ScriptedRic(city) as ric, running_runtime(ric.target) as xapp:
        await ric.subscribed()
        broken = xapp_pb2.InsertIndications(snapshot=common_pb2.StoreSnapshot(used=b"123"))
        ric.send(xapp_pb2.AttachResponse(inserts=broken))
        await ric.subscribed(times=2)
        assert not xapp.task.done()


async def test_a_message_of_a_later_release_is_passed_over(city, flows):
    async with ScriptedRic(city) as ric, running_runtime(ric.target):
        await ric.subscribed()
        ric.send(xapp_pb2.AttachResponse())
        ric.offer(flows[:1])
        await ric.until(lambda: len(ric.answers) == 1)
        assert len(ric.attachments) == 1


def test_an_xapp_without_the_agent_its_subscriptions_need_does_not_start():
    instance = xapp_instance(inserts=(), reports=(ReportSubscription(measurements=("DRB.UEThpDl",), period_ms=1000),))
    with pytest.raises(InvalidInput, match="subscribes to reports but has no agent"):
        XappRuntime(XappSettings(), instance, Agents(), log=None)
