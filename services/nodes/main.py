"""The node process: all emulated E2 nodes of a city, playing one day."""

from __future__ import annotations

import asyncio
import sys
import time

from ric_sim.e2.node.agent import NodeAgent
from ric_sim.e2.node.association import Association
from ric_sim.telemetry import declare
from services.common import process
from services.common.logs import configure_logs
from services.common.settings import load_settings
from services.common.status_port import StatusPort
from services.nodes import composition
from services.nodes.recorder import Recorder
from services.nodes.settings import NodesSettings

DRAIN_S = 3.0
"""How long outstanding requests are waited for after SIGTERM; then they get the default action, and the RIC is told."""

CLOSE_S = 2.0
"""How long the RIC may take to end the association it was asked to end."""


async def main() -> None:
    """Plays the day until it is done (if told to end with it) or until SIGTERM."""
    settings = load_settings(NodesSettings)
    if settings.die_with_parent:
        process.die_with_parent()
    log = configure_logs("nodes", level=settings.log_level)
    declare("nodes")
    stop = process.stop_event()
    agent = composition.node_agent(settings, log=log)
    log.info("nodes.starting", flows=len(agent.player.day), **settings.model_dump(mode="json"))
    association = composition.association(agent, settings, log=log)
    recorder = Recorder(agent.player, settings.out)
    status = StatusPort(settings, is_ready=lambda: association.is_up)
    serving = asyncio.create_task(association.run())
    recording = asyncio.create_task(_record(recorder, exit_when_done=settings.exit_when_done))
    announcing = asyncio.create_task(_announce(settings, association, status.port))
    try:
        await _until_over(stop, serving, recording)
        await _drain(agent)
        log.info("nodes.drained", raised=agent.player.ledger.n_raised, settled=agent.player.ledger.n_settled)
    finally:
        announcing.cancel()
        recording.cancel()
        agent.player.give_up_all(time.monotonic())
        await _close(association, serving)
        recorder.write_results()
        status.close()


async def _announce(settings: NodesSettings, association: Association, status_port: int) -> None:
    await association.first_set_up.wait()
    process.write_ready_file(settings.ready_file, status_port=status_port, agent_id=settings.agent_id)


async def _record(recorder: Recorder, *, exit_when_done: bool) -> None:
    """Returns with the end of the day; never, if the nodes are to stay."""
    await recorder.until_done()
    recorder.write_results()
    if not exit_when_done:
        await recorder.for_ever()


async def _until_over(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Returns when the process is told to stop or one of its tasks ends; raises what ended it."""
    stopping = asyncio.create_task(stop.wait())
    ended, _ = await asyncio.wait((stopping, *tasks), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in ended:
        task.result()


async def _drain(agent: NodeAgent) -> None:
    """Raises nothing new and waits for what is outstanding."""
    agent.raising = False
    deadline_s = time.monotonic() + DRAIN_S
    while len(agent.player.outstanding) and time.monotonic() < deadline_s:
        await asyncio.sleep(DRAIN_S / 100)


async def _close(association: Association, serving: asyncio.Task[None]) -> None:
    association.close()
    await asyncio.wait((serving,), timeout=CLOSE_S)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(process.run(main))
