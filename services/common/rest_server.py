"""An HTTP server in a process's own event loop, on a port that is bound before it starts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from ric_sim.domain.errors import InvalidInput

STOP_GRACE_S = 2


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's own business (`services.common.process`)."""
        yield


def at_once(listening: socket.socket) -> socket.socket:
    """The same socket; what its connections send leaves at once.

    An answer goes out as head and body. Without this the body of every answer on a kept connection waits some 40 ms for the
    peer to confirm the head, as asyncio sees to it only for sockets that name their protocol, which `create_server`'s do not.
    """
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


@contextlib.asynccontextmanager
async def serving(app: Any, *, host: str, port: int, **tls: Any) -> AsyncIterator[int]:
    """Serves an ASGI application within the context; yields the bound port (0 takes a free one).

    `tls`: for https, see `services.common.rest_guard.RestSettings.server_options`.

    Raises:
        InvalidInput: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = at_once(socket.create_server((host, port), family=family, backlog=256))
    except OSError as error:
        raise InvalidInput(f"{host}:{port}: {error.strerror}; set RICITY_HOST and RICITY_HTTP_PORT to a free address") from error
    with listening:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=STOP_GRACE_S,
            **tls,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await task
