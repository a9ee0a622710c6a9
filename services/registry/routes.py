"""The REST interface of a registry: paths and JSON on one side, `Registry` on the other."""

from __future__ import annotations

import re
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from ric_sim.domain.errors import InvalidInput, OversizeMessage, RicityError
from ric_sim.domain.weight_file import MOST_BYTES, SUFFIX
from services.common.errors import edge_codes
from services.common.json_text import writable
from services.common.rest_limits import limit_bodies
from services.common.rest_methods import allowed_methods
from services.registry.model import Model, ModelVersion, Stage, read_metrics
from services.registry.registry import Registry

PREFIX = "/registry/v1"
_MOST_FILES = 32
_MOST_UPLOAD_BYTES = 256 * 2**20
"""Of all files together: those of eight services are some megabytes."""

_AGENT = re.compile("[a-z][a-z0-9_-]{0,31}")
_PROBLEM = "application/problem+json"


class Problem(BaseModel):
    """RFC 9457; `code` is that of the error, stable and machine-readable."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    code: str


class StageChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    stage: Stage = Field(description="production, canary, staged (a canary's way back) or retired.")


class SweepRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    keep_retired: int | None = Field(None, ge=0, description="Drop the files of retired versions but the newest so many.")
    model: str = Field("", max_length=80, description="The one model whose versions are meant; empty: all.")


class SweepReport(BaseModel):
    removed: tuple[str, ...]
    collected: tuple[str, ...]
    freed_bytes: int


class VerifyReport(BaseModel):
    ok: bool
    problems: list[str]


def create_app(registry: Registry) -> FastAPI:
    """The application, without a server."""
    problems: dict[int | str, dict[str, Any]] = {
        code: {"model": Problem, "content": {_PROBLEM: {}}, "description": HTTPStatus(code).phrase}
        for code in (400, 404, 409, 413, 422, 500, 503)
    }
    app = FastAPI(title="Ricity model registry", version="1", docs_url=None, redoc_url=None, responses=problems)
    app.add_exception_handler(RicityError, _typed)
    app.add_exception_handler(RequestValidationError, _unusable)
    app.add_exception_handler(HTTPException, _http)
    limit_bodies(app, uploads={rf"{PREFIX}/models/[^/]+/versions": _MOST_UPLOAD_BYTES})
    _add_reading(app, registry)
    _add_changes(app, registry)
    return app


def _add_reading(app: FastAPI, registry: Registry) -> None:
    @app.get("/ric/v1/health/alive", response_class=PlainTextResponse)
    def alive() -> str:
        """The process answers."""
        return "alive\n"

    @app.get("/ric/v1/health/ready", response_class=PlainTextResponse)
    def ready() -> str:
        """The index can be read."""
        registry.models()
        return "ready\n"

    @app.get(f"{PREFIX}/models")
    def models() -> list[Model]:
        """All models with all their versions."""
        return list(registry.models().values())

    @app.get(f"{PREFIX}/models/{{name}}")
    def model(name: str) -> Model:
        """One model."""
        return registry.model(name)

    @app.get(f"{PREFIX}/models/{{name}}/versions/{{version}}")
    def version(name: str, version: int) -> ModelVersion:
        """One version of a model."""
        return registry.model(name).version(version)

    @app.get(f"{PREFIX}/verification")
    def verification() -> VerifyReport:
        """Reads every file again."""
        found = registry.verify()
        return VerifyReport(ok=not found, problems=found)


def _add_changes(app: FastAPI, registry: Registry) -> None:
    @app.post(f"{PREFIX}/models/{{name}}/versions", status_code=HTTPStatus.CREATED)
    def publish(
        name: str,
        files: list[UploadFile],
        response: Response,
        parent: Annotated[int | None, Query(ge=1)] = None,
        metric: Annotated[list[str] | None, Query(description="NAME=NUMBER")] = None,
    ) -> ModelVersion:
        """Takes in weights, one file per agent named <agent>.safetensors. 200 and the old version if they are known."""
        metrics = read_metrics(metric or [])
        with tempfile.TemporaryDirectory(prefix="ricity-publish-") as scratch:
            _receive(files, Path(scratch))
            published = registry.publish(name, Path(scratch), metrics=metrics, parent=parent)
        if not published.created:
            response.status_code = HTTPStatus.OK
        return published.version

    @app.post(f"{PREFIX}/models/{{name}}/versions/{{version}}/stage")
    def change_stage(name: str, version: int, change: StageChange) -> ModelVersion:
        """Promotes or retires a version."""
        return registry.promote(name, version, change.stage)

    @app.post(f"{PREFIX}/models/{{name}}/rollback")
    def rollback(name: str) -> ModelVersion:
        """Brings back what was in production before."""
        return registry.rollback(name)

    @app.post(f"{PREFIX}/sweep")
    def sweep(request: SweepRequest) -> SweepReport:
        """Removes what no version refers to."""
        swept = registry.collect(keep_retired=request.keep_retired, only=request.model)
        return SweepReport(removed=swept.removed, collected=swept.collected, freed_bytes=swept.freed_bytes)


def _receive(files: list[UploadFile], folder: Path) -> None:
    """Writes uploaded files into a folder; their names may not lead out of it."""
    if len(files) > _MOST_FILES:
        raise OversizeMessage(f"{len(files)} files: expected at most {_MOST_FILES}")
    for file in files:
        agent, dot, ending = (file.filename or "").partition(".")
        if f"{dot}{ending}" != SUFFIX or not _AGENT.fullmatch(agent):
            raise InvalidInput(
                f"file {(file.filename or '')[:80]!r}: expected <agent>{SUFFIX}, e.g. video{SUFFIX} or du_0{SUFFIX}"
            )
        content = file.file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise OversizeMessage(f"{file.filename}: more than {MOST_BYTES} bytes")
        (folder / f"{agent}{SUFFIX}").write_bytes(content)


def _typed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RicityError)
    return _problem(request, edge_codes(error).http_status, str(error), error.code)


def _unusable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    lines = [f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in error.errors()]
    return _problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(lines), InvalidInput.code)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    reply = _problem(request, HTTPStatus(error.status_code), str(error.detail), "http")
    reply.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        reply.headers["Allow"] = allowed_methods(request)
    return reply


def _problem(request: Request, status: HTTPStatus, detail: str, code: str) -> JSONResponse:
    problem = Problem(title=status.phrase, status=status, detail=writable(detail), instance=request.url.path, code=code)
    return JSONResponse(problem.model_dump(), status_code=status, media_type=_PROBLEM)
