"""The registry process: REST over a registry's folder, with the status port of every process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

import uvicorn

from ric_sim.domain.errors import InvalidInput
from ric_sim.telemetry import declare
from services.common import process
from services.common.logs import configure_logs
from services.common.rest_guard import protect
from services.common.rest_server import at_once
from services.common.settings import load_settings
from services.common.status_port import StatusPort
from services.registry.registry import Registry
from services.registry.routes import create_app
from services.registry.settings import RegistrySettings


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


async def main() -> None:
    """Serves until SIGTERM; requests under way are answered first."""
    settings = load_settings(RegistrySettings)
    if settings.die_with_parent:
        process.die_with_parent()
    log = configure_logs("registry", level=settings.log_level)
    declare("registry")
    stop = process.stop_event()
    registry = Registry(settings.registry)
    registry.models()
    app = create_app(registry)
    protect(app, settings, log=log)
    bound = _bind(settings.host, settings.rest_port)
    options = {"log_config": None, "access_log": False, "timeout_graceful_shutdown": 5, **settings.server_options()}
    server = _Server(uvicorn.Config(app, **options))
    status = StatusPort(settings, is_ready=lambda: server.started)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        port = bound.getsockname()[1]
        process.write_ready_file(settings.ready_file, rest_port=port, status_port=status.port)
        log.info("registry.ready", rest_port=port, registry=str(settings.registry))
        await stop.wait()
        log.info("registry.stopping")
    finally:
        server.should_exit = True
        await serving
        status.close()


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket, so that the port is known, and taken, before it is told.

    Raises:
        InvalidInput: the address cannot be had.
    """
    try:
        return at_once(socket.create_server((host, port)))
    except OSError as error:
        raise InvalidInput(f"{host}:{port}: {error.strerror}; set RICITY_HOST and RICITY_REST_PORT to a free address") from error


if __name__ == "__main__":
    sys.exit(process.run(main))
