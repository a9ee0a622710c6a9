"""The manager process: REST for operators, gRPC to the RIC."""

from __future__ import annotations

import sys

from ric_sim.telemetry import declare
from services.common import process
from services.common.logs import configure_logs
from services.common.settings import load_settings
from services.manager.composition import running_manager
from services.manager.settings import ManagerSettings


async def main() -> None:
    """Runs the manager until SIGTERM."""
    settings = load_settings(ManagerSettings)
    if settings.die_with_parent:
        process.die_with_parent()
    log = configure_logs("manager", level=settings.log_level)
    declare("manager")
    stop = process.stop_event()
    async with running_manager(settings, log=log) as manager:
        process.write_ready_file(settings.ready_file, http_port=manager.http_port, status_port=manager.status_port)
        log.info("manager.ready", http_port=manager.http_port, ric=settings.ric, a1_dialect=settings.a1_dialect)
        await process.first_of(stop, manager.failed)
        log.info("manager.stopping")


if __name__ == "__main__":
    sys.exit(process.run(main))
