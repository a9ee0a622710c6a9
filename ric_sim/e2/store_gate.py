"""The RIC's access to the store: group commit, shared snapshots, and patience with a store that restarts."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import structlog

from ric_sim.domain.errors import NotFound, OutOfRange, StoreCorrupt, StoreUnreachable, StoreWentBack
from ric_sim.domain.reservation import CommitOutcome, CommitRequest, CommitStatus, Snapshot, UsedAmounts
from ric_sim.store.codec import UNPLANNED
from ric_sim.store.congestion import Refusal
from ric_sim.telemetry import counter, histogram

MAX_COMMITS_PER_CALL = 64
"""A call holds the store for some 60 microseconds per commit; 64 keep a waiting reader below about 5 ms."""

REMEMBERED_CHANGES = 20_000
"""Acknowledged commits and releases kept in memory, to give them back to a store that comes up without its last moments."""

MAX_TIME_MS = 2**40
"""Latest emulated time taken (35 years): a peer's slip must not carry the one clock beyond what the store counts."""

_RETRY_S = (0.05, 0.1, 0.2, 0.4)

T = TypeVar("T")
Callback = Callable[[CommitOutcome], None]


class AsyncStore(Protocol):
    """What the RIC needs of the store: the verbs of `ResourceStore` as coroutines.

    Given the version that a store must have reached at least, a verb raises `StoreWentBack`, and changes nothing, on one that has
    not: even what merely expires would raise its version, and hide that it went back.
    """

    async def commit(
        self, requests: Sequence[CommitRequest], *, now_ms: int, planned: Sequence[int] | None = None, at_least: int = 0
    ) -> list[CommitOutcome]: ...

    async def check_writable(self) -> None:
        """Raises `StoreUnreachable` unless the store would take a write."""

    async def release(self, flow_ids: Sequence[str], *, now_ms: int, at_least: int = 0) -> list[bool]: ...

    async def snapshot_at(self, now_ms: int, *, at_least: int = 0) -> Snapshot:
        """Expires what is due at `now_ms`, then reads the used amounts, in one exchange."""

    async def lookup(self, flow_id: str) -> CommitOutcome | None: ...

    async def displaceable(self, priority: int) -> UsedAmounts: ...

    async def publish_refusals(self, refusals: Sequence[Refusal], *, now_ms: int, at_least: int = 0) -> None: ...


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A change that somebody was told of.

    Attributes:
        version: of its record; of a release the first that it may have.
        change: a commit, or the flow id of a release.
    """

    version: int
    now_ms: int
    change: CommitRequest | str


class StoreGate:
    """One per RIC process; every method belongs to its event loop.

    A store that does not answer is asked again for ever: commits are idempotent by flow id, and the time-to-wait of the
    requests bounds how long anyone waits for it. One that comes back without its last changes (a crash before they were synced,
    a replica promoted before it had them) gets them again before anything else is committed: the RIC is its only writer.
    """

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._queue: deque[tuple[CommitRequest, int, Callback]] = deque()
        self._wake = asyncio.Event()
        self._remembered: deque[Acknowledged] = deque(maxlen=REMEMBERED_CHANGES)
        self._writing = asyncio.Lock()
        self._log: Any = structlog.get_logger()
        self._refresh: asyncio.Task[Snapshot] | None = None
        self._version = 0
        self._recovery = asyncio.Lock()
        self._losses = 0
        self.times_went_back = 0
        """How often the store came up without changes it had acknowledged. The rest that is kept there is not given back here."""
        self.reachable = True
        self.now_ms = 0
        self.latest: Snapshot | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Gets the error when the store no longer holds what it should; the process must end then."""

    def see_time(self, now_ms: int) -> None:
        """Moves emulated time forward; it never runs backwards. `OutOfRange` beyond `MAX_TIME_MS`; nothing changed then."""
        if now_ms > MAX_TIME_MS:
            raise OutOfRange(f"emulated time {now_ms} ms: expected at most {MAX_TIME_MS}")
        self.now_ms = max(self.now_ms, now_ms)

    def submit(self, request: CommitRequest, callback: Callback, *, planned: int = UNPLANNED) -> None:
        """Queues a commit; `callback` gets its outcome, in the event loop.

        Args:
            planned: version of the snapshot it was planned on; a refusal for what was taken since is logged as a conflict.
        """
        self._queue.append((request, min(planned, UNPLANNED), callback))
        self._wake.set()

    async def run(self) -> None:
        """Commits what is queued, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_COMMITS_PER_CALL))]
                outcomes = await self._commit([request for request, _, _ in batch], [planned for _, planned, _ in batch])
                for (_, _, callback), outcome in zip(batch, outcomes, strict=True):
                    callback(outcome)

    async def fresh_snapshot(self) -> Snapshot:
        """A snapshot read after this call was made; callers of one loop turn share one exchange with the store."""
        if self._refresh is None:
            self._refresh = asyncio.create_task(self._read_snapshot())
        return await asyncio.shield(self._refresh)

    async def release(self, flow_ids: Sequence[str]) -> list[bool]:
        """Gives reservations back before their expiry; False for a flow that holds none."""
        now_ms = self.now_ms
        released = await self._persistently(lambda: self._store.release(flow_ids, now_ms=now_ms, at_least=self._version))
        self._remembered.extend(Acknowledged(self._version + 1, now_ms, flow_id) for flow_id in flow_ids)
        return released

    async def lookup(self, flow_id: str) -> CommitOutcome | None:
        """The outcome of the flow's commit, None if it was never committed."""
        return await self._persistently(lambda: self._store.lookup(flow_id))

    async def displaceable(self, priority: int) -> UsedAmounts:
        """What reservations of less than `priority` hold of each resource."""
        return await self._persistently(lambda: self._store.displaceable(priority))

    async def publish_refusals(self, refusals: Sequence[Refusal]) -> None:
        """Adds to the congestion signals; a store that is away just then misses them."""
        with contextlib.suppress(StoreUnreachable, StoreWentBack):
            await self._store.publish_refusals(refusals, now_ms=self.now_ms, at_least=self._version)

    async def _read_snapshot(self) -> Snapshot:
        self._refresh = None
        snapshot = await self._persistently(lambda: self._store.snapshot_at(self.now_ms, at_least=self._version))
        self._version = max(self._version, snapshot.version)
        self.latest = snapshot
        return snapshot

    async def _commit(self, requests: list[CommitRequest], planned: list[int]) -> list[CommitOutcome]:
        started = time.perf_counter()
        now_ms = self.now_ms
        outcomes = await self._persistently(lambda: self._commit_in_order(requests, planned, now_ms))
        histogram("ricity_ric_commit_seconds").observe(time.perf_counter() - started)
        histogram("ricity_ric_commit_batch_commits").observe(len(requests))
        current = [outcome.version for outcome in outcomes if outcome.status in (CommitStatus.COMMITTED, CommitStatus.ABORTED)]
        for request, outcome in zip(requests, outcomes, strict=True):
            if outcome.status == CommitStatus.COMMITTED:
                self._remembered.append(Acknowledged(outcome.version, now_ms, request))
        self._version = max([self._version, *current])
        return outcomes

    async def _commit_in_order(self, requests: list[CommitRequest], planned: list[int], now_ms: int) -> list[CommitOutcome]:
        async with self._writing:
            return await self._store.commit(requests, now_ms=now_ms, planned=planned, at_least=self._version)

    async def _persistently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Makes the call until the store answers."""
        while True:
            losses = self._losses
            try:
                return await call()
            except StoreWentBack:
                await self._persistently(self._give_back)
            except StoreUnreachable:
                await self._wait_for_store(losses)
            except (NotFound, StoreCorrupt) as error:
                if not self.failed.done():
                    self.failed.set_exception(error)
                raise

    async def _wait_for_store(self, losses: int) -> None:
        """Returns once the store answers again; the first caller to notice the loss asks for all."""
        async with self._recovery:
            if self._losses != losses:
                return
            self.reachable = False
            for delay_s in itertools.chain(_RETRY_S, itertools.repeat(_RETRY_S[-1])):
                await asyncio.sleep(delay_s)
                with contextlib.suppress(StoreUnreachable):
                    await self._store.check_writable()
                    break
            self._losses += 1
            self.reachable = True
            counter("ricity_ric_store_reconnects_total").inc()

    async def _give_back(self) -> None:
        """Does again, in order, what was acknowledged after the version with which the store came back.

        Commits and releases are idempotent, so doing this twice changes nothing.
        """
        async with self._writing:
            recovered, acknowledged = (await self._store.snapshot_at(0)).version, self._version
            if recovered >= acknowledged:
                return
            kept = [each for each in self._remembered if each.version <= recovered]
            missing = [each for each in self._remembered if each.version > recovered]
            redone, version = [], recovered
            for each in missing:
                if (again := await self._redo(each, version)) is not None:
                    redone.append(again)
                    version = max(version, again.version) if isinstance(again.change, CommitRequest) else version
            self._remembered, self._version = deque([*kept, *redone], maxlen=REMEMBERED_CHANGES), version
        given_back, lost = sum(isinstance(each.change, CommitRequest) for each in redone), len(missing) - len(redone)
        self._log.error("store.went_back", acknowledged=acknowledged, recovered=recovered, given_back=given_back, lost=lost)
        counter("ricity_ric_store_went_back_total").inc()
        self.times_went_back += 1
        counter("ricity_ric_replayed_commits_total").inc(given_back)
        counter("ricity_ric_lost_commits_total").inc(lost)

    async def _redo(self, each: Acknowledged, after: int) -> Acknowledged | None:
        """The change with its new version, that of a release one beyond `after`; None if there is no room for it any more."""
        if isinstance(each.change, str):
            await self._store.release([each.change], now_ms=each.now_ms)
            return replace(each, version=after + 1)
        (outcome,) = await self._store.commit([each.change], now_ms=each.now_ms)
        if outcome.status not in (CommitStatus.COMMITTED, CommitStatus.DUPLICATE):
            self._log.error("store.commit_lost", flow=each.change.flow_id, cause=outcome.cause.label)
            return None
        return replace(each, version=outcome.version)
