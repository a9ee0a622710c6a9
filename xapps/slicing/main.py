"""A slicing dApp process: `python -m xapps.slicing.main` with RICITY_DU set."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from ricity.radio.v1 import radio_pb2
from xapps.sdk.standalone import ProcessLife, run_standalone
from xapps.slicing.agent import Decision, SlicingAgent
from xapps.slicing.critic_link import CriticLink
from xapps.slicing.experience import ExperienceBuffer
from xapps.slicing.metrics import SlicingMetrics
from xapps.slicing.radio_link import RadioLink
from xapps.slicing.settings import SlicingSettings
from xapps.slicing.start import starting_policy
from xapps.slicing.weights_reload import WeightsReload

_SWITCH_S = 2e-4
"""How long a thread (metrics scraped, weights verified) may keep a decision waiting for the interpreter; Python's own is 5 ms."""


async def serve(settings: SlicingSettings, life: ProcessLife) -> None:
    """Decides for one O-DU until told to stop. Errors as of `RadioLink.run`."""
    sys.setswitchinterval(_SWITCH_S)
    metrics = SlicingMetrics(settings.agent)
    agent = SlicingAgent(
        seed=settings.explore_seed + settings.du,
        metrics=metrics,
        starting=partial(starting_policy, settings.slicing_weights, settings.agent),
    )
    agent.explore_sigma = settings.explore_sigma
    buffer = ExperienceBuffer(
        settings.agent, batch_transitions=settings.batch_transitions, most_batches=settings.buffer_batches, metrics=metrics
    )
    critic = CriticLink(settings, agent, buffer, metrics=metrics, log=life.log)

    def on_decision(report: radio_pb2.Report, decision: Decision) -> None:
        if buffer.decided(report, decision):
            critic.wake()

    radio = RadioLink(settings, agent, on_decision=on_decision, metrics=metrics, log=life.log)
    deciding = asyncio.create_task(radio.run())
    learning = asyncio.create_task(_learn(radio, critic, life, enabled=bool(settings.critic)))
    follow = partial(WeightsReload, settings, agent, is_taught=lambda: critic.joined, metrics=metrics, log=life.log)
    reloading = asyncio.create_task(_reload(radio, follow))
    stopping = asyncio.create_task(life.stop.wait())
    tasks: tuple[asyncio.Task[Any], ...] = (deciding, learning, reloading, stopping)
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        version = agent.policy.version if agent.policy else 0
        life.log.info("slicing.decided", policy_version=version, unacknowledged=len(buffer), decision_ms=radio.decision_ms())


async def _learn(radio: RadioLink, critic: CriticLink, life: ProcessLife, *, enabled: bool) -> None:
    """The critic is asked once the network is known, and for as long as the O-DU plays what this dApp decides."""
    await radio.attached.wait()
    gc.collect()
    gc.freeze()  # what lives now lives until the end: the collector need not look at it between two decisions
    life.ready.set()
    await (critic.run_while(radio.deciding, radio.standing_by) if enabled else life.stop.wait())


async def _reload(radio: RadioLink, follow: Callable[[], WeightsReload]) -> None:
    """The file is followed once the network is known; the starting weights have been loaded then."""
    await radio.attached.wait()
    await follow().run()
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(run_standalone(SlicingSettings, component="slicing", name=lambda settings: f"slicing-{settings.agent}", serve=serve))
