"""Start and end of a process: the event loop, the ready file, signals, and not outliving the parent."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from ric_sim.domain.errors import RicityError
from services.common.errors import edge_codes
from services.common.redaction import redact

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Asks the kernel (Linux) to end this process when its parent ends, so that a killed launcher leaves nothing behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def write_ready_file(path: Path | None, **facts: Any) -> None:
    """Tells a launcher that the process takes work: one JSON object with its pid and the given facts, written at once."""
    if path is None:
        return
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps({"pid": os.getpid(), **facts}))
    part.replace(path)


def stop_event() -> asyncio.Event:
    """Set on SIGTERM or SIGINT; call inside the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def first_of(stop: asyncio.Event, failed: asyncio.Future[None]) -> None:
    """Waits for the order to stop; raises what `failed` is given if that comes first."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((stopping, failed), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if failed.done():
        failed.result()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Runs `main` on uvloop; returns the exit code, with a typed error printed as one JSON line."""
    import uvloop

    try:
        uvloop.run(main())
    except RicityError as error:
        sys.stderr.write(json.dumps({"event": "process.failed", "code": error.code, "error": redact(str(error))}) + "\n")
        return edge_codes(error).exit_code
    except KeyboardInterrupt:
        return 130
    return 0
