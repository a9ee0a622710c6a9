"""What an operator does from the page: each act is one path of the manager or the registry, and no other path is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Request, Response

from ric_sim.domain.errors import RicityError
from services.console.descriptor_text import descriptor_json
from services.console.passing import OBJECT_BODY, Ask, Name, passed_on, succeeds_with

_MODELS = "/registry/v1/models"
_OK = succeeds_with(HTTPStatus.OK)
_ACCEPTED = succeeds_with(HTTPStatus.ACCEPTED)
_CREATED = succeeds_with(HTTPStatus.CREATED)
_YAML = "application/yaml"
_DESCRIPTOR = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}, _YAML: {"schema": {"type": "string"}}},
    }
}
_PICTURE: dict[int | str, dict[str, Any]] = {**_OK, 200: {"description": "the figure", "content": {"image/svg+xml": {}}}}


def acts_router(manager: Ask, registry: Ask, *, log: Any) -> APIRouter:
    """The routes; every act is logged with who asked for it and what became of it."""
    router = APIRouter(prefix="/api/v1")

    async def act(part: Ask, request: Request, path: str, body: bytes | None = None) -> Response:
        return passed_on(await recorded(log, request, part(request.method, path, body)))

    _add_xapps(router, manager, act)
    _add_tests(router, manager, act)
    _add_models(router, registry, act)
    return router


def _add_xapps(router: APIRouter, manager: Ask, act: Any) -> None:
    @router.post("/xapps", status_code=HTTPStatus.CREATED, responses=_CREATED, openapi_extra=_DESCRIPTOR)
    async def onboard(request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _YAML:
            body = await asyncio.to_thread(descriptor_json, body)
        return await act(manager, request, "/v1/xapps", body)

    @router.delete("/xapps/{name}", status_code=HTTPStatus.NO_CONTENT, responses=succeeds_with(HTTPStatus.NO_CONTENT))
    async def forget(request: Request, name: Name) -> Response:
        return await act(manager, request, _xapp(name))

    @router.put("/xapps/{name}/config", responses=_OK, openapi_extra=OBJECT_BODY)
    async def configure(request: Request, name: Name) -> Response:
        return await act(manager, request, f"{_xapp(name)}/config", await request.body())

    @router.post("/xapps/{name}/deploy", responses=_OK, openapi_extra=OBJECT_BODY)
    async def deploy(request: Request, name: Name) -> Response:
        return await act(manager, request, f"{_xapp(name)}/deploy", await request.body())

    @router.post("/xapps/{name}/upgrade", status_code=HTTPStatus.ACCEPTED, responses=_ACCEPTED, openapi_extra=OBJECT_BODY)
    async def upgrade(request: Request, name: Name) -> Response:
        return await act(manager, request, f"{_xapp(name)}/upgrade", await request.body())

    @router.post("/xapps/{name}/rollback", status_code=HTTPStatus.ACCEPTED, responses=_ACCEPTED)
    async def roll_back(request: Request, name: Name) -> Response:
        return await act(manager, request, f"{_xapp(name)}/rollback")


def _add_tests(router: APIRouter, manager: Ask, act: Any) -> None:
    @router.post("/ab", status_code=HTTPStatus.CREATED, responses=_CREATED, openapi_extra=OBJECT_BODY)
    async def start_test(request: Request) -> Response:
        return await act(manager, request, "/v1/ab", await request.body())

    @router.post("/ab/{test_id}/stop", responses=_OK)
    async def stop_test(request: Request, test_id: Name) -> Response:
        return await act(manager, request, f"/v1/ab/{quote(test_id, safe='')}/stop")

    @router.get("/ab/{test_id}/evidence.svg", response_class=Response, responses=_PICTURE)
    async def figure(test_id: Name) -> Response:
        return passed_on(await manager("GET", f"/v1/ab/{quote(test_id, safe='')}/evidence.svg", None))


def _add_models(router: APIRouter, registry: Ask, act: Any) -> None:
    @router.post("/models/{name}/versions/{version}/stage", responses=_OK, openapi_extra=OBJECT_BODY)
    async def move(request: Request, name: Name, version: int) -> Response:
        return await act(registry, request, f"{_model(name)}/versions/{version}/stage", await request.body())

    @router.post("/models/{name}/rollback", responses=_OK)
    async def bring_back(request: Request, name: Name) -> Response:
        return await act(registry, request, f"{_model(name)}/rollback")


def _xapp(name: str) -> str:
    return f"/v1/xapps/{quote(name, safe='')}"


def _model(name: str) -> str:
    return f"{_MODELS}/{quote(name, safe='')}"


async def recorded(log: Any, request: Request, asked: Awaitable[httpx.Response]) -> httpx.Response:
    """What a part answers to an act. Who asked for what, and what became of it, is in the log, also if nobody answered."""
    who = request.scope.get("state", {}).get("token_name", "")
    tell = partial(log.info, "console.act", who=who, method=request.method, path=request.url.path)
    try:
        reply = await asked
    except RicityError as error:
        tell(error=error.code)
        raise
    tell(status=reply.status_code)
    return reply
