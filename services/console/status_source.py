"""Status ports: small answers from many parts all the time, so asked for with as little around them as HTTP allows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from ric_sim.domain.errors import PartUnreachable
from services.common.tls_context import MutualTls
from services.console.exposition import parse

TIMEOUT_S = 4.0
MAX_ANSWER_BYTES = 4 * 1024 * 1024


class StatusSource:
    """Asks status ports, over TLS with this part's own certificate where there is TLS."""

    def __init__(self, tls: MutualTls | None = None) -> None:
        self._tls = tls

    async def metrics_of(self, part: str, address: str | None, names: Sequence[str]) -> dict[str, float]:
        """Samples of the named metrics of a part.

        Args:
            names: as they are exposed, so with `_bucket`, `_sum` and the like for a histogram.

        Raises:
            PartUnreachable: no address is known, or what is there does not answer.
        """
        if address is None:
            raise PartUnreachable(f"no status port of {part} is known: set RICITY_PARTS={part}=host:port or RICITY_RUN_FOLDER")
        path = f"/metrics?{urlencode([('name[]', name) for name in names])}"
        status, body = await self._get(part, address, path)
        if status != HTTPStatus.OK:
            raise PartUnreachable(f"{part} at {address}: HTTP {status} for /metrics")
        return parse(body.decode())

    async def is_ready(self, part: str, address: str) -> bool:
        """What a part says of itself. Raises `PartUnreachable`."""
        status, _ = await self._get(part, address, "/ric/v1/health/ready")
        return status == HTTPStatus.OK

    async def _get(self, part: str, address: str, path: str) -> tuple[int, bytes]:
        """HTTP/1.0: one request, and everything until the end is the answer."""
        host, _, port = address.rpartition(":")
        # The certificate has to be the part's, wherever its address leads.
        tls: dict[str, Any] = {} if self._tls is None else {"ssl": self._tls.context(), "server_hostname": part}
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), **tls)
                try:
                    writer.write(f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
                    answer = await _read(reader)
                finally:
                    writer.close()
        except TimeoutError as error:
            raise PartUnreachable(f"{part} at {address} does not answer within {TIMEOUT_S:g} s") from error
        except OSError as error:
            raise PartUnreachable(f"{part} does not answer at {address}: {error.strerror or error}") from error
        head, _, body = answer.partition(b"\r\n\r\n")
        words = head.split(maxsplit=2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            raise PartUnreachable(f"{part} at {address}: what answers there is not HTTP")
        return int(words[1]), body


async def _read(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    while chunk := await reader.read(65_536):
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise OSError(f"more than {MAX_ANSWER_BYTES} bytes")
    return bytes(answer)
