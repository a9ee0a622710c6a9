"""`/v1/xapps` and `/v1/rollouts`."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Response
from pydantic import StringConstraints

from services.common.json_text import whole_text
from services.common.rest_problems import problem_answers
from services.manager.lifecycle.descriptor import NAME_PATTERN, SCHEMA
from services.manager.lifecycle.documents import (
    ConfiguredDocument,
    DeployBody,
    DesiredDocument,
    OnboardedDocument,
    PlanBody,
    RolloutDocument,
    RolloutsDocument,
    UpgradeBody,
    XappsDocument,
    configured_document,
    desired_document,
    rollout_document,
    xapps_document,
)
from services.manager.lifecycle.model import Rollout, RolloutPlan
from services.manager.lifecycle.service import Lifecycle

XappName = Annotated[str, Path(pattern=NAME_PATTERN)]
RolloutId = Annotated[str, Path(pattern="^[0-9a-f]{12}$")]
Value = Annotated[str, StringConstraints(max_length=4096)]
_DESCRIPTOR = {"requestBody": {"required": True, "content": {"application/json": {"schema": SCHEMA}}}}


def lifecycle_router(service: Lifecycle) -> APIRouter:
    """The routes."""
    router = APIRouter(
        prefix="/v1", tags=["xApps"], responses=problem_answers(400, 404, 409, 413, 503), dependencies=[Depends(whole_text)]
    )
    _add_xapps(router, service)
    _add_changes(router, service)
    _add_rollouts(router, service)
    return router


def _add_xapps(router: APIRouter, service: Lifecycle) -> None:
    @router.get("/xapps")
    async def list_xapps() -> XappsDocument:
        return xapps_document(service.xapps.values(), service.reconciler)

    @router.post("/xapps", status_code=HTTPStatus.CREATED, openapi_extra=_DESCRIPTOR)
    async def onboard(document: Annotated[dict[str, Any], Body()]) -> OnboardedDocument:
        return OnboardedDocument(xapps=service.onboard(document), version=document["version"])

    @router.get("/xapps/{name}/versions/{version}")
    async def get_version(name: XappName, version: str) -> dict[str, Any]:
        """The descriptor of a version, as it was onboarded."""
        return dict(service.catalogue.version(name, version).document)

    @router.delete("/xapps/{name}", status_code=HTTPStatus.NO_CONTENT)
    async def remove(name: XappName) -> Response:
        service.remove(name)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.put("/xapps/{name}/config")
    async def configure(name: XappName, config: Annotated[dict[str, Value], Body(max_length=100)]) -> ConfiguredDocument:
        return configured_document(await service.configure(name, config))


def _add_changes(router: APIRouter, service: Lifecycle) -> None:
    @router.post("/xapps/{name}/deploy")
    async def deploy(name: XappName, body: DeployBody) -> DesiredDocument:
        return desired_document(service.deploy(name, body.version, body.replicas, standby=body.standby))

    @router.post("/xapps/{name}/upgrade", status_code=HTTPStatus.ACCEPTED)
    async def upgrade(name: XappName, body: UpgradeBody) -> RolloutDocument:
        return _told(service.upgrade(name, body.to, body.plan()))

    @router.post("/xapps/{name}/rollback", status_code=HTTPStatus.ACCEPTED)
    async def rollback(name: XappName, body: PlanBody | None = None) -> RolloutDocument:
        return _told(service.rollback(name, body.plan() if body else RolloutPlan()))


def _add_rollouts(router: APIRouter, service: Lifecycle) -> None:
    @router.get("/rollouts")
    async def list_rollouts() -> RolloutsDocument:
        return RolloutsDocument(rollouts=[_told(rollout) for rollout in service.rollouts.values()])

    @router.get("/rollouts/{rollout_id}")
    async def get_rollout(rollout_id: RolloutId) -> RolloutDocument:
        return _told(service.rollout(rollout_id))


def _told(rollout: Rollout) -> RolloutDocument:
    return rollout_document(rollout, time.time())
