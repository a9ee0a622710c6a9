"""The resource store on a Redis-protocol server, synchronous."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, TypeVar

import redis

from ric_sim.domain.reservation import Change, CommitOutcome, CommitRequest, Snapshot, UsedAmounts
from ric_sim.store.access import StoreAccess
from ric_sim.store.base import StoreLayout
from ric_sim.store.codec import Counters, StoreImage
from ric_sim.store.congestion import Refusal
from ric_sim.store.connection import TranslatedErrors
from ric_sim.store.procedures import Command, Procedure, ScriptCall, Step, StoreProcedures

T = TypeVar("T")


class RedisStore:
    """`ResourceStore` over one connection to Redis or Valkey, made at the first call. For one thread.

    A call whose connection breaks is sent again until `patience_s` has passed, then raises `StoreUnreachable`. Commits
    are idempotent, so that is safe; a `release` or `advance` that was sent twice takes effect once, but its answer may
    miss what the first sending did.

    Args:
        store: its URL, or with a password or certificates from files its `StoreAccess`.
        namespace: 1 to 64 of A-Z a-z 0-9 . _ -; one run of one city.
        patience_s: how long to try to reach the server again; covers a restart of a local one.
        congestion_signals: count refusals, and give snapshots the pressure.
    """

    def __init__(
        self, store: str | StoreAccess, namespace: str, *, patience_s: float = 5.0, congestion_signals: bool = False
    ) -> None:
        self._access = StoreAccess.of(store)
        self.url = self._access.url
        self.namespace = namespace
        self._procedures = StoreProcedures(namespace, congestion_signals=congestion_signals)
        self._errors = TranslatedErrors(self._access.address)
        self._patience_s = patience_s

    def create(self, layout: StoreLayout) -> None:
        self._run(self._procedures.create(layout))

    def layout(self) -> StoreLayout:
        """The layout the namespace was created with; `NotFound` if it was not."""
        return self._run(self._procedures.layout())

    def snapshot(self) -> Snapshot:
        return self._run(self._procedures.snapshot())

    def snapshot_at(self, now_ms: int, *, at_least: int = 0) -> Snapshot:
        """Expires what is due at `now_ms`, then reads the used amounts, in one exchange."""
        return self._run(self._procedures.snapshot_at(now_ms, at_least))

    def commit(
        self, requests: Sequence[CommitRequest], *, now_ms: int, planned: Sequence[int] | None = None, at_least: int = 0
    ) -> list[CommitOutcome]:
        """As the protocol says; conflicts are logged in the same step if it is told what each request was planned on.

        Args:
            planned: by request, the version of the snapshot it was planned on, `UNPLANNED` if unknown; None: nothing is logged.
            at_least: version that the store must have reached.
        Raises:
            StoreWentBack: it has not; nothing changed.
        """
        return self._run(self._procedures.commit(requests, now_ms, planned, at_least))

    def release(self, flow_ids: Sequence[str], *, now_ms: int, at_least: int = 0) -> list[bool]:
        return self._run(self._procedures.release(flow_ids, now_ms, at_least))

    def advance(self, now_ms: int) -> int:
        return self._run(self._procedures.advance(now_ms))

    def check_writable(self) -> None:
        """Raises `StoreUnreachable` if the server answers but takes no writes: a replica, one without the replicas it wants."""
        self._run(self._procedures.check_writable())

    def displaceable(self, priority: int) -> UsedAmounts:
        return self._run(self._procedures.displaceable(priority))

    def publish_refusals(self, refusals: Sequence[Refusal], *, now_ms: int, at_least: int = 0) -> None:
        self._run(self._procedures.publish_refusals(refusals, now_ms, at_least))

    def lookup(self, flow_id: str) -> CommitOutcome | None:
        return self._run(self._procedures.lookup(flow_id))

    def changes(self, *, after_version: int = -1, block_ms: int | None = None) -> Iterator[Change]:
        """The log in order, from the record after `after_version`.

        Args:
            block_ms: at the end of the log wait this long (wall clock) for the next record; None ends there.
        Raises:
            LogTrimmed: the next record is no longer there; take a new snapshot and follow from its version.
        """
        after_version = max(after_version, -1)
        while page := self._run(self._procedures.changes_page(after_version, block_ms)):
            yield from page
            after_version = page[-1].version

    def counters(self) -> Counters:
        """Commits by outcome, releases and expiries since the namespace was created."""
        return self._run(self._procedures.counters())

    def image(self) -> StoreImage:
        """Everything the namespace holds at one moment, for the audit."""
        return self._run(self._procedures.image())

    def drop(self) -> None:
        """Deletes the namespace. Not part of normal operation: the log goes with it."""
        self._run(self._procedures.drop())

    def close(self) -> None:
        """Closes the connection; the next call makes a new one."""
        if (client := self.__dict__.pop("_client", None)) is not None:
            client.close()

    def __enter__(self) -> RedisStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @cached_property
    def _client(self) -> redis.Redis:
        # Its pool would cost a commit 10 us more; a connection of its own it makes at once, hence not in __init__.
        client = self._access.client(patience_s=self._patience_s, single_connection=True)
        client.response_callbacks.clear()
        return client

    def _run(self, procedure: Procedure[T]) -> T:
        with self._errors:
            try:
                step = next(procedure)
                while True:
                    step = procedure.send(self._perform(step))
            except StopIteration as done:
                return done.value

    def _perform(self, step: Step) -> Any:
        if isinstance(step, ScriptCall):
            try:
                return self._client.execute_command(*step.by_hash)
            except redis.exceptions.NoScriptError:
                return self._client.execute_command(*step.by_source)
        if isinstance(step, Command):
            return self._client.execute_command(*step.parts)
        with self._client.pipeline(transaction=True) as pipeline:
            for command in step.commands:
                pipeline.execute_command(*command)
            return pipeline.execute()
