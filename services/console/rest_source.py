"""The REST interfaces of the manager and the registry, as the console asks them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx

from ric_sim.domain.errors import PartUnreachable

LOOK_WITHIN_S = 4.0
ACT_WITHIN_S = 30.0
"""A promotion verifies the files it is about, however large they are."""

MAX_BODY_BYTES = 4 * 1024 * 1024


class RestSource:
    """One client of whatever part of that name there is; `PartUnreachable` whatever went wrong."""

    def __init__(self, part: str, *, token_file: Path | None = None, trusted: ssl.SSLContext | bool = True) -> None:
        """`part`: as messages call it. `trusted`: who may vouch for it on https."""
        self._part, self._token_file = part, token_file
        self._client = httpx.AsyncClient(timeout=LOOK_WITHIN_S, trust_env=False, verify=trusted)

    async def ask(
        self, url: str, method: str, path: str, *, body: bytes | None = None, within_s: float = LOOK_WITHIN_S
    ) -> httpx.Response:
        """The part's answer, whatever its status."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._read_token(self._token_file)}"
        return await self._sent(method, url.rstrip("/") + path, content=body, headers=headers, timeout=within_s)

    async def document(self, url: str, path: str) -> Any:
        """A document of the part; None if it has no such path."""
        reply = await self.ask(url, "GET", path)
        if reply.status_code == httpx.codes.NOT_FOUND:
            return None
        if reply.status_code != httpx.codes.OK:
            raise PartUnreachable(f"the {self._part} at {url} answers {reply.status_code} for {path}: {problem_detail(reply)}")
        try:
            return reply.json()
        except ValueError as error:
            raise PartUnreachable(f"the {self._part} at {url}: what it answers for {path} is not JSON") from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    def _read_token(self, path: Path) -> str:
        """Read anew for every request, so that a renewed one counts."""
        try:
            return path.read_text().strip()
        except OSError as error:
            raise PartUnreachable(f"the {self._part} cannot be asked: its token file {path}: {error.strerror}") from error

    async def _sent(self, method: str, url: str, **content: Any) -> httpx.Response:
        try:
            reply = await self._client.request(method, url, **content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartUnreachable(f"the {self._part} does not answer at {url}: {str(error) or type(error).__name__}") from error
        if len(reply.content) > MAX_BODY_BYTES:
            raise PartUnreachable(f"the {self._part} at {url}: {len(reply.content)} bytes, expected at most {MAX_BODY_BYTES}")
        return reply


def problem_detail(reply: httpx.Response) -> str:
    """What a problem document says, or the begin of whatever came instead."""
    try:
        return str(reply.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return reply.text[:300]
