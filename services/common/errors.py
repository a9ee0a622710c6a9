"""The one table from our errors to gRPC status, HTTP status and exit code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import grpc
import structlog

from ric_sim.domain import errors
from ric_sim.telemetry import counter

Admission = Callable[[str, Any], object]
"""Takes a gRPC method's full name and a call's context; raises `AccessRefused` for a caller that may not."""

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_UNUSABLE_INPUT = 2
EXIT_UNREACHABLE = 3


@dataclass(frozen=True, slots=True)
class EdgeCodes:
    """How an error looks at each edge of the system."""

    grpc_status: grpc.StatusCode
    http_status: HTTPStatus
    exit_code: int


_TABLE: dict[type[errors.RicityError], EdgeCodes] = {
    errors.RicityError: EdgeCodes(grpc.StatusCode.INTERNAL, HTTPStatus.INTERNAL_SERVER_ERROR, EXIT_FAILED),
    errors.InvalidInput: EdgeCodes(grpc.StatusCode.INVALID_ARGUMENT, HTTPStatus.BAD_REQUEST, EXIT_UNUSABLE_INPUT),
    errors.OversizeMessage: EdgeCodes(grpc.StatusCode.INVALID_ARGUMENT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, EXIT_UNUSABLE_INPUT),
    errors.UnsupportedVersion: EdgeCodes(grpc.StatusCode.FAILED_PRECONDITION, HTTPStatus.BAD_REQUEST, EXIT_UNUSABLE_INPUT),
    errors.Conflict: EdgeCodes(grpc.StatusCode.ALREADY_EXISTS, HTTPStatus.CONFLICT, EXIT_UNUSABLE_INPUT),
    errors.CityMismatch: EdgeCodes(grpc.StatusCode.FAILED_PRECONDITION, HTTPStatus.CONFLICT, EXIT_UNUSABLE_INPUT),
    errors.NotFound: EdgeCodes(grpc.StatusCode.NOT_FOUND, HTTPStatus.NOT_FOUND, EXIT_UNUSABLE_INPUT),
    errors.AccessRefused: EdgeCodes(grpc.StatusCode.PERMISSION_DENIED, HTTPStatus.FORBIDDEN, EXIT_UNUSABLE_INPUT),
    errors.Unauthenticated: EdgeCodes(grpc.StatusCode.UNAUTHENTICATED, HTTPStatus.UNAUTHORIZED, EXIT_UNUSABLE_INPUT),
    errors.StoreUnreachable: EdgeCodes(grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, EXIT_UNREACHABLE),
    errors.StoreWentBack: EdgeCodes(grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, EXIT_UNREACHABLE),
    errors.StoreCorrupt: EdgeCodes(grpc.StatusCode.DATA_LOSS, HTTPStatus.INTERNAL_SERVER_ERROR, EXIT_FAILED),
    errors.RicUnreachable: EdgeCodes(grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, EXIT_UNREACHABLE),
    errors.PartUnreachable: EdgeCodes(grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, EXIT_UNREACHABLE),
    errors.RegistryUnavailable: EdgeCodes(grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, EXIT_UNREACHABLE),
    errors.RegistryCorrupt: EdgeCodes(grpc.StatusCode.DATA_LOSS, HTTPStatus.INTERNAL_SERVER_ERROR, EXIT_FAILED),
    errors.DriverUnavailable: EdgeCodes(grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, EXIT_UNREACHABLE),
    errors.Overloaded: EdgeCodes(grpc.StatusCode.RESOURCE_EXHAUSTED, HTTPStatus.TOO_MANY_REQUESTS, EXIT_FAILED),
    errors.AuditFailed: EdgeCodes(grpc.StatusCode.DATA_LOSS, HTTPStatus.INTERNAL_SERVER_ERROR, EXIT_FAILED),
}


def edge_codes(error: errors.RicityError) -> EdgeCodes:
    """Codes of the nearest class in the error's ancestry that the table names."""
    return next(_TABLE[cls] for cls in type(error).__mro__ if cls in _TABLE)


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns a `RicityError` raised in any servicer into its gRPC status; code and effect travel as trailing metadata.

    With `admit`, every call is first shown to it, once: a stream that has begun costs nothing more.
    """

    def __init__(self, admit: Admission | None = None) -> None:
        self._admit = admit

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        edge = _Edge(handler_call_details.method, self._admit)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                edge.unary(handler.unary_unary), handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                edge.stream(handler.unary_stream), handler.request_deserializer, handler.response_serializer
            )
        if handler.stream_stream:
            return grpc.stream_stream_rpc_method_handler(
                edge.stream(handler.stream_stream), handler.request_deserializer, handler.response_serializer
            )
        return handler


class _Edge:
    """Where one method's calls come in."""

    def __init__(self, method: str, admit: Admission | None) -> None:
        self._method, self._admit = method, admit

    def unary(self, method: Any) -> Any:
        async def call(request: Any, context: Any) -> Any:
            try:
                self._check(context)
                return await method(request, context)
            except errors.RicityError as error:
                await self._abort(context, error)

        return call

    def stream(self, method: Any) -> Any:
        async def call(request: Any, context: Any) -> Any:
            try:
                self._check(context)
                async for response in method(request, context):
                    yield response
            except errors.RicityError as error:
                await self._abort(context, error)

        return call

    def _check(self, context: Any) -> None:
        if self._admit is not None:
            self._admit(self._method, context)

    async def _abort(self, context: Any, error: errors.RicityError) -> None:
        counter("ricity_ric_invalid_messages_total").labels(cause=error.code).inc()
        if isinstance(error, errors.AccessRefused):
            structlog.get_logger().warning(
                "access.refused", method=self._method, peer=context.peer(), code=error.code, error=str(error)
            )
        metadata = (
            ("ricity-error-code", error.code),
            ("ricity-error-retryable", str(error.retryable).lower()),
            ("ricity-error-state-changed", error.state_changed),
        )
        await context.abort(edge_codes(error).grpc_status, str(error), trailing_metadata=metadata)
