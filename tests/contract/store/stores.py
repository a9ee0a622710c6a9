"""What the store tests share: a small city, requests on it, and the asynchronous store behind synchronous methods."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ric_sim.domain.reservation import Change, CommitOutcome, CommitRequest, Snapshot, UsedAmounts
from ric_sim.store.access import StoreAccess
from ric_sim.store.async_redis_store import AsyncRedisStore
from ric_sim.store.base import StoreLayout
from ric_sim.store.codec import Counters, StoreImage
from ric_sim.store.congestion import Refusal

LAYOUT = StoreLayout(
    n_links=4, n_nodes=3, limits=np.array([100, 100, 100, 10, 1000, 1000, 50], dtype=np.uint32), city_fingerprint="c0" * 32
)
DU, CU, UPF = 4, 5, 6
"""The compute resources of `LAYOUT`."""


def new_namespace() -> str:
    """A namespace nobody else uses."""
    return f"test-{secrets.token_hex(6)}"


def request(flow_id: str = "flow-1", **changes: object) -> CommitRequest:
    """30 kbps over links 0 and 1, 100 micro-cores on each of two hosts, until 1000 ms, with changes."""
    base = CommitRequest(
        flow_id=flow_id,
        service=2,
        expiry_ms=1000,
        budget_us=5000,
        propagation_us=300,
        entries=((0, 30), (1, 30), (DU, 100), (CU, 100)),
        hosts=((DU, 4000, 2000), (CU, 3000, 2000)),
        route=(0, 1),
    )
    return replace(base, **changes)


class BlockingAsyncStore:
    """`AsyncRedisStore` on an event loop of its own that runs while a call waits."""

    def __init__(
        self, url: str | StoreAccess, namespace: str, *, patience_s: float = 5.0, congestion_signals: bool = False
    ) -> None:
        self.namespace = namespace
        self._store = AsyncRedisStore(url, namespace, patience_s=patience_s, congestion_signals=congestion_signals)
        self._runner = asyncio.Runner()

    def create(self, layout: StoreLayout) -> None:
        self._runner.run(self._store.create(layout))

    def layout(self) -> StoreLayout:
        return self._runner.run(self._store.layout())

    def snapshot(self) -> Snapshot:
        return self._runner.run(self._store.snapshot())

    def snapshot_at(self, now_ms: int) -> Snapshot:
        return self._runner.run(self._store.snapshot_at(now_ms))

    def commit(self, requests: Sequence[CommitRequest], *, now_ms: int, at_least: int = 0) -> list[CommitOutcome]:
        return self._runner.run(self._store.commit(requests, now_ms=now_ms, at_least=at_least))

    def check_writable(self) -> None:
        self._runner.run(self._store.check_writable())

    def release(self, flow_ids: Sequence[str], *, now_ms: int) -> list[bool]:
        return self._runner.run(self._store.release(flow_ids, now_ms=now_ms))

    def advance(self, now_ms: int) -> int:
        return self._runner.run(self._store.advance(now_ms))

    def displaceable(self, priority: int) -> UsedAmounts:
        return self._runner.run(self._store.displaceable(priority))

    def publish_refusals(self, refusals: Sequence[Refusal], *, now_ms: int) -> None:
        self._runner.run(self._store.publish_refusals(refusals, now_ms=now_ms))

    def lookup(self, flow_id: str) -> CommitOutcome | None:
        return self._runner.run(self._store.lookup(flow_id))

    def changes(self, *, after_version: int = -1, block_ms: int | None = None) -> Iterator[Change]:
        async def collected() -> list[Change]:
            return [change async for change in self._store.changes(after_version=after_version, block_ms=block_ms)]

        return iter(self._runner.run(collected()))

    def counters(self) -> Counters:
        return self._runner.run(self._store.counters())

    def image(self) -> StoreImage:
        return self._runner.run(self._store.image())

    def drop(self) -> None:
        self._runner.run(self._store.drop())

    def close(self) -> None:
        self._runner.run(self._store.aclose())
        self._runner.close()
