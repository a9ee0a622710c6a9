"""The slicing half in one event loop, over real gRPC: a radio network, dApps and a critic on free ports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from ricity.radio.v1 import radio_pb2
from services.radio.main import RunningRadio, running_radio
from services.radio.settings import RadioSettings
from xapps.critic.service import RunningCritic, running_critic
from xapps.critic.settings import CriticSettings
from xapps.slicing.agent import Decision, SlicingAgent
from xapps.slicing.critic_link import CriticLink
from xapps.slicing.experience import ExperienceBuffer
from xapps.slicing.metrics import SlicingMetrics
from xapps.slicing.radio_link import RadioLink
from xapps.slicing.settings import SlicingSettings
from xapps.slicing.start import starting_policy

N_DUS = 2
LOG = structlog.get_logger()
QUICK_LEARNING = """
name: quick
variant: ta-sam
world: {n_dus: 2, replicas: 1, episode: 100}
network: {hidden: [16, 16]}
sac: {batch: 8, replay: 400, warm_up: 8}
sam: {critic: true, actors: selected}
evaluation: {every: 1000}
total_steps: 1000
"""


@contextlib.asynccontextmanager
async def radio_network(**settings: Any) -> AsyncIterator[RunningRadio]:
    """Two O-DUs, as many frames as the dApps keep up with."""
    wanted = {"dus": N_DUS, "ues": 40, "frames_per_s": 2000.0, "deadline_ms": 30_000.0, "grpc_port": 0, **settings}
    async with running_radio(RadioSettings(**wanted), log=LOG) as radio:
        yield radio


@contextlib.asynccontextmanager
async def critic_process(folder: Path, *, port: int = 0, **settings: Any) -> AsyncIterator[RunningCritic]:
    """A critic of two actors that pushes often; its checkpoint is in the folder."""
    config = folder / "quick.yaml"
    config.write_text(QUICK_LEARNING)
    wanted = {
        "config": config,
        "grpc_port": port,
        "push_every": 4,
        "trial_decisions": 0,
        "checkpoint_every_s": 0.2,
        "stage_timeout_ms": 10_000.0,
        "out": folder / "critic",
        **settings,
    }
    async with running_critic(CriticSettings(**wanted), log=LOG) as critic:
        yield critic


@dataclass(frozen=True)
class RunningDapp:
    """A dApp's parts, decided with by tasks of this event loop."""

    agent: SlicingAgent
    buffer: ExperienceBuffer
    radio: RadioLink
    critic: CriticLink
    tasks: tuple[asyncio.Task[None], ...]

    async def kill(self) -> None:
        """It is gone, with no word to anyone."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def dapp(du: int, radio: RunningRadio, critic_port: int, **settings: Any) -> AsyncIterator[RunningDapp]:
    """One dApp; critic port 0 is nobody's."""
    targets = {"radio": f"127.0.0.1:{radio.grpc_port}", "critic": f"127.0.0.1:{critic_port}"}
    wanted = SlicingSettings(du=du, batch_transitions=4, **targets, **settings)
    metrics = SlicingMetrics(wanted.agent)
    agent = SlicingAgent(seed=du, metrics=metrics, starting=partial(starting_policy, wanted.slicing_weights, wanted.agent))
    agent.explore_sigma = wanted.explore_sigma
    buffer = ExperienceBuffer(wanted.agent, batch_transitions=4, most_batches=wanted.buffer_batches, metrics=metrics)
    critic = CriticLink(wanted, agent, buffer, metrics=metrics, log=LOG)

    def on_decision(report: radio_pb2.Report, decision: Decision) -> None:
        if buffer.decided(report, decision):
            critic.wake()

    link = RadioLink(wanted, agent, on_decision=on_decision, metrics=metrics, log=LOG)

    async def learn() -> None:
        await link.attached.wait()
        await critic.run_while(link.deciding, link.standing_by)

    running = RunningDapp(agent, buffer, link, critic, (asyncio.create_task(link.run()), asyncio.create_task(learn())))
    try:
        yield running
    finally:
        await running.kill()
