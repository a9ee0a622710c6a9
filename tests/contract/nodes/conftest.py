"""Node agents that play small days against a scripted RIC, over real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import structlog

from ric_sim.e2.node.agent import AgentOptions, NodeAgent
from ric_sim.e2.node.association import Association
from ric_sim.e2.node.pacing import MaxPace, Pace
from ric_sim.e2.node.player import DayPlayer
from ric_sim.network.traffic import Day
from services.common.tls import LOOPBACK
from tests.contract.nodes.scripted_ric import ScriptedRic, insert_subscription, scripted_ric
from tests.unit.e2.node.two_sites import two_sites


@dataclass(frozen=True)
class RunningNodes:
    """An agent whose association runs as a task."""

    agent: NodeAgent
    association: Association
    task: asyncio.Task[None]

    @property
    def player(self) -> DayPlayer:
        return self.agent.player


@pytest.fixture
async def ric() -> AsyncIterator[ScriptedRic]:
    """Holds an INSERT subscription for both services and rejects every request, unless told otherwise."""
    async with scripted_ric(subscriptions=[insert_subscription(1, ["ar", "iot"])]) as running:
        yield running


Starter = Callable[..., RunningNodes]


@pytest.fixture
async def play(ric: ScriptedRic) -> AsyncIterator[Starter]:
    """Starts an agent of the two-site city on a day; it is closed at the end of the test."""
    started: list[RunningNodes] = []

    def start(day: Day, pace: Pace | None = None, *, port: int | None = None, **options: Any) -> RunningNodes:
        log = structlog.get_logger()
        agent = NodeAgent(
            two_sites(),
            day,
            pace=pace or MaxPace(day, in_flight=8),
            options=AgentOptions(agent_id=f"agent-{len(started)}", **options),
            log=log,
        )
        target = f"127.0.0.1:{ric.port if port is None else port}"
        association = Association(agent, target, open_channel=partial(LOOPBACK.channel, peer="ric"), log=log)
        nodes = RunningNodes(agent, association, asyncio.create_task(association.run()))
        started.append(nodes)
        return nodes

    yield start
    for nodes in started:
        nodes.task.cancel()
    await asyncio.gather(*(nodes.task for nodes in started), return_exceptions=True)
