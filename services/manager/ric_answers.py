"""What the RIC answers to the manager's calls: its result, or one of our errors."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import grpc

from ric_sim.domain.errors import (
    InvalidInput,
    NotFound,
    Overloaded,
    PermissionDenied,
    RicityError,
    RicUnreachable,
)

_ERRORS: dict[grpc.StatusCode, type[RicityError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    # Not `Unauthenticated`: who asked the manager is known; it is the manager whom the RIC does not know.
    grpc.StatusCode.UNAUTHENTICATED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: RicUnreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: RicUnreachable,
}


async def answered(target: str, answer: Awaitable[Any]) -> Any:
    """Waits for an answer of the RIC at `target`.

    Raises:
        InvalidInput, Overloaded: the RIC refused, and nothing changed there.
        NotFound; PermissionDenied: the manager's identity may not, or is none.
        RicUnreachable: it did not answer in time; whether it did anything is unknown.
        RicityError: it answered with another status.
    """
    try:
        return await answer
    except grpc.aio.AioRpcError as error:
        kind = _ERRORS.get(error.code(), RicityError)
        raise kind(f"the RIC at {target}: {error.details()}") from error
