"""A/B tests as a part of the manager process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from services.manager.ab.engine import AbEngine, Operations
from services.manager.ab.folder import AbFolder
from services.manager.ab.versions import RicVersions
from services.manager.settings import ManagerSettings


@contextlib.asynccontextmanager
async def running_ab(
    settings: ManagerSettings, failed: asyncio.Future[None], *, operations: Operations | None = None, log: Any
) -> AsyncIterator[AbEngine]:
    """The engine at work; leaving the context stops it where it stands.

    Args:
        failed: gets the error that ended it, if one did.
        operations: who else changes versions; None: nobody.
    Raises:
        StoreCorrupt: a test on disk cannot be read.
    """
    ric = RicVersions(settings.ric, settings.transport)
    engine = AbEngine(AbFolder(settings.ab_folder), ric, operations=operations, log=log)
    task = asyncio.create_task(engine.run())
    task.add_done_callback(lambda ended: _report(ended, failed))
    try:
        yield engine
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await ric.close()


def _report(ended: asyncio.Task[None], failed: asyncio.Future[None]) -> None:
    error = None if ended.cancelled() else ended.exception()
    if error is not None and not failed.done():
        failed.set_exception(error)
