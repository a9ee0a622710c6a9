"""From an INSERT to its outcome over real gRPC, with commits that are really decided."""

import asyncio

from prometheus_client import REGISTRY

from ric_sim.domain.flow import Cause
from ric_sim.e2.codec import admission_cause
from ric_sim.network.policies.base import Plan
from ricity.e2.v1 import common_pb2, xapp_pb2
from tests.contract.xapps.conftest import SERVICE, running_runtime, static_route
from tests.contract.xapps.scripted_ric import ScriptedRic
from tests.harness import eventually


def _metric(name, **labels):
    return REGISTRY.get_sample_value(name, {"xapp": f"routing-{SERVICE}", **labels}) or 0.0


async def test_every_request_of_many_is_answered_once_and_holds_its_route(city, flows):
    outcomes = _metric("ricity_xapp_outcomes_total", version="1.0.0", status="applied")
    async with ScriptedRic(city) as ric, running_runtime(ric.target, window=16):
        await ric.subscribed()
        ric.offer(flows)
        await ric.until(lambda: len(ric.answers) == len(flows))
        assert len(ric.controls) == len(flows)
        for flow in flows:
            assert tuple(ric.answers[flow.flow_id].applied_links) == static_route(city, flow)
        applied = outcomes + len(flows)
        await eventually(lambda: _metric("ricity_xapp_outcomes_total", version="1.0.0", status="applied") == applied)


async def test_controls_travel_in_batches(city, flows):
    async with ScriptedRic(city) as ric, running_runtime(ric.target):
        await ric.subscribed()
        ric.offer(flows[:64])
        await ric.until(lambda: len(ric.answers) == 64)
        assert len(ric.batches) < 32


async def test_no_more_is_held_than_the_window_even_if_the_ric_sends_more(city, flows):
    async with ScriptedRic(city) as ric, running_runtime(ric.target, window=4):
        await ric.subscribed()
        ric.offer(flows[:10], beyond_window=True)
        await ric.until(lambda: len(ric.answers) == 10)
        full = [a for a in ric.answers.values() if a.cause.admission == common_pb2.ADMISSION_CAUSE_QUEUE_FULL]
        assert len(full) == 6
        ric.offer(flows[10:14])
        await ric.until(lambda: len(ric.answers) == 14)
        assert all(ric.answers[flow.flow_id].status == xapp_pb2.CONTROL_STATUS_APPLIED for flow in flows[10:14])


