"""The console process: the operator's page."""

from __future__ import annotations

import sys

from ric_sim.telemetry import declare
from services.common import process
from services.common.logs import configure_logs
from services.common.settings import load_settings
from services.console.composition import running_console
from services.console.settings import ConsoleSettings


async def main() -> None:
    """Serves the page until SIGTERM."""
    settings = load_settings(ConsoleSettings)
    if settings.die_with_parent:
        process.die_with_parent()
    log = configure_logs("console", level=settings.log_level)
    declare("console")
    stop = process.stop_event()
    async with running_console(settings) as console:
        process.write_ready_file(settings.ready_file, http_port=console.http_port, status_port=console.status_port)
        log.info("console.ready", http_port=console.http_port, ric=settings.ric, manager=settings.manager)
        await process.first_of(stop, console.failed)
        log.info("console.stopping")


if __name__ == "__main__":
    sys.exit(process.run(main))
