"""The page and what it asks for: its files, the city, the stream of state, who looks, and changes of policies."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

import httpx
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.routing import Match, Mount, get_route_path
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ric_sim.domain.errors import Overloaded, PartUnreachable
from services.common.rest_limits import limit_bodies
from services.common.rest_problems import install_problems, problem_answers
from services.common.tokens import Role
from services.console.acts import acts_router, recorded
from services.console.hub import Hub
from services.console.passing import OBJECT_BODY, Ask, Name, passed_on, succeeds_with

STATIC = Path(__file__).parent / "static"
FRAME_GAP_S = 0.5
"""Least time between two frames to one browser: two a second at most, whatever happens meanwhile."""

QUIET_S = 10.0
MAX_STREAMS = 64

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
        read_only: nobody changes anything from here, whatever the token.
    """

    hub: Hub
    city: Callable[[], dict[str, Any] | None]
    change_policy: ChangePolicy
    manager: Ask
    registry: Ask
    streams: Streams
    read_only: bool = False


class Visitor(BaseModel):
    """Who looks at the page: name of the token, empty without tokens; `why_not` says why `may_act` is false."""

    name: str
    role: Literal["viewer", "operator"]
    may_act: bool
    why_not: str


def make_app(page: Page) -> FastAPI:
    """The application, without its guard."""
    app = FastAPI(title="Ricity console", version="1", docs_url=None, redoc_url=None)
    log = structlog.get_logger()
    install_problems(app, log=log)
    limit_bodies(app)
    _add_looking(app, page)
    _add_policies(app, page, log=log)
    app.include_router(acts_router(page.manager, page.registry, log=log))
    app.router.routes.append(_PageFiles("/", StaticFiles(directory=STATIC, html=True)))
    return app


def _add_looking(app: FastAPI, page: Page) -> None:
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

    @app.get("/api/v1/me")
    async def me(request: Request) -> Visitor:
        """Who looks, and whether they may act."""
        return visitor(request.scope.get("state", {}), read_only=page.read_only)


def _add_policies(app: FastAPI, page: Page, *, log: Any) -> None:
    path = "/api/v1/policies/{type_id}/{policy_id}"

    @app.put(path, responses=succeeds_with(HTTPStatus.OK, HTTPStatus.CREATED), openapi_extra=OBJECT_BODY)
    async def put_policy(request: Request, type_id: Name, policy_id: Name) -> Response:
        return passed_on(await recorded(log, request, page.change_policy("PUT", type_id, policy_id, await request.body())))

    @app.delete(path, status_code=HTTPStatus.NO_CONTENT, responses=succeeds_with(HTTPStatus.NO_CONTENT))
    async def delete_policy(request: Request, type_id: Name, policy_id: Name) -> Response:
        return passed_on(await recorded(log, request, page.change_policy("DELETE", type_id, policy_id, None)))


def visitor(state: Mapping[str, Any], *, read_only: bool) -> Visitor:
    """From what the token guard noted of a request; without tokens everybody who gets here is an operator."""
    name, role = state.get("token_name", ""), state.get("token_role", Role.OPERATOR)
    why_not = ""
    if read_only:
        why_not = "The console is read-only (RICITY_READ_ONLY)."
    elif role is not Role.OPERATOR:
        why_not = f"You look with the token {name}, a viewer's: changes need an operator's."
    return Visitor(name=name, role=role.value, may_act=not why_not, why_not=why_not)


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
