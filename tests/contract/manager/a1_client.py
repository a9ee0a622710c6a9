"""What a test does as an A1 client: a manager before a real RIC, and a routing xApp in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import structlog

from ric_sim.network.montreal import build_city
from services.manager.composition import running_manager
from services.manager.settings import ManagerSettings
from services.ric.composition import RunningRic
from tests.harness import ScriptedAgent, channel_to, open_agent
from xapps.routing.agent import RoutingAgent
from xapps.sdk.descriptor import find_descriptors
from xapps.sdk.runtime import Agents, XappRuntime
from xapps.sdk.settings import XappSettings

PATIENCE_S = 30.0
TSP = "/A1-P/v2/policytypes/ORAN_TrafficSteeringPreference/policies"


class A1Client(httpx.AsyncClient):
    """What an A1 client does over and over."""

    async def status(self, path: str) -> dict[str, str]:
        reply = await self.get(f"{path}/status")
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def until_status(self, path: str, expected: str, within_s: float = PATIENCE_S) -> dict[str, str]:
        """Asks until the policy has that `enforceStatus`."""
        return await until(lambda: self.status(path), lambda status: status["enforceStatus"] == expected, within_s)


async def until(ask: Callable[[], Any], is_right: Callable[[Any], bool], within_s: float = PATIENCE_S) -> Any:
    """Repeats a question until its answer is right."""
    async with asyncio.timeout(within_s):
        while not is_right(answer := await ask()):
            await asyncio.sleep(0.01)
    return answer


@contextlib.asynccontextmanager
async def manager_of(ric_port: int, **settings: Any) -> AsyncIterator[A1Client]:
    """A client of a manager that follows the RIC on that port."""
    chosen = ManagerSettings(http_port=0, ric=f"127.0.0.1:{ric_port}", **settings)
    async with (
        running_manager(chosen, log=structlog.get_logger()) as manager,
        A1Client(base_url=f"http://127.0.0.1:{manager.http_port}", trust_env=False, timeout=60) as client,
    ):
        yield client


async def until_known(client: A1Client) -> A1Client:
    """Waits until the manager has taken up what the RIC holds."""
    await until(lambda: client.get(TSP), lambda reply: reply.status_code == 200)
    return client


@functools.cache
def routing_agent(policy: str) -> RoutingAgent:
    """An agent for the paper's city, made once: while one is being made, an event loop stands still."""
    return RoutingAgent(build_city("paper"), policy=policy, seed=0, parameters={})


@contextlib.asynccontextmanager
async def routing_xapp(ric_port: int, service: str = "voip", policy: str = "cspf") -> AsyncIterator[XappRuntime]:
    """The routing xApp of a service, attached."""
    instance = find_descriptors()["routing"].instance(service)
    agents = Agents(inserts=lambda _city: routing_agent(policy))
    runtime = XappRuntime(XappSettings(ric=f"127.0.0.1:{ric_port}"), instance, agents, log=structlog.get_logger())
    stop = asyncio.Event()
    task = asyncio.create_task(runtime.run(stop))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await runtime.attached.wait()
        yield runtime
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def agent_of(ric: RunningRic) -> AsyncIterator[ScriptedAgent]:
    """An agent that is set up."""
    async with channel_to(ric) as channel:
        opened = open_agent(channel)
        assert (await opened.setup(ric.city)).accepted
        async with opened.kept_alive():
            yield opened
