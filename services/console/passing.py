"""Requests of the page that are passed on: answered with what the part behind answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any

import httpx
from fastapi import Path, Response

from services.common.rest_problems import problem_answers

Name = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[!-~]*[!-\-/-~][!-~]*$")]
"""Not of dots alone: `..` would lead to another path of the part behind."""

Ask = Callable[[str, str, bytes | None], Awaitable[httpx.Response]]
"""Method, path, JSON body -> the part's answer. Raises `PartUnreachable`, `NotFound` if there is no such part."""

OBJECT_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
REFUSALS = problem_answers(400, 401, 403, 404, 409, 413, 422, 429, 503)
"""What the guard, the manager and the registry refuse with."""


def succeeds_with(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """What FastAPI's `responses` takes: these statuses beside the refusals."""
    return {**{int(status): {"description": status.phrase} for status in statuses}, **REFUSALS}


def passed_on(reply: httpx.Response) -> Response:
    """A part's answer as it is."""
    return Response(reply.content, reply.status_code, media_type=reply.headers.get("content-type"))
