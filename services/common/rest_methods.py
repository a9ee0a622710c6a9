"""Which methods a REST path takes: what an answer 405 has to list in `Allow` (RFC 9110, section 15.5.6)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Mount

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_READING = ("GET", "HEAD")


def allowed_methods(request: Request) -> str:
    """The value of `Allow` for the request's path. The framework's own names only those of the first route it meets."""
    routes = request.app.router.routes

    def takes(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL and _serves(route, method) for route in routes)

    return ", ".join(filter(takes, _METHODS))


def _serves(route: BaseRoute, method: str) -> bool:
    """A folder of files fits any method and takes only those that read."""
    return method in _READING or not isinstance(route, Mount)
