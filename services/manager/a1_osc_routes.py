"""A1-P in the dialect of O-RAN SC's A1 mediator: integer types, 202 for changes, its status object.

The types are Ricity's own: creating one that exists as it is answers 201, any other 400.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request, Response

from ric_sim.domain.errors import InvalidInput, NotFound, RicUnreachable
from services.common.rest_problems import problem_answers
from services.manager.a1_book import Status
from services.manager.a1_routes import PREFIX, Destination, PolicyId, bounded_body
from services.manager.a1_service import PolicyService, parse
from services.manager.a1_types import POLICY_TYPES, PolicyType

TypeNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]
_POLICY = "/policytypes/{number}/policies/{policy_id}"
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
_BY_NUMBER = {policy_type.number: policy_type for policy_type in POLICY_TYPES.values()}


def osc_router(service: PolicyService) -> APIRouter:
    """The routes of the dialect."""
    policies = APIRouter(prefix=PREFIX, tags=["A1-P (O-RAN SC)"], responses=problem_answers(400, 404, 429, 503))
    _add_types(policies, service)
    _add_policies(policies, service)
    router = APIRouter()
    router.include_router(policies)
    _add_delivery(router)
    return router


def _add_types(router: APIRouter, service: PolicyService) -> None:
    @router.get("/healthcheck", response_class=Response)
    async def health() -> Response:
        if not service.cache.alive:
            raise RicUnreachable("the RIC does not answer")
        return Response()

    @router.get("/policytypes")
    async def list_types() -> list[int]:
        return list(_BY_NUMBER)

    @router.get("/policytypes/{number}")
    async def get_type(number: TypeNumber) -> dict[str, Any]:
        return _described(_type(number))

    @router.put(
        "/policytypes/{number}",
        status_code=HTTPStatus.CREATED,
        response_class=Response,
        responses=problem_answers(413, 415),
        openapi_extra=_BODY,
    )
    async def put_type(number: TypeNumber, request: Request) -> Response:
        policy_type, document = _BY_NUMBER.get(number), parse(await _json_body(request))
        if policy_type is None or document != _described(policy_type):
            raise InvalidInput(f"the policy types are Ricity's own ({', '.join(map(str, _BY_NUMBER))}) and cannot be changed")
        return Response(status_code=HTTPStatus.CREATED)

    @router.delete("/policytypes/{number}", response_class=Response)
    async def delete_type(number: TypeNumber) -> Response:
        raise InvalidInput(f"policy type {_type(number).number} is Ricity's own and cannot be deleted")


def _add_policies(router: APIRouter, service: PolicyService) -> None:
    @router.get("/policytypes/{number}/policies")
    async def list_policies(number: TypeNumber) -> list[str]:
        return service.cache.ids(_type(number).type_id)

    @router.put(
        _POLICY,
        status_code=HTTPStatus.ACCEPTED,
        response_class=Response,
        responses=problem_answers(413, 415),
        openapi_extra=_BODY,
    )
    async def put_policy(
        request: Request,
        number: TypeNumber,
        policy_id: PolicyId,
        destination: Destination = "",
    ) -> Response:
        await service.put(_type(number), policy_id, await _json_body(request), destination=destination)
        return Response(status_code=HTTPStatus.ACCEPTED)

    @router.get(_POLICY)
    async def get_policy(number: TypeNumber, policy_id: PolicyId) -> dict[str, Any]:
        return service.cache.document(_type(number).type_id, policy_id)

    @router.delete(_POLICY, status_code=HTTPStatus.ACCEPTED, response_class=Response)
    async def delete_policy(number: TypeNumber, policy_id: PolicyId) -> Response:
        await service.delete(_type(number).type_id, policy_id)
        return Response(status_code=HTTPStatus.ACCEPTED)

    @router.get(f"{_POLICY}/status")
    async def get_status(number: TypeNumber, policy_id: PolicyId) -> dict[str, str]:
        return _osc_status(service.cache.status(_type(number).type_id, policy_id))


def _add_delivery(router: APIRouter) -> None:
    """Enrichment information, which belongs to a job that an xApp has asked for: none of Ricity's asks for any."""

    @router.post(
        "/data-delivery",
        tags=["A1-EI (O-RAN SC)"],
        response_class=Response,
        responses=problem_answers(400, 404, 413, 415),
        openapi_extra=_BODY,
    )
    async def deliver(request: Request) -> Response:
        document = parse(await _json_body(request))
        if not isinstance(document, dict):
            raise InvalidInput("expected an object whose `job` names the job that this was made for")
        raise NotFound(f"no enrichment information job {document.get('job')!r:.140}: no xApp here has asked for any")


def _type(number: int) -> PolicyType:
    if number not in _BY_NUMBER:
        raise NotFound(f"no policy type {number}: expected one of {', '.join(map(str, _BY_NUMBER))}")
    return _BY_NUMBER[number]


def _described(policy_type: PolicyType) -> dict[str, Any]:
    return {
        "name": policy_type.type_id,
        "description": policy_type.summary,
        "policy_type_id": policy_type.number,
        "create_schema": policy_type.schema,
    }


def _osc_status(status: Status) -> dict[str, str]:
    return {"instance_status": "IN EFFECT" if status.enforced else "NOT IN EFFECT", "has_been_deleted": "false"}


async def _json_body(request: Request) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content type {media_type!r:.80}: expected application/json")
    return await bounded_body(request)
