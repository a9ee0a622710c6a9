"""The process around an xApp that is no client of the RIC: settings, logs, status port, ready file and signals.

The slicing dApps and their critic talk to the radio network and to each other; `xapps.sdk.process` is for xApps of the RIC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from pydantic import Field

from ric_sim.domain.errors import RefusedByRic
from ric_sim.telemetry import declare
from services.common import process
from services.common.logs import configure_logs
from services.common.server import HealthStatus, create_server
from services.common.settings import ProcessSettings, load_settings
from services.common.status_port import StatusPort
from xapps.sdk.descriptor import find_descriptors
from xapps.sdk.settings import drawn_instance_id

__all__ = [
    "ANSWER_TIMEOUT_S",
    "STREAM_OVER",
    "HealthStatus",
    "ProcessLife",
    "ProcessSettings",
    "StandaloneSettings",
    "StandaloneSettingsT",
    "create_server",
    "raise_if_refused",
    "run_standalone",
]

STREAM_OVER = (grpc.RpcError, asyncio.InvalidStateError, TimeoutError)
"""What reading or writing a stream raises when its peer has gone or does not answer."""

_NOT_ALLOWED = (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)

ANSWER_TIMEOUT_S = 5.0
"""How long a peer may take to answer the first message of a stream."""


class StandaloneSettings(ProcessSettings):
    """Which instance of which version a process is."""

    xapp_version: str = Field("", max_length=64, description="Version it registers with; default: that of xapp.yaml.")
    config_generation: int = Field(0, ge=0, description="Of the configuration it starts with; the manager's to set.")
    instance_id: str = Field(
        default_factory=drawn_instance_id,
        pattern="^[A-Za-z0-9._-]{1,64}$",
        description="Unique per process start; default: the host's name (in a container its id) and a random end.",
    )

    def version_of(self, folder: str) -> str:
        """The version it registers with; `folder`: of the xApp, e.g. slicing."""
        return self.xapp_version or find_descriptors()[folder].version


StandaloneSettingsT = TypeVar("StandaloneSettingsT", bound=ProcessSettings)


def raise_if_refused(error: BaseException) -> None:
    """Raises `RefusedByRic` when a stream ended because this process's identity may not do what it asked for."""
    if isinstance(error, grpc.aio.AioRpcError) and error.code() in _NOT_ALLOWED:
        raise RefusedByRic(f"{error.code().name}: {error.details()}") from error


@dataclass(frozen=True)
class ProcessLife:
    """What a process is told and tells.

    Attributes:
        log: its logger.
        stop: set on SIGTERM or SIGINT.
        ready: to be set while it takes work; the status port says so, and the ready file is written the first time.
        facts: go into the ready file, beside the status port.
    """

    log: Any
    stop: asyncio.Event
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    facts: dict[str, Any] = field(default_factory=dict)


def run_standalone(
    settings_class: type[StandaloneSettingsT],
    *,
    component: str,
    name: Callable[[StandaloneSettingsT], str],
    serve: Callable[[StandaloneSettingsT, ProcessLife], Awaitable[None]],
) -> int:
    """The whole life of a process, from the environment to the end on SIGTERM or SIGINT.

    Args:
        component: whose metrics it exports. name: stands in its log lines. serve: returns once `ProcessLife.stop` is set.
    Returns:
        Exit code: 0 after an orderly end; else as `services.common.process.run`.
    """

    async def main() -> None:
        settings = load_settings(settings_class)
        if settings.die_with_parent:
            process.die_with_parent()
        log = configure_logs(name(settings), level=settings.log_level)
        declare(component)
        log.info("xapp.starting", **settings.model_dump(mode="json"))
        life = ProcessLife(log, process.stop_event())
        status = StatusPort(settings, is_ready=life.ready.is_set)
        announcing = asyncio.create_task(_announce(settings, life, status.port))
        try:
            await serve(settings, life)
            log.info("xapp.stopped")
        finally:
            announcing.cancel()
            status.close()

    return process.run(main)


async def _announce(settings: ProcessSettings, life: ProcessLife, status_port: int) -> None:
    await life.ready.wait()
    process.write_ready_file(settings.ready_file, status_port=status_port, **life.facts)
