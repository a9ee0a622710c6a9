"""What the console asks over HTTP: status ports, and the manager's REST interface."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from ric_sim.domain.errors import PartUnreachable
from services.console.exposition import parse

TIMEOUT_S = 2.0
MAX_BODY_BYTES = 4 * 1024 * 1024


class HttpSource:
    """One client for all; `PartUnreachable` whatever went wrong."""

    def __init__(self, *, token_file: Path | None = None, trusted: ssl.SSLContext | bool = True) -> None:
        """`trusted`: who may vouch for a manager on https."""
        self._token_file = token_file
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, verify=trusted)

    async def metrics(self, part: str, address: str | None, names: Sequence[str]) -> dict[str, float]:
        """Samples of the named metrics of a part's status port.

        Args:
            names: as they are exposed, so with `_bucket`, `_sum` and the like for a histogram.
        """
        if address is None:
            raise PartUnreachable(f"no status port of {part} is known: set RICITY_PARTS={part}=host:port or RICITY_RUN_FOLDER")
        reply = await self._sent(part, "GET", f"http://{address}/metrics", params=[("name[]", name) for name in names])
        if reply.status_code != httpx.codes.OK:
            raise PartUnreachable(f"{part} at {address}: HTTP {reply.status_code} for /metrics")
        return parse(reply.text)

    async def is_ready(self, part: str, address: str) -> bool:
        """What a part says of itself."""
        return (await self._sent(part, "GET", f"http://{address}/ric/v1/health/ready")).status_code == httpx.codes.OK

    async def manager(self, url: str, method: str, path: str, *, body: bytes | None = None) -> httpx.Response:
        """The manager's answer, whatever its status."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        return await self._sent("manager", method, url.rstrip("/") + path, content=body, headers=headers)

    async def manager_json(self, url: str, path: str) -> Any:
        """A document of the manager; None if it has no such path."""
        reply = await self.manager(url, "GET", path)
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

    async def _sent(self, part: str, method: str, url: str, **content: Any) -> httpx.Response:
        try:
            reply = await self._client.request(method, url, **content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartUnreachable(f"{part} does not answer at {url}: {str(error) or type(error).__name__}") from error
        if len(reply.content) > MAX_BODY_BYTES:
            raise PartUnreachable(f"{part} at {url}: {len(reply.content)} bytes, expected at most {MAX_BODY_BYTES}")
        return reply


def problem_detail(reply: httpx.Response) -> str:
    """What a problem document says, or the begin of whatever came instead."""
    try:
        return str(reply.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return reply.text[:300]
