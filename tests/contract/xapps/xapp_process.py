"""An xApp as the operating system sees it: a process with environment variables, a ready file, a log and an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness import eventually
from xapps.sdk.descriptor import XappInstance


@dataclass
class XappProcess:
    """A running xApp; `ready` is the content of its ready file."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    log: Path

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log lines of an event so far."""
        whole = (line for line in self.log.read_text().splitlines(keepends=True) if line.startswith("{") and line.endswith("\n"))
        parsed = (json.loads(line) for line in whole)
        return [line for line in parsed if line.get("event") == event]

    async def get(self, path: str) -> str:
        """What its status port says; raises for anything but 200."""
        url = f"http://127.0.0.1:{self.ready['status_port']}{path}"
        return await asyncio.to_thread(_read, url)


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read().decode()


async def start_xapp(instance: XappInstance, variables: Mapping[str, object], log: Path) -> asyncio.subprocess.Process:
    """Starts the instance's module with its own variables and these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RICITY_")}
    env = inherited | dict(instance.env) | {f"RICITY_{name.upper()}": str(value) for name, value in variables.items()}
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(sys.executable, "-m", instance.module, env=env, stdout=output, stderr=output)


@contextlib.asynccontextmanager
async def running_xapp(instance: XappInstance, folder: Path, **variables: object) -> AsyncIterator[XappProcess]:
    """The xApp once it is attached; leaving the context ends it if it still runs."""
    ready_file, log = folder / "ready.json", folder / "xapp.log"
    process = await start_xapp(instance, {"ready_file": ready_file, **variables}, log)
    try:
        await eventually(lambda: ready_file.exists() or process.returncode is not None, within_s=100)
        assert ready_file.exists(), log.read_text()
        yield XappProcess(process, json.loads(ready_file.read_text()), log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