async def test_a_full_link_is_filled_to_the_last_flow_that_fits_without_one_abort(city, flows):
    """Self-consistent batches: the agent sees its own routes, so the commit finds nothing to object to."""
    first = flows[0]
    route = static_route(city, first)
    room = int(min(city.limits[link] for link in route)) // first.bandwidth_kbps

    def fits(snapshot, flow):
        free = all(snapshot.used[link] + flow.bandwidth_kbps <= city.limits[link] for link in route)
        return Plan(route, Cause.NONE, 1) if free else Plan((), Cause.NO_ROUTE_CAPACITY, 0)

    heavy = max(1, room // 40)
    copies = [_copy(first, number, first.bandwidth_kbps * heavy) for number in range(room // heavy + 10)]
    async with ScriptedRic(city) as ric, running_runtime(ric.target, window=64) as xapp:
        await ric.subscribed()
        xapp.agent.decide_otherwise = fits
        ric.offer(copies)
        await ric.until(lambda: len(ric.answers) == len(copies))
        statuses = [answer.status for answer in ric.answers.values()]
        assert statuses.count(xapp_pb2.CONTROL_STATUS_APPLIED) == room // heavy
        assert len(ric.controls) == len(copies), "an abort would have made one control more"


def _copy(flow, number, bandwidth_kbps):
    from dataclasses import replace

    return replace(flow, flow_id=f"copy-{number}", bandwidth_kbps=bandwidth_kbps, holding_ms=10**9)


async def test_an_abort_is_planned_again_on_the_fresh_snapshot_then_rejected_with_its_cause(city, flows):
    def abort(control):
        if control.WhichOneof("decision") == "reject":
            return None
        ric.store.advance(ric.store.snapshot().now_ms + 1)
        outcome = xapp_pb2.ControlOutcome(flow_id=control.flow_id, status=xapp_pb2.CONTROL_STATUS_ABORTED)
        outcome.cause.CopyFrom(admission_cause(Cause.COMPUTE_CAPACITY, "compute of du-3"))
        return outcome

    replans = _metric("ricity_xapp_replans_total", version="1.0.0")
    async with ScriptedRic(city, meddle=abort) as ric, running_runtime(ric.target, replans=2) as xapp:
        await ric.subscribed()
        ric.offer(flows[:1])
        await ric.until(lambda: len(ric.answers) == 1)
        assert [c.WhichOneof("decision") for c in ric.controls] == ["route", "route", "route", "reject"]
        assert ric.controls[-1].reject.admission == common_pb2.ADMISSION_CAUSE_COMPUTE_CAPACITY
        assert len(xapp.agent.seen) == 3
    assert _metric("ricity_xapp_replans_total", version="1.0.0") == replans + 2


async def test_a_control_the_ric_finds_invalid_becomes_a_reject(city, flows):
    def invalid(control):
        if control.WhichOneof("decision") == "reject":
            return None
        outcome = xapp_pb2.ControlOutcome(flow_id=control.flow_id, status=xapp_pb2.CONTROL_STATUS_INVALID)
        outcome.cause.detail = "not a route here"
        return outcome

    async with ScriptedRic(city, meddle=invalid) as ric, running_runtime(ric.target):
        await ric.subscribed()
        ric.offer(flows[:1])
        await ric.until(lambda: len(ric.answers) == 1)
        assert ric.controls[-1].reject.admission == common_pb2.ADMISSION_CAUSE_CONTROL_INVALID
        assert ric.controls[-1].reject.detail == "not a route here"


async def test_an_agent_that_fails_now_and_then_loses_no_request_and_stays_attached(city, flows):
    def fail_often(snapshot, flow):
        if int(flow.flow_id[-1]) % 2:
            raise RuntimeError("a slip of the agent")
        return Plan(static_route(city, flow), Cause.NONE, 1)

    errors = _metric("ricity_xapp_decisions_total", version="1.0.0", outcome="error")
    async with ScriptedRic(city) as ric, running_runtime(ric.target) as xapp:
        await ric.subscribed()
        xapp.agent.decide_otherwise = fail_often
        ric.offer(flows[:40])
        await ric.until(lambda: len(ric.answers) == 40)
        failed = {id_ for id_, a in ric.answers.items() if a.cause.admission == common_pb2.ADMISSION_CAUSE_AGENT_ERROR}
        assert failed == {flow.flow_id for flow in flows[:40] if int(flow.flow_id[-1]) % 2}
        assert failed
        assert len(ric.attachments) == 1
    assert _metric("ricity_xapp_decisions_total", version="1.0.0", outcome="error") == errors + len(failed)


async def test_keep_alives_and_outcomes_come_through_between_slow_decisions(city, flows):
    def slow(snapshot, flow):
        end_s = loop.time() + 0.02
        while loop.time() < end_s:
            pass
        return Plan(static_route(city, flow), Cause.NONE, 1)

    loop = asyncio.get_running_loop()
    async with ScriptedRic(city, keep_alive_ms=50) as ric, running_runtime(ric.target) as xapp:
        await ric.subscribed()
        xapp.agent.decide_otherwise = slow
        ric.offer(flows[:64])
        await ric.until(lambda: len(ric.answers) >= 32)
        assert ric.attachment.keep_alives >= 3
        assert len(ric.answers) < 64, "answers leave while the batch is still being decided"
        await ric.until(lambda: len(ric.answers) == 64)
        assert len(ric.attachments) == 1
