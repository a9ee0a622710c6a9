"""The template xApp against a real RIC: it attaches, subscribes, takes reports and leaves in order."""

import time
from pathlib import Path

import pytest

from ricity.e2.v1 import admin_pb2, admin_pb2_grpc, common_pb2, termination_pb2
from tests.contract.xapps.xapp_process import running_xapp
from tests.harness import channel_to, eventually, open_agent, ric_on_embedded_store
from xapps._template import agent as agent_module
from xapps._template.agent import TemplateAgent
from xapps.sdk.descriptor import load_descriptor
from xapps.sdk.report import KpmReport, KpmValue

(INSTANCE,) = load_descriptor(Path(agent_module.__file__).with_name("xapp.yaml")).instances()
RAN_NAME = "gnbd_001_001_000001_0"


@pytest.fixture
async def ric():
    async with ric_on_embedded_store() as running:
        yield running


def _node():
    """An O-DU that offers what the xApp asks for."""
    names = sorted({name for wanted in INSTANCE.reports for name in wanted.measurements})
    kpm = common_pb2.RanFunction(ran_function_id=2, measurements=[common_pb2.Measurement(name=name) for name in names])
    return termination_pb2.E2NodeConfig(ran_name=RAN_NAME, node_name="du-0", ran_functions=[kpm])


def _report(subscription_id, name):
    values = [
        common_pb2.MeasurementValue(name=name, real=42.0),
        common_pb2.MeasurementValue(name=name, label="1-000001", no_value=True),
    ]
    return common_pb2.Report(subscription_id=subscription_id, ran_name=RAN_NAME, sent_unix_ns=time.time_ns(), values=values)


async def test_the_xapp_attaches_takes_reports_and_drains(ric, tmp_path):
    target = f"127.0.0.1:{ric.grpc_port}"
    async with running_xapp(INSTANCE, tmp_path, ric=target, summary_reports=1) as xapp, channel_to(ric) as channel:
        admin = admin_pb2_grpc.E2AdminServiceStub(channel)
        subscriptions = (await admin.ListSubscriptions(admin_pb2.ListSubscriptionsRequest())).subscriptions
        label = f"{INSTANCE.xapp_name}/{xapp.ready['instance_id']}"
        assert [list(row.instances) for row in subscriptions] == [[label]] * len(INSTANCE.reports)
        assert await xapp.get("/ric/v1/health/ready") == "ready\n"

        node = open_agent(channel)
        assert (await node.setup(ric.city, nodes=[_node()])).accepted
        reports = [_report(row.subscription_id, row.items[0]) for row in subscriptions]
        await node.send(termination_pb2.ConnectRequest(reports=termination_pb2.ReportBatch(reports=reports)))
        summaries = await eventually(lambda: xapp.lines("template.summary")[len(reports) - 1 :])
        assert summaries[0]["means"] == {row.items[0]: 42.0 for row in subscriptions}
        counted = f'ricity_xapp_reports_total{{xapp="{INSTANCE.xapp_name}"}} {len(reports)}.0'
        assert counted in await xapp.get("/metrics")

        xapp.process.terminate()
        assert await xapp.process.wait() == 0
        assert xapp.lines("xapp.drained")


def test_the_summary_is_the_mean_of_the_newest_values():
    agent = TemplateAgent(summary_reports=100)

    def report(ran_name, value):
        agent.on_report(KpmReport(1, ran_name, 0, 1000, 0, (KpmValue("VR.VCpuUsageMean", "", value),)))

    report("a", 10.0)
    report("b", 40.0)
    assert agent.latest.means() == {"VR.VCpuUsageMean": 25.0}
    report("a", 20.0)
    assert agent.latest.means() == {"VR.VCpuUsageMean": 30.0}
    report("a", None)
    assert agent.latest.means() == {"VR.VCpuUsageMean": 40.0}
