"""A routing xApp process against a real RIC on a real store."""

import contextlib

import numpy as np
import pytest

from ric_sim.network.generator import generate_day
from ric_sim.network.policies import make_policy
from tests.contract.xapps.xapp_process import running_xapp, start_xapp
from tests.harness import channel_to, open_agent, ric_on_embedded_store
from xapps.sdk.descriptor import find_descriptors

ROUTING = find_descriptors()["routing"]


@pytest.fixture
async def ric():
    async with ric_on_embedded_store() as running:
        yield running


@contextlib.asynccontextmanager
async def _agent(ric):
    async with channel_to(ric) as channel:
        agent = open_agent(channel)
        assert (await agent.setup(ric.city)).accepted
        yield agent


async def test_requests_get_the_routes_the_policy_gives_in_process(ric, tmp_path):
    day = generate_day(ric.city, "test")
    iot = ric.city.service_index["iot"]
    flows = [day.flow(i) for i in range(4000) if day.service[i] == iot][:20]
    policy = make_policy("learned", ric.city)
    used = np.zeros(ric.city.n_resources, dtype=np.uint32)
    target = f"127.0.0.1:{ric.grpc_port}"
    async with running_xapp(ROUTING.instance("iot"), tmp_path, ric=target) as xapp, _agent(ric) as agent:
        for flow in flows:
            await agent.raise_requests([flow])
            (answer,) = await agent.answers(1)
            assert tuple(answer.applied.links) == policy.plan(used, flow).links
            assert (answer.xapp, answer.instance_id) == ("routing-iot", xapp.ready["instance_id"])
            used = (await ric.gate.fresh_snapshot()).used
        decided = 'ricity_xapp_decisions_total{outcome="route",version="0.1.0",xapp="routing-iot"} 20.0'
        assert decided in await xapp.get("/metrics")
        xapp.process.terminate()
        assert await xapp.process.wait() == 0
        assert xapp.lines("xapp.drained")


@pytest.mark.parametrize(
    ("service", "variables", "message"),
    [
        ("iot", {"policy": "cspff"}, "RICITY_POLICY"),
        ("iot", {"windoww": "3"}, "did you mean 'RICITY_WINDOW'"),
        ("drones", {}, "drones"),
    ],
)
async def test_a_process_that_cannot_work_says_why_and_exits_with_2(ric, tmp_path, service, variables, message):
    log = tmp_path / "xapp.log"
    process = await start_xapp(ROUTING.instance(service), {"ric": f"127.0.0.1:{ric.grpc_port}", **variables}, log)
    assert await process.wait() == 2
    assert message in log.read_text()
