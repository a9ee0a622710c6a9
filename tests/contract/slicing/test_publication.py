"""A critic publishes what it has learnt to a real registry; dApps and another critic go on from what is there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import numpy as np
import pytest
import uvicorn

from ric_sim.domain.errors import WeightsMismatch
from ric_sim.radio.learned.critic_weights import CRITIC_WEIGHTS
from services.registry.model import Stage
from services.registry.registry import Registry
from services.registry.routes import create_app
from tests.contract.slicing.parts import N_DUS, critic_process, dapp, radio_network
from tests.harness import eventually

WITHIN_S = 60.0
NAME = "critic-live"


@contextlib.asynccontextmanager
async def registry_server(registry: Registry, bound: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(create_app(registry), log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
def bound():
    """A port that is known before anybody listens on it."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        yield opened


async def test_a_critic_publishes_and_another_one_goes_on_from_it(tmp_path, bound):
    registry = Registry(tmp_path / "registry")
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    settings = {"registry": url, "registry_every_min": 0.005, "registry_keep_retired": 1}
    async with contextlib.AsyncExitStack() as stack:
        radio = await stack.enter_async_context(radio_network())
        critic = await stack.enter_async_context(critic_process(tmp_path, **settings))
        for du in range(N_DUS):
            await stack.enter_async_context(dapp(du, radio, critic.grpc_port))
        counted = critic.learner.metrics.publications
        await eventually(lambda: counted["failed"]._value.get() >= 1, within_s=WITHIN_S)
        updates = critic.learner.n_updates
        await eventually(lambda: critic.learner.n_updates > updates, within_s=WITHIN_S)  # an absent registry stops nothing
        await stack.enter_async_context(registry_server(registry, bound))
        await eventually(lambda: counted["published"]._value.get() >= 3, within_s=WITHIN_S)
    versions = registry.model(NAME).versions
    assert [file.agent for file in versions[0].files] == ["critic", "du_0", "du_1"]
    assert {each.stage for each in versions[:-2]} == {Stage.RETIRED}
    assert versions[0].collected
    assert not versions[-1].collected
    assert registry.verify() == []
    newest = registry.view(NAME, versions[-1].version)
    async with critic_process(tmp_path, out=None, slicing_weights=str(newest)) as other:
        assert other.learner.has_weights
        assert other.learner.version >= 1
        _, kept = CRITIC_WEIGHTS.read(newest / "critic.safetensors")
        _, taken = CRITIC_WEIGHTS.decode(other.learner.files()["critic"], source="the other critic")
        assert all(np.array_equal(taken[name], values) for name, values in kept.items())
    with pytest.raises(WeightsMismatch, match="teaches du_0"):
        async with critic_process(tmp_path, out=None, slicing_weights=str(newest), dus=2, later_dus=1):
            pass
