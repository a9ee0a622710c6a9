"""A gRPC server as every Ricity process runs it: error mapping, health and reflection included."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common.channel import CHANNEL_OPTIONS, MAX_MESSAGE_BYTES
from services.common.errors import Admission, ErrorInterceptor

__all__ = ["CHANNEL_OPTIONS", "MAX_MESSAGE_BYTES", "HealthStatus", "create_server"]


class HealthStatus:
    """Serving state of the process, for `grpc.health.v1` and the HTTP status port alike."""

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()
        self.ready = False

    async def set_ready(self, *, ready: bool) -> None:
        """Declares the process able (or no longer able) to take work."""
        self.ready = ready
        serving = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        await self.servicer.set("", serving)


def create_server(status: HealthStatus, service_names: Sequence[str], *, admit: Admission | None = None) -> grpc.aio.Server:
    """A server with health and reflection; add servicers, bind a port (`Transport.bind`) and start it.

    Args:
        service_names: full names of the services that will be added, for reflection.
        admit: shown every call first; None admits all.
    """
    server = grpc.aio.server(
        interceptors=[ErrorInterceptor(admit)],
        options=[*CHANNEL_OPTIONS, ("grpc.so_reuseport", 0), ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000)],
    )
    health_pb2_grpc.add_HealthServicer_to_server(status.servicer, server)
    reflection.enable_server_reflection((*service_names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return server
