"""A routing xApp process with learned weights against a real RIC on a real store."""

import asyncio
import contextlib
import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from ric_sim.network.generator import generate_day
from ric_sim.network.policies import make_policy
from ric_sim.network.policies.learned import save_weights
from tests.contract.xapps.xapp_process import running_xapp, start_xapp
from tests.harness import channel_to, open_agent, ric_on_embedded_store
from tests.untrained import WIDTHS, untrained_folder, untrained_weights
from xapps.sdk.descriptor import find_descriptors

VIDEO = find_descriptors()["routing"].instance("video")


@pytest.fixture
async def ric():
    async with ric_on_embedded_store() as running:
        yield running


@pytest.fixture
def flows(ric):
    """Video has hosts and detours to choose from."""
    day = generate_day(ric.city, "test")
    video = ric.city.service_index["video"]
    return [day.flow(i) for i in range(8000) if day.service[i] == video]


@pytest.fixture
def folder(tmp_path):
    return untrained_folder(tmp_path / "weights", ["video"], widths=WIDTHS)


@contextlib.asynccontextmanager
async def _serving(ric, tmp_path, **variables):
    target = f"127.0.0.1:{ric.grpc_port}"
    async with running_xapp(VIDEO, tmp_path, ric=target, policy="learned", **variables) as xapp, channel_to(ric) as channel:
        agent = open_agent(channel)
        assert (await agent.setup(ric.city)).accepted
        async with agent.kept_alive():
            yield xapp, agent


def _policy(ric, folder):
    return make_policy("learned", ric.city, weights=folder, services=("video",))


async def test_requests_get_the_routes_the_policy_gives_in_process(ric, flows, folder, tmp_path):
    policy, chosen = _policy(ric, folder), 0
    shortest = make_policy("cspf-total", ric.city)
    used = np.zeros(ric.city.n_resources, dtype=np.uint32)
    async with _serving(ric, tmp_path, weights=folder) as (_, agent):
        for each in flows[:40]:
            flow = replace(each, arrival_ms=0, holding_ms=3_600_000)  # nothing ends meanwhile, so the snapshot is known
            await agent.raise_requests([flow])
            (answer,) = await agent.answers(1)
            links = tuple(answer.applied.links)
            assert links == policy.plan(used, flow).links
            chosen += links != shortest.plan(used, flow).links
            used = (await ric.gate.fresh_snapshot()).used
    assert chosen > 0


async def test_weights_are_swapped_under_load_without_losing_a_request(ric, flows, folder, tmp_path):
    """Requests keep coming while the file is replaced: by sound weights, by a damaged file, and by sound ones again."""
    second, third = (untrained_weights("video", seed=seed, widths=WIDTHS) for seed in (7, 8))
    path = folder / "video.safetensors"
    answered = 0
    pending = (
        replace(flows[n % len(flows)], flow_id=f"load-{n}", arrival_ms=1_000 * n, holding_ms=1_000) for n in itertools.count()
    )
    async with _serving(ric, tmp_path, weights=folder) as (xapp, agent):

        async def load_until(event, count):
            """Batches of six, until the log has the event so often; each must be answered with a route."""
            nonlocal answered
            while len(xapp.lines(event)) < count:
                await agent.raise_requests([next(pending) for _ in range(6)])
                for answer in await agent.answers(6):
                    assert answer.WhichOneof("outcome") == "applied", answer
                    answered += 1

        save_weights(path, second)
        await load_until("weights.swapped", 1)
        path.write_bytes(b"damaged")
        await load_until("weights.refused", 1)
        save_weights(path, third)
        await load_until("weights.swapped", 2)
        (first_swap, second_swap) = xapp.lines("weights.swapped")
        (refusal,) = xapp.lines("weights.refused")
        assert first_swap["sha256"] == refusal["kept"] == second_swap["before"] == second.sha256[:12]
        assert second_swap["sha256"] == third.sha256[:12]
        assert refusal["code"] == "weights_corrupt"
        assert answered > 12
        metrics = await xapp.get("/metrics")
        assert re.search(r'ricity_xapp_decisions_total\{outcome="error".*\} 0\.0', metrics)
        assert 'ricity_routing_weight_swaps_total{outcome="ok",xapp="routing-video"} 2.0' in metrics
        assert 'ricity_routing_weight_swaps_total{outcome="refused",xapp="routing-video"} 1.0' in metrics
        assert re.findall(r"ricity_routing_weights_info\{.*\} 1\.0", metrics) == [
            f'ricity_routing_weights_info{{sha256="{third.sha256[:12]}",xapp="routing-video"}} 1.0'
        ]
        flow = next(pending)
        flow = replace(
            flow, arrival_ms=flow.arrival_ms - 1_000
        )  # with the one before, so nothing more ends and the snapshot is known
        policy = await asyncio.to_thread(_policy, ric, folder)
        used = (await ric.gate.fresh_snapshot()).used
        await agent.raise_requests([flow])
        (answer,) = await agent.answers(1)
        assert tuple(answer.applied.links) == policy.plan(used, flow).links


async def test_an_xapp_does_not_start_on_unusable_weights(ric, folder, tmp_path):
    (folder / "video.safetensors").write_bytes(b"damaged")
    variables = {"ric": f"127.0.0.1:{ric.grpc_port}", "policy": "learned", "weights": folder}
    log = tmp_path / "xapp.log"
    process = await start_xapp(VIDEO, variables, log)
    assert await process.wait() == 2
    assert "weights_corrupt" in log.read_text()
