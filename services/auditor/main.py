"""The auditor process: the proof of `ricity audit`, repeated while the system runs."""

from __future__ import annotations

import asyncio
import sys

from ric_sim.telemetry import declare
from services.auditor.settings import AuditorSettings
from services.auditor.watch import AuditWatch
from services.common import process
from services.common.logs import configure_logs
from services.common.settings import load_settings
from services.common.status_port import StatusPort


async def main() -> None:
    """Audits until SIGTERM. It is ready once it has looked for the first time."""
    settings = load_settings(AuditorSettings)
    if settings.die_with_parent:
        process.die_with_parent()
    log = configure_logs("auditor", level=settings.log_level)
    declare("auditor")
    stop = process.stop_event()
    watch = AuditWatch(settings, log=log)
    status = StatusPort(settings, is_ready=watch.done.is_set)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    watching = asyncio.create_task(watch.run())
    watching.add_done_callback(lambda ended: _report(ended, failed))
    announcing = asyncio.create_task(_announce(settings, watch, status.port))
    try:
        await process.first_of(stop, failed)
    finally:
        announcing.cancel()
        watching.cancel()
        await asyncio.gather(announcing, watching, return_exceptions=True)
        status.close()


async def _announce(settings: AuditorSettings, watch: AuditWatch, status_port: int) -> None:
    await watch.done.wait()
    process.write_ready_file(settings.ready_file, status_port=status_port)


def _report(ended: asyncio.Task[None], failed: asyncio.Future[None]) -> None:
    error = None if ended.cancelled() else ended.exception()
    if error is not None and not failed.done():
        failed.set_exception(error)


if __name__ == "__main__":
    sys.exit(process.run(main))
