"""In front of a REST interface: a bearer token with a role, for everything."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import Field

from ric_sim.domain.errors import AccessRefused, MalformedFile, PermissionDenied, RicityError, Unauthenticated
from services.common.errors import edge_codes
from services.common.settings import ProcessSettings
from services.common.tls import check_plain
from services.common.tls_context import HttpsTls
from services.common.tokens import Role, Token, TokenBook

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_READING = ("GET", "HEAD", "OPTIONS")
_BEARER, _BASIC = b'Bearer realm="ricity"', b'Basic realm="ricity", charset="UTF-8"'
_PROBLEM = b"application/problem+json"


class RestSettings(ProcessSettings):
    """What a process with a REST interface takes beside the rest."""

    tokens_file: Path | None = Field(
        None, description="Of `ricity token create`: who may use the REST interface; empty: everybody on this machine."
    )
    rest_tls: bool = Field(
        default=True,
        description="With RICITY_TLS_DIR, REST is https; false leaves it http, for a proxy or a browser on loopback.",
    )

    def server_options(self) -> dict[str, Any]:
        """What `uvicorn.Config` takes for https; nothing where it is http. Raises `CertificateUnusable`."""
        if self.tls_dir is None or not self.rest_tls:
            return {}
        context = HttpsTls(self.tls_dir).lasting()
        return {"ssl_context_factory": lambda _config, _default: context}


def protect(app: FastAPI, settings: RestSettings, *, log: Any, browser: bool = False) -> None:
    """Lets only those in who bring a token of `settings.tokens_file`; viewers read, operators may do everything.

    Args:
        browser: it is a page: a browser asks its user for the token, as the password of any user name.
    Raises:
        InvalidInput: without a token file, other machines would be let in unasked. MalformedFile: it cannot be used.
    """
    if settings.tokens_file is None:
        check_plain(
            settings.host, insecure=settings.insecure, doing=f"serve REST on {settings.host} without RICITY_TOKENS_FILE and"
        )
        return
    book = TokenBook(settings.tokens_file)
    app.add_middleware(TokenGuard, book=book, browser=browser, log=log)
    _describe(app)


class TokenGuard:
    """ASGI middleware; an answer that streams passes through it untouched."""

    def __init__(self, app: Application, *, book: TokenBook, browser: bool, log: Any) -> None:
        self._app, self._book, self._log = app, book, log
        self._challenge = _BASIC if browser else _BEARER

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            token = self._admit(scope)
        except RicityError as error:
            client = (scope.get("client") or ("",))[0]
            self._log.warning(
                "access.refused", method=scope.get("method", scope["type"]), path=scope["path"], peer=client, code=error.code
            )
            await _refuse(scope, send, error, challenge=self._challenge)
            return
        scope.setdefault("state", {}).update(token_name=token.name, token_role=token.role)
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope) -> Token:
        """Whose request it is. Raises `Unauthenticated`, `PermissionDenied`."""
        bearer = self._bearer([value for name, value in scope["headers"] if name == b"authorization"])
        if not bearer:
            raise Unauthenticated("expected the header `Authorization: Bearer TOKEN`; `ricity token create` makes tokens")
        try:
            token = self._book.find(bearer)
        except MalformedFile as error:
            self._log.error("tokens.unusable", error=str(error))
            raise Unauthenticated("no token is taken at the moment: the token file is being changed") from error
        if token is None:
            raise Unauthenticated("the token is not one of this deployment's, or was revoked")
        if token.role is not Role.OPERATOR and scope.get("method") not in _READING:
            raise PermissionDenied(f"token {token.name!r} has role {token.role}: {scope.get('method')} needs {Role.OPERATOR}")
        return token

    def _bearer(self, given: list[bytes]) -> str:
        """The token that came with a request, empty if none did."""
        scheme, _, credentials = given[0].decode("latin-1").partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() == "basic" and self._challenge is _BASIC:
            try:
                return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
            except ValueError:
                return ""
        return credentials.strip() if scheme.lower() == "bearer" else ""


async def _refuse(scope: Scope, send: Send, error: RicityError, *, challenge: bytes) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4401})
        return
    status = HTTPStatus(edge_codes(error).http_status)
    body = {
        "type": f"urn:ricity:error:{error.code}",
        "title": status.phrase,
        "status": status,
        "detail": str(error),
        "instance": scope["path"],
        "code": error.code,
    }
    headers = [(b"content-type", _PROBLEM)]
    if status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", challenge))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def _describe(app: FastAPI) -> None:
    """The OpenAPI document says that tokens are needed, and how their lack is answered."""
    make = app.openapi

    def described() -> dict[str, Any]:
        document = make()
        document.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        members = {"type": "object", "required": ["type", "title", "status", "detail", "instance"]}
        for operations in document["paths"].values():
            for operation in operations.values():
                for status in (edge_codes(error).http_status for error in (Unauthenticated(""), AccessRefused(""))):
                    content = {_PROBLEM.decode(): {"schema": members}}
                    operation["responses"].setdefault(str(int(status)), {"description": status.phrase, "content": content})
        return document

    app.openapi = described  # type: ignore[method-assign]
