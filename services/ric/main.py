"""The RIC process: E2 termination, xApp service, store service and admin service on one gRPC port."""

from __future__ import annotations

import sys

from ric_sim.telemetry import declare
from services.common import process
from services.common.logs import configure_logs
from services.common.settings import load_settings
from services.ric.composition import running_ric
from services.ric.settings import RicSettings


async def main() -> None:
    """Runs the RIC until SIGTERM."""
    settings = load_settings(RicSettings)
    if settings.die_with_parent:
        process.die_with_parent()
    log = configure_logs("ric", level=settings.log_level)
    declare("ric")
    stop = process.stop_event()
    async with running_ric(settings) as ric:
        process.write_ready_file(settings.ready_file, grpc_port=ric.grpc_port, status_port=ric.status_port)
        log.info("ric.ready", grpc_port=ric.grpc_port, profile=ric.city.profile, city=ric.city.fingerprint[:12])
        await process.first_of(stop, ric.gate.failed)
        log.info("ric.stopping", open_requests=len(ric.termination.requests))


if __name__ == "__main__":
    sys.exit(process.run(main))
