"""The manager's REST interface, as the console asks it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx

from ric_sim.domain.errors import PartUnreachable

TIMEOUT_S = 4.0
MAX_BODY_BYTES = 4 * 1024 * 1024


class ManagerSource:
    """One client of whatever manager there is; `PartUnreachable` whatever went wrong."""

    def __init__(self, *, token_file: Path | None = None, trusted: ssl.SSLContext | bool = True) -> None:
        """`trusted`: who may vouch for a manager on https."""
        self._token_file = token_file
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, verify=trusted)

    async def ask(self, url: str, method: str, path: str, *, body: bytes | None = None) -> httpx.Response:
        """The manager's answer, whatever its status."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        return await self._sent(method, url.rstrip("/") + path, content=body, headers=headers)

    async def document(self, url: str, path: str) -> Any:
        """A document of the manager; None if it has no such path."""
        reply = await self.ask(url, "GET", path)
        if reply.status_code == httpx.codes.NOT_FOUND:
            return None
        if reply.status_code != httpx.codes.OK:
            raise PartUnreachable(f"the manager at {url} answers {reply.status_code} for {path}: {problem_detail(reply)}")
        try:
            return reply.json()
        except ValueError as error:
            raise PartUnreachable(f"the manager at {url}: what it answers for {path} is not JSON") from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _sent(self, method: str, url: str, **content: Any) -> httpx.Response:
        try:
            reply = await self._client.request(method, url, **content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartUnreachable(f"the manager does not answer at {url}: {str(error) or type(error).__name__}") from error
        if len(reply.content) > MAX_BODY_BYTES:
            raise PartUnreachable(f"the manager at {url}: {len(reply.content)} bytes, expected at most {MAX_BODY_BYTES}")
        return reply


def problem_detail(reply: httpx.Response) -> str:
    """What a problem document says, or the begin of whatever came instead."""
    try:
        return str(reply.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return reply.text[:300]
