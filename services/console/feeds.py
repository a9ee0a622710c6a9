"""What is looked at, how often, and into which sections of the page it goes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ric_sim.domain.errors import RicityError
from ric_sim.network.city import City
from ricity.e2.v1 import admin_pb2
from ricity.store.v1 import store_pb2
from services.common.tls import Transport
from services.console.city_shape import city_document, flows_section, load_section, log_section
from services.console.exposition import CounterWindow, Samples
from services.console.hub import Hub, Section
from services.console.parts import Places
from services.console.ric_source import RicSource
from services.console.status_source import StatusSource

LATEST_CHANGES = 40
INVENTORY_EVERY_S = 4.0
HEALTH_EVERY_S = 5.0
WINDOW_S = 30.0
PROCESS_METRICS = ("process_resident_memory_bytes", "process_cpu_seconds_total")

Sections = dict[str, Section]
Shape = Callable[[Samples, Samples, float], Section]


@dataclass(frozen=True, slots=True)
class Feed:
    """One thing that is looked at.

    Attributes:
        sections: what it publishes; all of them say `connected: false` when it cannot be read.
        every_s: between two looks.
        read: the look; raises an error of ours if what it looks at does not answer.
    """

    sections: tuple[str, ...]
    every_s: float
    read: Callable[[Places], Awaitable[Sections]]


def absent(error: RicityError) -> Section:
    """What a section says when its part does not answer."""
    return {"connected": False, "why": str(error)}


async def follow(feed: Feed, hub: Hub, places: Callable[[], Places], poke: asyncio.Event) -> None:
    """Reads the feed again and again until cancelled; `poke` set cuts the pause short."""
    while True:
        began_s = time.monotonic()
        try:
            found = await feed.read(places())
        except RicityError as error:
            found = dict.fromkeys(feed.sections, absent(error))
        for name, section in found.items():
            hub.publish(name, section)
        pause_s = max(0.05, feed.every_s - (time.monotonic() - began_s))
        try:
            async with asyncio.timeout(pause_s):
                await poke.wait()
            poke.clear()
        except TimeoutError:
            continue


class RicFeeds:
    """The RIC's gRPC services. A RIC that has moved, or came back with another city, is noticed."""

    def __init__(self, hub: Hub, transport: Transport) -> None:
        self._hub, self._transport = hub, transport
        self._changes: deque[store_pb2.ChangeRecord] = deque(maxlen=LATEST_CHANGES)
        self._source: RicSource | None = None
        self._city: City | None = None
        self._document: dict[str, Any] | None = None

    @property
    def city(self) -> dict[str, Any] | None:
        """The city's document; None before a RIC was reached."""
        return self._document

    def feeds(self, every_s: float) -> list[Feed]:
        """Live state, and the inventory, which changes less."""
        return [
            Feed(("load", "flows", "log", "live_xapps"), every_s, self._live),
            Feed(("nodes", "subscriptions"), INVENTORY_EVERY_S, self._inventory),
        ]

    async def close(self) -> None:
        """Closes the channel."""
        if self._source is not None:
            await self._source.close()

    async def _live(self, places: Places) -> Sections:
        source = await self._at(places.ric)
        snapshot, xapps = await asyncio.gather(source.snapshot(), source.xapps())
        city = await self._city_for(source, n_bytes=len(snapshot.used))
        changes = await self._latest_changes(source, snapshot.version)
        load = load_section(city, snapshot)
        load["fingerprint"] = city.fingerprint
        return {
            "load": load,
            "flows": flows_section(changes),
            "log": log_section(changes),
            "live_xapps": {"connected": True, "instances": [_instance(xapp) for xapp in xapps]},
        }

    async def _latest_changes(self, source: RicSource, version: int) -> list[store_pb2.ChangeRecord]:
        """Records read before are not read again; a version that fell belongs to another store."""
        seen = self._changes[-1].version if self._changes else 0
        if version < seen:
            self._changes.clear()
            seen = 0
        self._changes.extend(await source.changes(after_version=max(seen, version - LATEST_CHANGES), until_version=version))
        return list(self._changes)

    async def _inventory(self, places: Places) -> Sections:
        source = await self._at(places.ric)
        nodes, subscriptions = await asyncio.gather(source.nodes(), source.subscriptions())
        return {
            "nodes": {"connected": True, "nodes": [_node(node) for node in nodes]},
            "subscriptions": {"connected": True, "subscriptions": [_subscription(each) for each in subscriptions]},
        }

    async def _at(self, target: str) -> RicSource:
        if self._source is None or self._source.target != target:
            await self.close()
            self._source, self._city = RicSource(target, self._transport), None
            self._changes.clear()
        return self._source

    async def _city_for(self, source: RicSource, *, n_bytes: int) -> City:
        """The city; asked for again after the RIC was away, as another may have taken its place."""
        was_away = not self._hub.get("load").get("connected", False)
        if self._city is None or was_away or 4 * self._city.n_resources != n_bytes:
            self._city = await source.city()
            self._document = city_document(self._city)
        return self._city


