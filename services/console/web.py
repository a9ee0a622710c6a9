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
import structlog
from fastapi import FastAPI, Path, Request, Response
from fastapi.responses import StreamingResponse
from starlette.routing import Match, Mount, get_route_path
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ric_sim.domain.errors import Overloaded, OversizeMessage, PartUnreachable
from services.common.rest_limits import limit_bodies
from services.common.rest_problems import install_problems, problem_answers
from services.console.hub import Hub

STATIC = FilePath(__file__).parent / "static"
FRAME_GAP_S = 0.5
"""Least time between two frames to one browser: two a second at most, whatever happens meanwhile."""

QUIET_S = 10.0
MAX_STREAMS = 64
MAX_BODY_BYTES = 256 * 1024

Name = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
_POLICY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
_CREATED: dict[int | str, dict[str, Any]] = {HTTPStatus.CREATED: {"description": HTTPStatus.CREATED.phrase}}
_REFUSALS = problem_answers(400, 401, 403, 404, 413, 429, 503)
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
    install_problems(app, log=structlog.get_logger())
    limit_bodies(app)

    @app.get("/api/v1/city", responses=problem_answers(503))
    async def city() -> Response:
        document = page.city()
        if document is None:
            raise PartUnreachable("no RIC has been reached yet, so the city is not known")
        return Response(json.dumps(document, separators=(",", ":")), media_type="application/json")

    @app.get("/api/v1/events", response_class=EventStream, responses=problem_answers(429))
    async def events() -> EventStream:
        if page.streams.open >= MAX_STREAMS:
            raise Overloaded(f"{MAX_STREAMS} browsers listen already: close one")
        return EventStream(stream(page.hub, page.streams))

    @app.put("/api/v1/policies/{type_id}/{policy_id}", responses={**_CREATED, **_REFUSALS}, openapi_extra=_POLICY)
    async def put_policy(request: Request, type_id: Name, policy_id: Name) -> Response:
        return _passed_on(await page.change_policy("PUT", type_id, policy_id, await _body(request)))

    @app.delete("/api/v1/policies/{type_id}/{policy_id}", status_code=HTTPStatus.NO_CONTENT, responses=_REFUSALS)
    async def delete_policy(type_id: Name, policy_id: Name) -> Response:
        return _passed_on(await page.change_policy("DELETE", type_id, policy_id, None))

    app.router.routes.append(_PageFiles("/", StaticFiles(directory=STATIC, html=True)))
    return app


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class _PageFiles(Mount):
    """The page's files. What is asked for under `/api/` is none of them, whatever the method."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.NONE, {}) if get_route_path(scope).startswith("/api/") else super().matches(scope)


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
