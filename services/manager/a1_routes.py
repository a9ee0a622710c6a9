"""A1-P version 2 as the O-RAN standard has it (A1AP, STD 2.0.0): paths, codes and bodies."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from ric_sim.e2.policy_scope import MAX_POLICY_ID_LENGTH
from services.common.rest_problems import problem_answers
from services.manager.a1_service import PolicyService, check_size, find_type
from services.manager.a1_types import POLICY_TYPES, STATUS_SCHEMA

PREFIX = "/A1-P/v2"

PolicyId = Annotated[str, Path(min_length=1, max_length=MAX_POLICY_ID_LENGTH, pattern=r"^[!-~]+$")]
Destination = Annotated[str, Query(alias="notificationDestination", max_length=2048)]
_POLICY = "/policytypes/{type_id}/policies/{policy_id}"
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


def a1_router(service: PolicyService) -> APIRouter:
    """The routes of the standard."""
    router = APIRouter(prefix=PREFIX, tags=["A1-P"], responses=problem_answers(400, 404, 429, 503))

    @router.get("/policytypes")
    async def list_types() -> list[str]:
        return list(POLICY_TYPES)

    @router.get("/policytypes/{type_id}")
    async def get_type(type_id: str) -> dict[str, Any]:
        return {"policySchema": find_type(type_id).schema, "statusSchema": STATUS_SCHEMA}

    @router.get("/policytypes/{type_id}/policies")
    async def list_policies(type_id: str) -> list[str]:
        return service.cache.ids(find_type(type_id).type_id)

    created: dict[int | str, dict[str, Any]] = {
        201: {"description": "Created", "headers": {"Location": {"schema": {"type": "string"}}}}
    }

    @router.put(_POLICY, responses={**created, **problem_answers(413)}, openapi_extra=_BODY)
    async def put_policy(
        request: Request, type_id: str, policy_id: PolicyId, notification_destination: Destination = ""
    ) -> JSONResponse:
        body = await bounded_body(request)
        is_new = await service.put(find_type(type_id), policy_id, body, destination=notification_destination)
        document = service.cache.document(type_id, policy_id)
        if not is_new:
            return JSONResponse(document)
        return JSONResponse(document, HTTPStatus.CREATED, headers={"Location": str(request.url.replace(query=""))})

    @router.get(_POLICY)
    async def get_policy(type_id: str, policy_id: PolicyId) -> dict[str, Any]:
        return service.cache.document(find_type(type_id).type_id, policy_id)

    @router.delete(_POLICY, status_code=HTTPStatus.NO_CONTENT)
    async def delete_policy(type_id: str, policy_id: PolicyId) -> Response:
        await service.delete(find_type(type_id).type_id, policy_id)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.get(f"{_POLICY}/status")
    async def get_status(type_id: str, policy_id: PolicyId) -> dict[str, str]:
        return service.cache.status(find_type(type_id).type_id, policy_id).as_json()

    return router


async def bounded_body(request: Request) -> bytes:
    """The request's body; `OversizeMessage` as soon as it is longer than a policy may be."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        check_size(len(body))
    return bytes(body)