class MetricsFeed:
    """One part's metrics over a sliding window, shaped into one section."""

    def __init__(self, source: StatusSource, part: str, names: Sequence[str], shape: Shape) -> None:
        self._source, self._part, self._names, self._shape = source, part, names, shape
        self._window = CounterWindow(WINDOW_S)

    def feed(self, section: str, every_s: float) -> Feed:
        """The feed of `section`."""

        async def read(places: Places) -> Sections:
            values = await self._source.metrics_of(self._part, places.status.get(self._part), self._names)
            self._window.add(time.monotonic(), values)
            return {section: self._shape(Samples(values), self._window.increase(), self._window.span_s)}

        return Feed((section,), every_s, read)


class HealthFeed:
    """Every known status port: whether it answers and says ready, memory, and cores used since the last look."""

    def __init__(self, source: StatusSource) -> None:
        self._source = source
        self._cpu: dict[str, tuple[float, float]] = {}

    def feed(self) -> Feed:
        """The feed of `parts`."""
        return Feed(("parts",), HEALTH_EVERY_S, self._read)

    async def _read(self, places: Places) -> Sections:
        states = await asyncio.gather(*(self._state(part, address) for part, address in places.status.items()))
        return {"parts": {"connected": True, "ric": places.ric, "manager": places.manager, "parts": list(states)}}

    async def _state(self, part: str, address: str) -> Section:
        try:
            ready, values = await asyncio.gather(
                self._source.is_ready(part, address), self._source.metrics_of(part, address, PROCESS_METRICS)
            )
        except RicityError as error:
            return {"name": part, "address": address, "state": "unreachable", "why": str(error)}
        samples, at_s = Samples(values), time.monotonic()
        cpu_s = samples.sum("process_cpu_seconds_total")
        before_s, before_cpu_s = self._cpu.get(part, (at_s, cpu_s))
        self._cpu[part] = (at_s, cpu_s)
        cores = (cpu_s - before_cpu_s) / (at_s - before_s) if at_s > before_s and cpu_s >= before_cpu_s else None
        return {
            "name": part,
            "address": address,
            "state": "ready" if ready else "not ready",
            "memory_mib": round(samples.sum("process_resident_memory_bytes") / 2**20),
            "cores": None if cores is None else round(cores, 3),
        }


def _instance(xapp: admin_pb2.XappInfo) -> Section:
    return {
        "xapp": xapp.xapp_name,
        "version": xapp.xapp_version,
        "instance": xapp.instance_id,
        "weight": xapp.weight,
        "window": xapp.window,
        "state": xapp.state,
        "outstanding": xapp.outstanding,
        "delivered": xapp.delivered_total,
        "answered": xapp.answered_total,
    }


def _node(node: admin_pb2.NodeInfo) -> Section:
    return {
        "ran_name": node.ran_name,
        "node": node.node_name,
        "connected": node.status == admin_pb2.CONNECTION_STATUS_CONNECTED,
        "agent": node.agent_id,
        "functions": [function.name for function in node.ran_functions],
    }


def _subscription(each: admin_pb2.SubscriptionInfo) -> Section:
    return {
        "id": each.subscription_id,
        "kind": each.kind,
        "nodes": len(each.ran_names),
        "items": list(each.items),
        "period_ms": each.granularity_period_ms,
        "instances": list(each.instances),
        "indications": each.indications_total,
        "dropped": each.dropped_total,
        "lag": each.lag,
    }
