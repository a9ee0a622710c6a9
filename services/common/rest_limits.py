"""How much a REST interface reads of one request before it refuses the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ric_sim.domain.errors import OversizeMessage
from services.common.errors import edge_codes

MAX_BODY_BYTES = 1 << 20
"""Of a JSON document: an xApp's descriptor or a policy is some kilobytes."""


class BodyTooLarge(OversizeMessage, HTTPException):
    """An `OversizeMessage`, and of the kind that FastAPI passes on untouched when reading a body raises it."""

    def __init__(self, message: str) -> None:
        OversizeMessage.__init__(self, message)
        HTTPException.__init__(self, edge_codes(self).http_status, message)

    __str__ = OversizeMessage.__str__


def limit_bodies(app: FastAPI, *, uploads: Mapping[str, int] | None = None) -> None:
    """Ends the reading of a longer body with 413, before it is parsed and however it is sent.

    Args:
        uploads: patterns of whole paths that take files, with how many bytes in all; every other takes `MAX_BODY_BYTES`.
    """
    app.add_middleware(BodyLimit, uploads={re.compile(path): limit for path, limit in (uploads or {}).items()})


class BodyLimit:
    """ASGI middleware: `BodyTooLarge` out of `receive`, for the application to answer."""

    def __init__(self, app: ASGIApp, *, uploads: Mapping[re.Pattern[str], int]) -> None:
        self._app, self._uploads = app, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most_bytes, read_bytes = self._most_bytes(scope["path"]), 0
        announced = _announced_bytes(scope)

        async def counted() -> Message:
            nonlocal read_bytes
            message = {} if announced > most_bytes else await receive()
            read_bytes += len(message.get("body", b""))
            if max(read_bytes, announced) > most_bytes:
                raise BodyTooLarge(f"a body of {max(read_bytes, announced)} bytes or more: at most {most_bytes} are taken")
            return message

        await self._app(scope, counted, send)

    def _most_bytes(self, path: str) -> int:
        return next((limit for pattern, limit in self._uploads.items() if pattern.fullmatch(path)), MAX_BODY_BYTES)


def _announced_bytes(scope: Scope) -> int:
    """Of the Content-Length header, 0 without one."""
    lengths: list[Any] = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() else 0
