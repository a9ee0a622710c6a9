"""The paths that O-RAN SC's application manager and its xApps know: `/ric/v1/...` (appmgr 0.3, xapp-frame)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from ric_sim.domain.errors import NotFound, RicUnreachable
from services.common.json_text import whole_text
from services.common.rest_problems import problem_answers
from services.manager.lifecycle.descriptor import NAME_PATTERN
from services.manager.lifecycle.documents import XappDocument, xapps_document
from services.manager.lifecycle.registrations import Hook, Registration, Registrations
from services.manager.lifecycle.service import Lifecycle

_INSTANCE_STATUS = {"ready": "running", "draining": "running", "starting": "pending", "failed": "failed"}
_Name = Annotated[str, Field(min_length=1, max_length=128)]
PathName = Annotated[str, Path(pattern=NAME_PATTERN)]
Text = Annotated[str, Field(max_length=2048)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class RegisterBody(_Body):
    appName: _Name
    appInstanceName: _Name
    appVersion: Text = ""
    configPath: Text = ""
    httpEndpoint: Text = ""
    rmrEndpoint: Text = ""
    config: Annotated[str, Field(max_length=65536)] = ""


class DeregisterBody(_Body):
    appName: _Name
    appInstanceName: _Name


class XappBody(_Body):
    xappName: _Name
    helmVersion: Text = ""
    releaseName: Text = ""
    namespace: Text = ""
    overrideFile: dict[str, Any] | None = None


class HookData(_Body):
    targetUrl: Annotated[str, Field(max_length=2048, pattern="^https?://[^\\s/]+")]
    eventType: Literal["deployed", "undeployed", "created", "modified", "deleted", "restarted", "all"]
    maxRetries: int = Field(3, ge=0, le=10)
    retryTimer: int = Field(1, ge=1, le=60)


class HookBody(_Body):
    data: HookData


class ConfigMetadata(_Body):
    xappName: _Name
    namespace: Text = ""


class ConfigBody(_Body):
    metadata: ConfigMetadata
    config: dict[str, str]


def osc_lifecycle_router(service: Lifecycle, registrations: Registrations) -> APIRouter:
    """The routes."""
    refusals = problem_answers(400, 404, 409, 413, 429, 503)
    router = APIRouter(prefix="/ric/v1", tags=["O-RAN SC"], responses=refusals, dependencies=[Depends(whole_text)])
    _add_health(router, service)
    _add_registration(router, registrations)
    _add_xapps(router, service)
    _add_config(router, service)
    _add_hooks(router, registrations)
    return router


def _add_health(router: APIRouter, service: Lifecycle) -> None:
    @router.get("/health/alive", response_class=Response)
    async def alive() -> Response:
        return Response()

    @router.get("/health/ready", response_class=Response)
    async def ready() -> Response:
        if not service.reconciler.ric_answers:
            raise RicUnreachable("the RIC does not answer")
        return Response()


def _add_registration(router: APIRouter, registrations: Registrations) -> None:
    @router.post("/register", status_code=HTTPStatus.CREATED, response_class=Response)
    async def register(body: RegisterBody) -> Response:
        registrations.put(Registration(**body.model_dump()))
        return Response(status_code=HTTPStatus.CREATED)

    @router.post("/deregister", status_code=HTTPStatus.NO_CONTENT)
    async def deregister(body: DeregisterBody) -> Response:
        registrations.remove(body.appName, body.appInstanceName)
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_xapps(router: APIRouter, service: Lifecycle) -> None:
    def known() -> list[XappDocument]:
        return [xapp for xapp in xapps_document(service.xapps.values(), service.reconciler).xapps if xapp.name in service.xapps]

    def one(name: str) -> XappDocument:
        service.catalogue.find(name)
        return next(xapp for xapp in known() if xapp.name == name)

    @router.post("/xapps", status_code=HTTPStatus.CREATED)
    async def deploy(body: XappBody) -> JSONResponse:
        xapp = service.catalogue.find(body.xappName)
        version = body.helmVersion or next(reversed(list(xapp.documents)))
        service.deploy(xapp.name, version, max(1, xapp.desired.replicas) if xapp.desired else 1)
        return JSONResponse(_osc_xapp(one(xapp.name)), HTTPStatus.CREATED)

    @router.get("/xapps")
    async def list_xapps() -> list[dict[str, Any]]:
        return [_osc_xapp(xapp) for xapp in known()]

    @router.get("/xapps/list")
    async def list_names() -> list[str]:
        return [xapp.name for xapp in known()]

    @router.get("/xapps/{name}")
    async def get_xapp(name: PathName) -> dict[str, Any]:
        return _osc_xapp(one(name))

    @router.get("/xapps/{name}/instances/{instance}")
    async def get_instance(name: PathName, instance: Annotated[str, Path(max_length=128)]) -> dict[str, Any]:
        found = next((row for row in _osc_xapp(one(name))["instances"] if row["name"] == instance), None)
        if found is None:
            raise NotFound(f"{name} has no instance {instance!r:.80}: GET /ric/v1/xapps/{name} lists them")
        return found

    @router.delete("/xapps/{name}", status_code=HTTPStatus.NO_CONTENT)
    async def undeploy(name: PathName) -> Response:
        desired = service.catalogue.find(name).desired
        if desired is not None:
            service.deploy(name, desired.version, 0)
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_config(router: APIRouter, service: Lifecycle) -> None:
    def config_of(name: str) -> dict[str, Any]:
        desired = service.catalogue.find(name).desired
        return {"metadata": {"xappName": name, "namespace": ""}, "config": dict(desired.config) if desired else {}}

    @router.get("/config")
    async def all_configs() -> list[dict[str, Any]]:
        return [config_of(name) for name, xapp in service.xapps.items() if not xapp.deleted]

    @router.get("/config/{name}")
    async def one_config(name: PathName) -> dict[str, Any]:
        return config_of(name)

    @router.put("/config")
    async def put_config(body: ConfigBody) -> dict[str, Any]:
        await service.configure(body.metadata.xappName, body.config)
        return config_of(body.metadata.xappName)


def _add_hooks(router: APIRouter, registrations: Registrations) -> None:
    @router.post("/subscriptions", status_code=HTTPStatus.CREATED)
    async def create(body: HookBody) -> JSONResponse:
        hook = registrations.add_hook(Hook(**body.data.model_dump()))
        return JSONResponse(_osc_hook(hook), HTTPStatus.CREATED)

    @router.get("/subscriptions")
    async def list_hooks() -> list[dict[str, Any]]:
        return [_osc_hook(hook) for hook in registrations.hooks.values()]

    @router.get("/subscriptions/{hook_id}")
    async def get_hook(hook_id: Annotated[str, Path(max_length=64)]) -> dict[str, Any]:
        return _osc_hook(registrations.hook(hook_id))

    @router.put("/subscriptions/{hook_id}")
    async def change(hook_id: Annotated[str, Path(max_length=64)], body: HookBody) -> dict[str, Any]:
        return _osc_hook(registrations.change_hook(hook_id, Hook(**body.data.model_dump())))

    @router.delete("/subscriptions/{hook_id}", status_code=HTTPStatus.NO_CONTENT)
    async def remove(hook_id: Annotated[str, Path(max_length=64)]) -> Response:
        registrations.remove_hook(hook_id)
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _osc_xapp(xapp: XappDocument) -> dict[str, Any]:
    rows = [
        {"name": row.instance_id, "status": _INSTANCE_STATUS[row.state], "ip": "", "port": 0, "version": each.version}
        for each in xapp.versions
        for row in each.instances
    ]
    version = xapp.desired.version if xapp.desired else xapp.descriptor_version
    failed = bool(rows) and all(row["status"] == "failed" for row in rows)
    status = "failed" if failed else "deployed" if xapp.desired and xapp.desired.replicas else "unknown"
    return {"name": xapp.name, "status": status, "version": version, "instances": rows}


def _osc_hook(hook: Hook) -> dict[str, Any]:
    return {"id": hook.hook_id, "data": json.loads(hook.as_json())}
