"""A Docker engine as the manager sees one, whose containers are entries of a list: nothing is ever started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any


class ScriptedEngine:
    """What is created runs until it is removed."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, Any]] = {}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Status and document for a request of the API."""
        if method == "POST" and "/containers/create" in path:
            container = uuid.uuid4().hex
            row = {"Id": container, "Created": int(time.time()), "State": "running", "Status": "Up"}
            self.containers[container] = {**row, "Labels": json.loads(body)["Labels"]}
            return 201, {"Id": container}
        if method == "GET" and "/containers/json" in path:
            return 200, list(self.containers.values())
        if method == "DELETE":
            self.containers.pop(path.split("/containers/")[1].partition("?")[0], None)
        return 204, None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?i)content-length: (\d+)", head)
            method, path, _ = head.split(maxsplit=2)
            status, document = self.answer(method, path, await reader.readexactly(int(length[1]) if length else 0))
            content = b"" if document is None else json.dumps(document).encode()
            writer.write(f"HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def scripted_engine() -> AsyncIterator[Path]:
    """Its socket, in a folder with a name short enough for one."""
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        socket = Path(folder) / "docker.sock"
        server = await asyncio.start_unix_server(ScriptedEngine().serve, socket)
        async with server:
            yield socket
            server.close()
