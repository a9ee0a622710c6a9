"""A running xApp follows the production stage of a registry: no request is lost when a version is promoted or rolled back."""

import itertools
from dataclasses import replace

import pytest

from ric_sim.network.generator import generate_day
from ric_sim.network.services_catalogue import SERVICES
from services.registry.registry import Registry
from tests.contract.xapps.xapp_process import running_xapp
from tests.harness import channel_to, open_agent
from tests.untrained import untrained_folder
from xapps.sdk.descriptor import find_descriptors

TEAM = "routing-amarl"
VIDEO = find_descriptors()["routing"].instance("video")


def _video_sha256(version):
    (file,) = (file for file in version.files if file.agent == "video")
    return file.sha256[:12]


@pytest.mark.timeout(300)
async def test_promotion_and_rollback_reach_a_running_xapp_without_losing_a_request(ric, tmp_path):
    registry = Registry(tmp_path / "registry")
    keys = [spec.key for spec in SERVICES]
    versions = [registry.publish(TEAM, untrained_folder(tmp_path / f"team-{seed}", keys, seed=seed)).version for seed in range(2)]
    registry.promote(TEAM, 1)
    day = generate_day(ric.city, "test")
    video = ric.city.service_index["video"]
    flows = [day.flow(i) for i in range(4000) if day.service[i] == video]
    pending = (
        replace(flows[n % len(flows)], flow_id=f"load-{n}", arrival_ms=1_000 * n, holding_ms=1_000) for n in itertools.count()
    )
    target = f"127.0.0.1:{ric.grpc_port}"
    async with (
        running_xapp(VIDEO, tmp_path, ric=target, policy="learned", weights=registry.serving(TEAM)) as xapp,
        channel_to(ric) as channel,
    ):
        agent = open_agent(channel)
        assert (await agent.setup(ric.city)).accepted

        async def load_until_swapped(times):
            """Batches of six until the xApp has swapped so often; each request must be answered with a route."""
            answered = 0
            while not answered or len(xapp.lines("weights.swapped")) < times:
                await agent.raise_requests([next(pending) for _ in range(6)])
                for answer in await agent.answers(6):
                    assert answer.WhichOneof("outcome") == "applied", answer
                    answered += 1
            return answered

        registry.promote(TEAM, 2)
        assert await load_until_swapped(1)
        registry.rollback(TEAM)
        assert await load_until_swapped(2)
        promotion, rollback = xapp.lines("weights.swapped")
        first, second = (_video_sha256(version) for version in versions)
        assert (promotion["before"], promotion["sha256"]) == (first, second)
        assert (rollback["before"], rollback["sha256"]) == (second, first)
        assert xapp.lines("weights.refused") == []
