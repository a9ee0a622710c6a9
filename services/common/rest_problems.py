"""Every error of a REST interface as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ric_sim.domain.errors import RicityError
from services.common.errors import edge_codes
from services.common.json_text import writable
from services.common.rest_methods import allowed_methods

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """RFC 9457, with our stable error code as `type`."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


def problem_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What FastAPI's `responses` takes, for the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def problem(request: Request, status: int, detail: str, *, code: str = "") -> JSONResponse:
    """The answer to a request that cannot be served."""
    reply = Problem(
        type=f"urn:ricity:error:{code}" if code else "about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=writable(detail),
        instance=request.url.path,
    )
    headers = {"Retry-After": "1"} if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS) else None
    return JSONResponse(reply.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def install_problems(app: FastAPI, *, log: Any) -> None:
    """Makes every error of the application a problem document; a defect is logged and tells nothing of itself."""

    @app.exception_handler(RicityError)
    async def ours(request: Request, error: RicityError) -> JSONResponse:
        return problem(request, edge_codes(error).http_status, str(error), code=error.code)

    @app.exception_handler(HTTPException)
    async def of_the_framework(request: Request, error: HTTPException) -> JSONResponse:
        reply = problem(request, error.status_code, str(error.detail))
        reply.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            reply.headers["Allow"] = allowed_methods(request)
        return reply

    @app.exception_handler(RequestValidationError)
    async def unusable(request: Request, error: RequestValidationError) -> JSONResponse:
        detail = "; ".join(f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in error.errors())
        return problem(request, HTTPStatus.BAD_REQUEST, detail)

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> JSONResponse:
        log.error("rest.failed", path=request.url.path, exc_info=error)
        return problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "a defect; the log says more")
