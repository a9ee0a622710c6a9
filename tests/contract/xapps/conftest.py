"""A city, requests, and an xApp runtime in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.domain.reservation import Snapshot
from ric_sim.network.city import City
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.policies.base import Plan
from tests.harness import route_on_empty_network
from xapps.sdk.descriptor import Resources, XappInstance
from xapps.sdk.runtime import Agents, XappRuntime
from xapps.sdk.settings import XappSettings

SERVICE = "voip"


_routes: dict[tuple[str, int, int], tuple[int, ...]] = {}


def static_route(city: City, flow: FlowRequest) -> tuple[int, ...]:
    """The flow's route on the empty city, found once for its ends."""
    ends = city.fingerprint, flow.ru, flow.upf
    if ends not in _routes:
        _routes[ends] = route_on_empty_network(city, flow)
    return _routes[ends]


class StaticAgent:
    """Routes every flow over its route on the empty city, whatever the load; a test may set `decide_otherwise`."""

    def __init__(self, city: Any) -> None:
        self.city = city
        self.seen: list[tuple[str, int]] = []
        self.decide_otherwise: Any = None

    def decide(self, snapshot: Snapshot, flow: FlowRequest) -> Plan:
        self.seen.append((flow.flow_id, snapshot.version))
        if self.decide_otherwise is not None:
            return self.decide_otherwise(snapshot, flow)
        return Plan(static_route(self.city, flow), Cause.NONE, 1)


@dataclass
class RunningXapp:
    """A runtime at work. `end` drains it and returns what `run` raised, if anything."""

    runtime: XappRuntime
    agent: StaticAgent
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(10):
            await self.task


def xapp_instance(**changes: Any) -> XappInstance:
    fields: dict[str, Any] = {
        "xapp_name": f"routing-{SERVICE}",
        "version": "1.0.0",
        "module": "xapps.routing.main",
        "env": {},
        "inserts": (SERVICE,),
        "reports": (),
        "resources": Resources(),
    }
    return XappInstance(**(fields | changes))


@contextlib.asynccontextmanager
async def running_runtime(target: str, *, instance: XappInstance | None = None, **settings: Any) -> AsyncIterator[RunningXapp]:
    """An xApp with a `StaticAgent`, attached or trying to; ended (not drained) with the context if it still runs."""
    agent = StaticAgent(None)

    def build(city: Any) -> StaticAgent:
        agent.city = city
        return agent

    runtime = XappRuntime(
        XappSettings(ric=target, **settings), instance or xapp_instance(), Agents(inserts=build), log=structlog.get_logger()
    )
    stop = asyncio.Event()
    task = asyncio.create_task(runtime.run(stop))
    try:
        yield RunningXapp(runtime, agent, stop, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(scope="session")
def city() -> Any:
    return build_city("paper")


@pytest.fixture(scope="session")
def flows(city: Any) -> list[FlowRequest]:
    """200 VoIP flows of the test day, their routes already found."""
    day = generate_day(city, "test")
    voip = city.service_index[SERVICE]
    chosen = [day.flow(i) for i in range(4000) if day.service[i] == voip][:200]
    for flow in chosen:
        static_route(city, flow)
    return chosen
