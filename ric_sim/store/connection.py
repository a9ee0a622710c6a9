"""What all clients of a store share: how long to be patient, and what the server's errors mean to us."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from redis import exceptions, sentinel
from redis.asyncio import sentinel as async_sentinel
from redis.backoff import ExponentialBackoff

from ric_sim.domain.errors import InvalidInput, StoreCorrupt, StoreUnreachable

SOCKET_TIMEOUT_S = 5.0
_BACKOFF_BASE_S = 0.01
_BACKOFF_CAP_S = 0.25

_UNREACHABLE = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.NoPermissionError,
    exceptions.MasterDownError,
)
_REFUSALS = ("MISCONF", "NOREPLICAS")
"""Error codes, without a class in the library, of a server that takes no writes just now."""


def retry_plan(patience_s: float) -> tuple[ExponentialBackoff, int]:
    """Back-off and number of retries that together last about `patience_s` seconds."""
    backoff = ExponentialBackoff(cap=_BACKOFF_CAP_S, base=_BACKOFF_BASE_S)
    retries, waited_s = 0, 0.0
    while waited_s < patience_s:
        retries += 1
        waited_s += min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2**retries)
    return backoff, retries


def connection_options() -> dict[str, Any]:
    """Options of every connection. RESP2: replies stay flat lists of bytes, which is what the codec reads fastest."""
    return {"protocol": 2, "socket_timeout": SOCKET_TIMEOUT_S, "socket_connect_timeout": SOCKET_TIMEOUT_S}


class TranslatedErrors:
    """Context manager: the library's exceptions inside, ours outside. Reusable and re-entrant."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None or not isinstance(error, exceptions.RedisError):
            return
        if isinstance(error, exceptions.DataError):
            raise InvalidInput(f"a value cannot be sent to the store: {error}") from error
        if isinstance(error, _UNREACHABLE) or str(error).startswith(_REFUSALS):
            raise StoreUnreachable(
                f"the store at {self._address} does not serve ({_reason(error)}); whether the call took effect is unknown: "
                "check that it runs, then repeat the call"
            ) from error
        raise StoreCorrupt(
            f"the store at {self._address} answered {error}: its keys hold something else; use another namespace"
        ) from error


def _reason(error: exceptions.RedisError) -> str:
    if isinstance(error, sentinel.MasterNotFoundError | async_sentinel.MasterNotFoundError):
        known, _, _ = str(error).partition(" : ")  # what follows are the settings of every connection that was tried
        return f"{known}: no Sentinel answers that knows one which serves"
    return str(error)
