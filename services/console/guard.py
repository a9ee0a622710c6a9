"""What every answer and every request of the page has to keep to, whatever the route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_READING = ("GET", "HEAD")


class Guard:
    """ASGI middleware: security headers on every answer; only the page's own origin may change anything.

    A foreign site can neither read an answer (no CORS headers are ever sent) nor have a change made, not even by a name of
    its own that resolves to this machine: the names the page may be asked for by are given.
    """

    def __init__(self, app: App, *, hosts: frozenset[str], read_only: bool) -> None:
        self._app, self._hosts, self._read_only = app, hosts, read_only
        self._headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        refusal = self._refusal(scope)
        if refusal:
            body = refusal.encode()
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
            await guarded({"type": "http.response.start", "status": HTTPStatus.FORBIDDEN, "headers": headers})
            await guarded({"type": "http.response.body", "body": body})
            return
        await self._app(scope, receive, guarded)

    def _refusal(self, scope: Message) -> str:
        """Why the request is not served, empty if it is."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if "*" not in self._hosts and host_name(host) not in self._hosts:
            return f"the console is not asked for as {host!r}: name it in RICITY_ALLOWED_HOSTS"
        if scope["method"] in _READING:
            return ""
        if self._read_only:
            return "the console is read-only (RICITY_READ_ONLY)"
        site, origin = headers.get("sec-fetch-site", "same-origin"), headers.get("origin")
        if site != "same-origin" or (origin is not None and urlsplit(origin).netloc != host):
            return "only the console's own page may change anything"
        return ""


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    return (urlsplit(f"//{host}").hostname or "") if host else ""
