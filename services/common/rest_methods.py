"""Which methods a REST path takes: what an answer 405 has to list in `Allow` (RFC 9110, section 15.5.6)."""

from __future__ import annotations

from fastapi import Request
from starlette.routing import compile_path

FILES = "GET, HEAD"
"""What a path takes that the OpenAPI document does not know: a page's file."""


def allowed_methods(request: Request) -> str:
    """The value of `Allow` for the request's path. The framework's own names only those of the first route it meets."""
    paths = request.app.openapi()["paths"]
    fitting = [template for template in paths if compile_path(template)[0].match(request.scope["path"])]
    if not fitting:
        return FILES
    most_concrete = min(fitting, key=lambda template: template.count("{"))
    return ", ".join(sorted(method.upper() for method in paths[most_concrete]))
