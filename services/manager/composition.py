"""How the parts of the manager process are put together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from services.common.rest_guard import protect
from services.common.rest_limits import limit_bodies
from services.common.rest_problems import install_problems
from services.common.rest_server import serving
from services.common.status_port import StatusPort
from services.common.tasks import end_tasks
from services.manager.a1_book import PolicyCache
from services.manager.a1_callbacks import Notifier
from services.manager.a1_osc_routes import osc_router
from services.manager.a1_routes import a1_router
from services.manager.a1_service import PolicyService
from services.manager.ab.routes import ab_router
from services.manager.ab.running import running_ab
from services.manager.conflict_routes import conflict_link, conflict_router
from services.manager.lifecycle.composition import add_lifecycle
from services.manager.ric_link import RicLink
from services.manager.settings import ManagerSettings


@dataclass(frozen=True, slots=True)
class RunningManager:
    """A manager that takes requests; its ports are bound. `failed` gets the error of a part all depends on."""

    http_port: int
    status_port: int
    failed: asyncio.Future[None]


@contextlib.asynccontextmanager
async def running_manager(settings: ManagerSettings, *, log: Any) -> AsyncIterator[RunningManager]:
    """Starts the manager in this event loop; leaving the context stops it. The RIC may come and go meanwhile."""
    async with contextlib.AsyncExitStack() as stack:
        destinations = settings.destinations
        notifier = Notifier(destinations, timeout_s=settings.a1_callback_timeout_s, tries=settings.a1_callback_tries, log=log)
        stack.push_async_callback(notifier.close)
        cache = PolicyCache(notifier.notify)
        link = RicLink(settings.ric, settings.transport, cache, log=log)
        stack.push_async_callback(link.close)
        following = asyncio.create_task(link.run())
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        following.add_done_callback(lambda ended: _report(ended, failed))
        stack.push_async_callback(end_tasks, following)
        app = make_app(PolicyService(cache, link, destinations), dialect=settings.a1_dialect, log=log)
        operations = await add_lifecycle(app, settings, stack, failed, log=log)
        engine = await stack.enter_async_context(running_ab(settings, failed, operations=operations, log=log))
        if operations is not None:
            operations.yield_to(engine.trial_of)
        app.include_router(ab_router(engine))
        app.include_router(conflict_router(await stack.enter_async_context(conflict_link(settings))))
        protect(app, settings, log=log)
        http_port = await stack.enter_async_context(
            serving(app, host=settings.host, port=settings.http_port, **settings.server_options())
        )
        status_port = StatusPort(settings, is_ready=lambda: cache.alive)
        stack.callback(status_port.close)
        yield RunningManager(http_port, status_port.port, failed)


def make_app(service: PolicyService, *, dialect: str, log: Any) -> FastAPI:
    """The REST interface."""
    # The interactive pages load their scripts from elsewhere; the OpenAPI document itself is served.
    app = FastAPI(title="Ricity manager", version="1", docs_url=None, redoc_url=None)
    install_problems(app, log=log)
    limit_bodies(app)
    app.include_router(osc_router(service) if dialect == "osc" else a1_router(service))
    return app


def _report(ended: asyncio.Task[None], failed: asyncio.Future[None]) -> None:
    error = None if ended.cancelled() else ended.exception()
    if error is not None and not failed.done():
        failed.set_exception(error)
