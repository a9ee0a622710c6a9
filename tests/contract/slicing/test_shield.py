"""The shield in front of the controls of a dApp, at a radio network in this event loop."""

from __future__ import annotations

import contextlib

import grpc
import numpy as np
import pytest

from ric_sim.radio.shield import PolicyRatio, ShieldLimits
from ricity.e2.v1 import conflict_pb2, conflict_pb2_grpc
from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from tests.contract.slicing.parts import N_DUS, dapp, radio_network
from tests.harness import Stream, channel_to, eventually, ric_on_embedded_store

WITHIN_S = 60.0


@contextlib.asynccontextmanager
async def decider(radio, du=1):
    """A stream of an admitted dApp."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{radio.grpc_port}") as channel:
        stream = Stream(radio_pb2_grpc.RadioServiceStub(channel).Attach())
        await stream.send(radio_pb2.AttachRequest(register=radio_pb2.RegisterRequest(protocol_version=1, du=du, instance_id="a")))
        assert (await stream.receive("register_result")).accepted
        yield stream


async def answered(stream, report, quota_rbs):
    """Answers a report; the next report."""
    control = radio_pb2.Control(epoch=report.epoch, frame=report.frame, quota_rbs=quota_rbs, beta=[0.5, 0.5])
    await stream.send(radio_pb2.AttachRequest(control=control))
    return await stream.receive("report")


async def test_quotas_beyond_the_cell_are_cut_to_the_nearest_and_paid_for():
    async with radio_network(wait_for_dapps_s=0) as radio, decider(radio) as stream:
        outcome = (await answered(stream, await stream.receive("report"), [60, 60, 60])).outcome
        assert outcome.control_result == radio_pb2.CONTROL_RESULT_SHIELDED
        assert outcome.detail.startswith("capacity")
        assert list(outcome.quota_rbs) == [33, 33, 34]
        record = radio.network.record
        assert (record.controls["shielded"][1], record.interventions["capacity"][1]) == (1, 1)
        assert record.to_dict()["dus"]["du_1"]["shield"]["capacity"] == 1


async def test_urllc_has_its_minimum_as_far_as_it_needs_it():
    async with radio_network(wait_for_dapps_s=0, shield_urllc_rbs=40) as radio, decider(radio) as stream:
        report = await stream.receive("report")
        for _ in range(20):
            needed = int(np.ceil(report.need_rbs[2]))
            report = await answered(stream, report, [100, 0, 0])
            assert report.outcome.quota_rbs[2] == min(needed, 40)
            assert sum(report.outcome.quota_rbs) == 100
        assert radio.network.record.interventions["urllc_minimum"][1] > 0


async def test_quotas_change_by_no_more_than_the_rate_also_to_and_from_the_safe_split():
    async with radio_network(wait_for_dapps_s=0, shield_change_ratio=0.1, deadline_ms=500.0) as radio, decider(radio) as stream:
        report, former = await stream.receive("report"), None
        for wanted in ([100, 0, 0], [0, 100, 0], [0, 0, 100], [0, 200, 0], [9], [0, 100, 0]):
            report = await answered(stream, report, wanted)
            applied = np.array(report.outcome.quota_rbs, dtype=np.int64)
            assert former is None or np.abs(applied - former).max() <= 10
            former = applied


async def test_ratios_of_an_o_du_bound_what_its_dapp_gets():
    async with radio_network(wait_for_dapps_s=0) as radio, decider(radio) as stream:
        ratios = (PolicyRatio(maximum=50), PolicyRatio(dedicated=10, minimum=10), PolicyRatio())
        radio.network.shields[1].limits = ShieldLimits(100, ratios=ratios)
        outcome = (await answered(stream, await stream.receive("report"), [90, 0, 10])).outcome
        assert outcome.detail.startswith("policy_ratio")
        assert list(outcome.quota_rbs) == [50, 10, 10]


@pytest.mark.parametrize("limits", [{}, {"shield_urllc_rbs": 10, "shield_change_ratio": 0.2}])
async def test_nothing_unsafe_goes_to_the_air_whatever_is_asked(limits):
    rng, cell = np.random.default_rng(0), 100
    async with radio_network(wait_for_dapps_s=0, **limits) as radio, decider(radio) as stream:
        bounds = radio.network.shields[1].limits
        report = await stream.receive("report")
        for _ in range(60):
            needs = list(report.need_rbs)
            report = await answered(stream, report, rng.integers(0, 200, size=3).tolist())
            quotas = np.array(report.outcome.quota_rbs)
            lo, hi = bounds.hard_bounds(needs)
            assert quotas.sum() <= cell
            assert np.all((lo <= quotas) & (quotas <= hi))
        assert radio.network.record.controls["shielded"][1] > 30


async def test_the_need_rule_of_a_dapp_passes_untouched():
    async with radio_network() as radio, contextlib.AsyncExitStack() as dapps:
        for du in range(N_DUS):
            await dapps.enter_async_context(dapp(du, radio, 0))
        record = radio.network.record
        await eventually(lambda: record.controls["applied"].min() >= 100, within_s=WITHIN_S)
        assert record.controls["shielded"].sum() == 0
        assert not any(counts.any() for counts in record.interventions.values())


async def test_ratios_set_at_the_ric_bound_the_o_du_they_are_for():
    async with (
        ric_on_embedded_store() as ric,
        radio_network(ric=f"127.0.0.1:{ric.grpc_port}", wait_for_dapps_s=0) as radio,
        channel_to(ric) as channel,
    ):
        guard, shields = conflict_pb2_grpc.ConflictServiceStub(channel), radio.network.shields
        for ran_name in ("du_1", "du_7"):
            request = conflict_pb2.ControlRatiosRequest(xapp_name="one", ran_name=ran_name)
            request.ratios.add(slice="embb", dedicated=0, min=10, max=50)
            assert (await guard.ControlRatios(request)).applied
        await eventually(lambda: shields[1].limits.ratios[0] == PolicyRatio(0, 10, 50), within_s=WITHIN_S)
        assert shields[0].limits.ratios[0] == PolicyRatio()
        async with decider(radio) as stream:
            outcome = (await answered(stream, await stream.receive("report"), [90, 0, 10])).outcome
            assert outcome.detail.startswith("policy_ratio")
            assert list(outcome.quota_rbs) == [50, 0, 10]


async def test_ratios_that_leave_urllc_too_little_are_not_taken():
    async with ric_on_embedded_store() as ric:
        settings = {"ric": f"127.0.0.1:{ric.grpc_port}", "shield_urllc_rbs": 20, "wait_for_dapps_s": 0}
        async with radio_network(**settings) as radio, channel_to(ric) as channel:
            guard, shields = conflict_pb2_grpc.ConflictServiceStub(channel), radio.network.shields
            for ran_name, minimum in (("du_0", 81), ("du_1", 80)):
                request = conflict_pb2.ControlRatiosRequest(xapp_name="one", ran_name=ran_name)
                request.ratios.add(slice="embb", dedicated=0, min=minimum, max=100)
                assert (await guard.ControlRatios(request)).applied
            await eventually(lambda: shields[1].limits.ratios[0].minimum == 80, within_s=WITHIN_S)
            assert shields[0].limits.ratios[0] == PolicyRatio()
