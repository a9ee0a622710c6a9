"""The radio process: the city's O-DUs and UEs, frame by frame in lock step with the slicing dApps."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ric_sim.telemetry import declare
from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from services.common import process
from services.common.logs import configure_logs
from services.common.server import HealthStatus, create_server
from services.common.settings import load_settings
from services.common.status_port import StatusPort
from services.radio.admin import RadioAdminServicer
from services.radio.network import RadioNetwork
from services.radio.ratio_link import RatioLink
from services.radio.session import RadioServicer
from services.radio.settings import RadioSettings

RECORD_FILE = "slicing.json"
RECORD_PERIOD_S = 1.0
STOP_GRACE_S = 0.2


@dataclass(frozen=True, slots=True)
class RunningRadio:
    """Ports and parts of a radio that plays; `failed` is given what ended it."""

    grpc_port: int
    status_port: int
    network: RadioNetwork
    failed: asyncio.Future[None]


@contextlib.asynccontextmanager
async def running_radio(settings: RadioSettings, *, log: Any, plays: bool = True) -> AsyncIterator[RunningRadio]:
    """A radio in this event loop.

    Args:
        plays: frames go on by themselves; otherwise `RadioNetwork.play_frame` plays each.
    """
    status, network = HealthStatus(), RadioNetwork(settings, log=log)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    access = settings.transport.access()
    service_names = [service.full_name for service in radio_pb2.DESCRIPTOR.services_by_name.values()]
    server = create_server(status, service_names, admit=access.admit)
    radio_pb2_grpc.add_RadioServiceServicer_to_server(RadioServicer(network, access), server)
    radio_pb2_grpc.add_RadioAdminServiceServicer_to_server(RadioAdminServicer(network), server)
    grpc_port = settings.transport.bind(server, host=settings.host, port=settings.grpc_port)
    await server.start()
    await status.set_ready(ready=True)
    port = StatusPort(settings, is_ready=lambda: status.ready)
    activities = [network.run(), _record(network, settings.out)] if plays else []
    if settings.ric:
        activities.append(RatioLink(settings.ric, settings.transport, network.shields, network.rb_kbps, log=log).run())
    playing = [asyncio.create_task(activity) for activity in activities]
    for task in playing:
        task.add_done_callback(lambda ended: _report(ended, failed))
    try:
        yield RunningRadio(grpc_port, port.port, network, failed)
    finally:
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)
        write_record(network, settings.out)
        await server.stop(STOP_GRACE_S)
        port.close()


def write_record(network: RadioNetwork, out: Path | None) -> None:
    """Replaces slicing.json at once."""
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    part = out / f"{RECORD_FILE}.{os.getpid()}.part"
    part.write_text(json.dumps(network.record.to_dict(), allow_nan=False) + "\n")
    part.replace(out / RECORD_FILE)


async def _record(network: RadioNetwork, out: Path | None) -> None:
    while True:
        await asyncio.sleep(RECORD_PERIOD_S)
        write_record(network, out)


def _report(ended: asyncio.Task[None], failed: asyncio.Future[None]) -> None:
    error = None if ended.cancelled() else ended.exception()
    if error is not None and not failed.done():
        failed.set_exception(error)


async def main() -> None:
    """Plays until SIGTERM."""
    settings = load_settings(RadioSettings)
    if settings.die_with_parent:
        process.die_with_parent()
    log = configure_logs("radio", level=settings.log_level)
    declare("radio")
    stop = process.stop_event()
    async with running_radio(settings, log=log) as radio:
        process.write_ready_file(settings.ready_file, grpc_port=radio.grpc_port, status_port=radio.status_port)
        log.info("radio.ready", grpc_port=radio.grpc_port, dus=settings.dus, frames_per_s=settings.frames_per_s)
        await process.first_of(stop, radio.failed)
        log.info("radio.stopping", frames=radio.network.record.frames)


if __name__ == "__main__":
    sys.exit(process.run(main))
