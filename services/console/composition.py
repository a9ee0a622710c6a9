"""How the parts of the console process are put together."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import httpx
import structlog

from services.common.rest_guard import protect
from services.common.rest_server import serving
from services.common.status_port import StatusPort
from services.common.tasks import end_tasks
from services.common.tls_context import MutualTls
from services.console import parts
from services.console.faults import FaultWatch
from services.console.feeds import Feed, HealthFeed, MetricsFeed, RicFeeds, follow
from services.console.guard import Guard
from services.console.hub import Hub
from services.console.manager_feeds import ManagerFeeds
from services.console.metrics import ConsoleMetrics
from services.console.parts import MANAGER, REGISTRY, find_places
from services.console.registry_feed import RegistryFeed
from services.console.rest_source import RestSource
from services.console.settings import ConsoleSettings
from services.console.slicing_shape import (
    CRITIC_METRICS,
    RADIO_METRICS,
    critic_section,
    radio_section,
    slicing_points,
)
from services.console.status_source import StatusSource
from services.console.traffic_shape import NODES_METRICS, RIC_METRICS, ric_section, services_section, traffic_points
from services.console.web import Page, Streams, make_app


@dataclass(frozen=True, slots=True)
class RunningConsole:
    """A console whose ports are bound. `failed` gets the error of a part all depends on."""

    http_port: int
    status_port: int
    hub: Hub
    failed: asyncio.Future[None]


@contextlib.asynccontextmanager
async def running_console(settings: ConsoleSettings) -> AsyncIterator[RunningConsole]:
    """Starts the console in this event loop; leaving the context stops it. What it shows may come and go meanwhile.

    Raises:
        InvalidInput: `parts` is not name=host:port,..., or the address cannot be had.
    """
    find_places(settings)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with contextlib.AsyncExitStack() as stack:
        hub, streams = Hub(), Streams()
        trusted = settings.transport.trusted()
        manager = ManagerFeeds(RestSource(MANAGER, token_file=settings.manager_token_file, trusted=trusted))
        registry = RegistryFeed(RestSource(REGISTRY, token_file=settings.registry_token_file, trusted=trusted))
        ric = RicFeeds(hub, settings.transport)
        for source in (manager, registry, ric):
            stack.push_async_callback(source.close)
        status = StatusSource(MutualTls(settings.tls_dir, serves=False) if settings.tls_dir else None)
        every_s = settings.period_ms / 1000
        changing = [*manager.feeds(), registry.feed()]
        pokes = {feed.sections: asyncio.Event() for feed in changing}
        quiet = asyncio.Event()
        activities = [
            follow(feed, hub, lambda: find_places(settings), pokes.get(feed.sections, quiet))
            for feed in [*ric.feeds(every_s), *_metrics_feeds(status, every_s), HealthFeed(status).feed(), *changing]
        ]
        tasks = [asyncio.create_task(activity) for activity in (*activities, _keep_books(hub, streams, every_s))]
        for task in tasks:
            task.add_done_callback(lambda ended: _report(ended, failed))
        stack.push_async_callback(end_tasks, *tasks)
        hosts = frozenset(filter(None, (name.strip() for name in settings.allowed_hosts.split(","))))
        acts = _Acts(settings, manager, registry, pokes.values())
        page = make_app(
            Page(hub, lambda: ric.city, acts.change_policy, acts.manager, acts.registry, streams, read_only=settings.read_only)
        )
        protect(page, settings, log=structlog.get_logger(), browser=True)
        app = Guard(page, hosts=hosts, read_only=settings.read_only)
        http_port = await stack.enter_async_context(
            serving(app, host=settings.host, port=settings.http_port, **settings.server_options())
        )
        stack.callback(hub.close)
        status_port = StatusPort(settings, is_ready=lambda: not hub.closed)
        stack.callback(status_port.close)
        hub.publish("console", {"connected": True, "read_only": settings.read_only, "period_ms": settings.period_ms})
        yield RunningConsole(http_port, status_port.port, hub, failed)


class _Acts:
    """What is changed from the page; what may look otherwise afterwards is looked at again at once."""

    def __init__(
        self, settings: ConsoleSettings, manager: ManagerFeeds, registry: RegistryFeed, pokes: Iterable[asyncio.Event]
    ) -> None:
        self._settings, self._manager, self._registry, self._pokes = settings, manager, registry, tuple(pokes)

    async def change_policy(self, method: str, type_id: str, policy_id: str, body: bytes | None) -> httpx.Response:
        return self._noticed(await self._manager.change_policy(find_places(self._settings), method, type_id, policy_id, body))

    async def manager(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        return self._noticed(await self._manager.act(find_places(self._settings), method, path, body))

    async def registry(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        return self._noticed(await self._registry.act(find_places(self._settings), method, path, body))

    def _noticed(self, reply: httpx.Response) -> httpx.Response:
        if reply.request.method != "GET":
            for poke in self._pokes:
                poke.set()
        return reply


def _metrics_feeds(status: StatusSource, every_s: float) -> list[Feed]:
    return [
        MetricsFeed(status, parts.NODES, NODES_METRICS, services_section).feed("services", every_s),
        MetricsFeed(status, parts.RIC, RIC_METRICS, ric_section).feed("ric", every_s),
        MetricsFeed(status, parts.RADIO, RADIO_METRICS, radio_section).feed("radio", every_s),
        MetricsFeed(status, parts.CRITIC, CRITIC_METRICS, critic_section).feed("critic", every_s),
    ]


async def _keep_books(hub: Hub, streams: Streams, every_s: float) -> None:
    """History, faults and the console's own metrics, in step with what was published."""
    watch, metrics = FaultWatch(), ConsoleMetrics()
    while True:
        await asyncio.sleep(every_s)
        at_s = time.time()
        points: dict[str, float] = {}
        services, radio, load = hub.get("services"), hub.get("radio"), hub.get("load")
        if services.get("connected"):
            points |= traffic_points(services)
        if radio.get("connected"):
            points |= slicing_points(radio)
        if load.get("connected"):
            points |= {"link_mean": load["link_mean_ratio"], "link_max": load["link_max_ratio"]}
        hub.point(at_s, points)
        hub.publish("faults", watch.update(hub, at_s))
        metrics.publish(hub, streams)


def _report(ended: asyncio.Task[None], failed: asyncio.Future[None]) -> None:
    error = None if ended.cancelled() else ended.exception()
    if error is not None and not failed.done():
        failed.set_exception(error)
