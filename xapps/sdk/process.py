"""An xApp as a process: settings, logs, health, ready file and signals around an `XappRuntime`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from ric_sim.telemetry import declare
from services.common import process
from services.common.logs import configure_logs
from services.common.settings import load_settings
from services.common.status_port import StatusPort
from xapps.sdk.descriptor import XappInstance
from xapps.sdk.runtime import Agents, XappRuntime
from xapps.sdk.settings import XappSettings

SettingsT = TypeVar("SettingsT", bound=XappSettings)

Composition = Callable[[SettingsT], tuple[XappInstance, Agents]]
"""From its settings to which xApp the process is and which agents it consists of. Raises for settings that make no xApp."""


def run_xapp(settings_class: type[SettingsT], compose: Composition[SettingsT]) -> int:
    """The whole life of an xApp process: from the environment to the drain on SIGTERM or SIGINT.

    Returns:
        Exit code: 0 after a drain; 2 for unusable settings or when the RIC refuses the xApp, with one JSON line on stderr.
    """

    async def main() -> None:
        settings = load_settings(settings_class)
        instance, agents = compose(settings)
        await serve(settings, instance, agents)

    return process.run(main)


async def serve(settings: XappSettings, instance: XappInstance, agents: Agents) -> None:
    """Runs an xApp in this event loop until SIGTERM or SIGINT, then drains it. Errors as in `XappRuntime.run`."""
    if settings.die_with_parent:
        process.die_with_parent()
    log = configure_logs(instance.xapp_name, level=settings.log_level)
    declare("xapp")
    log.info("xapp.starting", **settings.model_dump(mode="json"))
    stop = process.stop_event()
    runtime = XappRuntime(settings, instance, agents, log=log)
    status = StatusPort(settings, is_ready=runtime.attached.is_set)
    announcing = asyncio.create_task(_announce(settings, instance, runtime, status.port))
    try:
        await runtime.run(stop)
        log.info("xapp.stopped")
    finally:
        announcing.cancel()
        status.close()


async def _announce(settings: XappSettings, instance: XappInstance, runtime: XappRuntime, status_port: int) -> None:
    await runtime.attached.wait()
    process.write_ready_file(
        settings.ready_file, status_port=status_port, xapp=instance.xapp_name, instance_id=settings.instance_id
    )
