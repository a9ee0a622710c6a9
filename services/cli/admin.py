"""The CLI's connection to a running RIC: where it is, and what to do when it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import grpc
import typer

from ric_sim.domain.errors import (
    InvalidInput,
    NotFound,
    PermissionDenied,
    PolicyRatioRefused,
    RicityError,
    RicUnreachable,
    Unauthenticated,
)
from ricity.e2.v1 import admin_pb2_grpc

DEFAULT_RIC = "127.0.0.1:50051"
TIMEOUT_S = 5.0

RicOption = Annotated[str, typer.Option("--ric", envvar="RICITY_RIC", help="Address of the RIC, host:port.", show_default=True)]

T = TypeVar("T")

_ERRORS: dict[grpc.StatusCode, type[RicityError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAVAILABLE: RicUnreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: RicUnreachable,
}
_ERRORS_BY_CODE: dict[str, type[RicityError]] = {PolicyRatioRefused.code: PolicyRatioRefused}


@contextmanager
def admin_stub(ric: str) -> Iterator[Any]:
    """A stub of E2AdminService.

    Raises:
        InvalidInput: `ric` is not host:port, or on another machine and RICITY_TLS_DIR is not set.
        RicUnreachable: nothing answers there; says how to start a RIC.
    """
    with open_channel(ric) as channel:
        yield admin_pb2_grpc.E2AdminServiceStub(channel)


def open_channel(ric: str) -> grpc.Channel:
    """A channel to the RIC at host:port; errors as of `admin_stub`, and `CertificateUnusable`."""
    from services.cli.connection import connection  # the settings are loaded for a call, not for every --help

    return connection().transport.blocking_channel(check_address(ric), peer="ric")


def ask(ric: str, call: Callable[[Any], T]) -> T:
    """One call on the RIC's admin service, its errors as ours."""
    with admin_stub(ric) as stub, translated_errors(ric):
        return call(stub)


_START_RIC = (
    "start one with `ricity run --keep` or `docker compose up -d`, or name another with --ric host:port or RICITY_RIC; "
    "containers speak TLS: `make -s login` prints what it takes"
)


@contextmanager
def translated_errors(target: str, *, part: str = "RIC", start: str = _START_RIC) -> Iterator[None]:
    """gRPC's errors inside, ours outside; `start` is what to do where no such part answers."""
    try:
        yield
    except grpc.RpcError as error:
        status, details = error.code(), error.details()
        code = dict(error.trailing_metadata() or ()).get("ricity-error-code", "")
        kind = _ERRORS_BY_CODE.get(code) or _ERRORS.get(status, RicityError)
        if kind is RicUnreachable:
            raise RicUnreachable(f"no {part} answers at {target} ({details}): {start}") from error
        raise kind(f"the {part} at {target} answered {status.name}: {details}") from error


def check_address(target: str, *, option: str = "--ric", example: str = DEFAULT_RIC) -> str:
    """`target` itself; `InvalidInput` unless it is host:port."""
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidInput(f"{option} {target!r}: expected host:port, e.g. {example}")
    return target
