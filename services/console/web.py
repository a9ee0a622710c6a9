"""The page and what it asks for: its files, the city, the stream of state, and changes of policies."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Path, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.staticfiles import StaticFiles

from ric_sim.domain.errors import Overloaded, OversizeMessage, PartUnreachable, RicityError
from services.common.errors import edge_codes
from services.console.hub import Hub

STATIC = FilePath(__file__).parent / "static"
FRAME_GAP_S = 0.5
"""Least time between two frames to one browser: two a second at most, whatever happens meanwhile."""

QUIET_S = 10.0
MAX_STREAMS = 64
MAX_BODY_BYTES = 256 * 1024

Name = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
ChangePolicy = Callable[[str, str, str, bytes | None], Awaitable[httpx.Response]]


@dataclass(slots=True)
class Streams:
    """How many browsers listen."""

    open: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """What the routes need.

    Attributes:
        city: the city's document, None before a RIC was reached.
        change_policy: method, policy type, policy id, body -> the manager's answer.
    """

    hub: Hub
    city: Callable[[], dict[str, Any] | None]
    change_policy: ChangePolicy
    streams: Streams


def make_app(page: Page) -> FastAPI:
    """The application, without its guard."""
    app = FastAPI(title="Ricity console", version="1", docs_url=None, redoc_url=None)

    @app.exception_handler(RicityError)
    async def ours(_request: Request, error: RicityError) -> JSONResponse:
        return _problem(edge_codes(error).http_status, str(error))

    @app.get("/api/v1/city")
    async def city() -> Response:
        document = page.city()
        if document is None:
            raise PartUnreachable("no RIC has been reached yet, so the city is not known")
        return Response(json.dumps(document, separators=(",", ":")), media_type="application/json")

    @app.get("/api/v1/events")
    async def events() -> StreamingResponse:
        if page.streams.open >= MAX_STREAMS:
            raise Overloaded(f"{MAX_STREAMS} browsers listen already: close one")
        return StreamingResponse(stream(page.hub, page.streams), media_type="text/event-stream")

    @app.put("/api/v1/policies/{type_id}/{policy_id}")
    async def put_policy(request: Request, type_id: Name, policy_id: Name) -> Response:
        return _passed_on(await page.change_policy("PUT", type_id, policy_id, await _body(request)))

    @app.delete("/api/v1/policies/{type_id}/{policy_id}")
    async def delete_policy(type_id: Name, policy_id: Name) -> Response:
        return _passed_on(await page.change_policy("DELETE", type_id, policy_id, None))

    app.mount("/", StaticFiles(directory=STATIC, html=True))
    return app


async def stream(hub: Hub, streams: Streams) -> AsyncIterator[str]:
    """Server-sent events: `history` once, then `state` with the sections that changed since the frame before."""
    streams.open += 1
    try:
        yield _event("history", json.dumps(hub.history(), separators=(",", ":")))
        seq = 0
        while not hub.closed:
            sent_s = time.monotonic()
            seq, text = hub.changes(seq)
            if text:
                yield _event("state", text)
            elif not await hub.wait(seq, within_s=QUIET_S):
                yield ": quiet\n\n"
                continue
            await asyncio.sleep(max(0.0, FRAME_GAP_S - (time.monotonic() - sent_s)))
    finally:
        streams.open -= 1


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise OversizeMessage(f"the policy is longer than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _passed_on(reply: httpx.Response) -> Response:
    return Response(reply.content, reply.status_code, media_type=reply.headers.get("content-type"))


def _problem(status: HTTPStatus, detail: str) -> JSONResponse:
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")
