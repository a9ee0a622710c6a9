"""REPORT subscriptions of an xApp: asked for as declared, handed over, bounded, and safe from the agent's slips."""

import asyncio

import pytest
import structlog
from prometheus_client import REGISTRY

from ric_sim.e2 import RAN_FUNCTION_KPM
from ricity.e2.v1 import common_pb2
from tests.contract.xapps.conftest import xapp_instance
from tests.contract.xapps.scripted_ric import ScriptedRic
from xapps.sdk.descriptor import ReportSubscription
from xapps.sdk.runtime import Agents, XappRuntime
from xapps.sdk.settings import XappSettings

INSTANCE = xapp_instance(
    xapp_name="watcher",
    inserts=(),
    reports=(
        ReportSubscription(measurements=("DRB.UEThpDl", "RRC.ConnMean"), period_ms=1000),
        ReportSubscription(measurements=("VR.VCpuUsageMean",), period_ms=60_000),
    ),
)


class Watcher:
    """Remembers the nodes that reported; fails on the one called `bad`."""

    def __init__(self):
        self.seen = []
        self.changed = asyncio.Event()

    def on_report(self, report):
        self.seen.append(report.ran_name)
        self.changed.set()
        if report.ran_name == "bad":
            raise LookupError("no such node")

    async def until(self, count):
        async with asyncio.timeout(10):
            while len(self.seen) < count:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def watched(city):
    """A RIC with a watcher attached to it."""
    async with ScriptedRic(city) as ric:
        watcher = Watcher()
        runtime = XappRuntime(XappSettings(ric=ric.target), INSTANCE, Agents(reports=watcher), log=structlog.get_logger())
        task = asyncio.create_task(runtime.run(asyncio.Event()))
        await asyncio.wait_for(runtime.attached.wait(), 10)
        yield ric, watcher
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _metric(name):
    return REGISTRY.get_sample_value(name, {"xapp": "watcher"})


async def test_every_subscription_of_the_descriptor_is_asked_for(watched):
    ric, _ = watched
    asked = [
        (s.ran_function_id, tuple(s.report.action.measurement_names), s.report.trigger.granularity_period_ms, tuple(s.ran_names))
        for s in ric.attachment.subscriptions
    ]
    assert asked == [
        (RAN_FUNCTION_KPM, ("DRB.UEThpDl", "RRC.ConnMean"), 1000, ()),
        (RAN_FUNCTION_KPM, ("VR.VCpuUsageMean",), 60_000, ()),
    ]
    assert len({s.request_id for s in ric.attachment.subscriptions}) == 2


async def test_reports_reach_the_agent_in_order_and_a_slip_costs_one(watched):
    ric, watcher = watched
    errors, reports = _metric("ricity_xapp_report_errors_total"), _metric("ricity_xapp_reports_total")
    for name in ("a", "bad", "b"):
        ric.send_report(common_pb2.Report(ran_name=name))
    await watcher.until(3)
    assert watcher.seen == ["a", "bad", "b"]
    assert _metric("ricity_xapp_report_errors_total") == errors + 1
    assert _metric("ricity_xapp_reports_total") == reports + 3
    assert len(ric.attachments) == 1


async def test_reports_go_on_after_the_ric_comes_back(watched):
    ric, watcher = watched
    await ric.stop()
    await ric.start()
    await ric.until(lambda: len(ric.attachments) == 2 and len(ric.attachment.subscriptions) == 2)
    ric.send_report(common_pb2.Report(ran_name="after"))
    await watcher.until(1)
    assert watcher.seen == ["after"]
