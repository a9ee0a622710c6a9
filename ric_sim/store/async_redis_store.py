"""The resource store on a Redis-protocol server, for an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

from redis.exceptions import NoScriptError

from ric_sim.domain.reservation import Change, CommitOutcome, CommitRequest, Snapshot, UsedAmounts
from ric_sim.store.access import StoreAccess
from ric_sim.store.base import StoreLayout
from ric_sim.store.codec import Counters, StoreImage
from ric_sim.store.congestion import Refusal
from ric_sim.store.connection import TranslatedErrors
from ric_sim.store.procedures import Command, Procedure, ScriptCall, Step, StoreProcedures
from ric_sim.store.replication import REPLICATED_VERBS, ReplicaWatch

T = TypeVar("T")


class AsyncRedisStore:
    """`RedisStore` with the same methods as coroutines; concurrent calls each take a connection of the pool.

    Arguments, errors and resending are as in `RedisStore`. Behind Sentinel a commit or release is answered when a replica has
    it, too (`ric_sim.store.replication`).
    """

    def __init__(
        self, store: str | StoreAccess, namespace: str, *, patience_s: float = 5.0, congestion_signals: bool = False
    ) -> None:
        access = StoreAccess.of(store)
        self.url = access.url
        self.namespace = namespace
        self._procedures = StoreProcedures(namespace, congestion_signals=congestion_signals)
        self._errors = TranslatedErrors(access.address)
        self._replicas = ReplicaWatch() if access.is_replicated else None
        self._client = access.async_client(patience_s=patience_s)
        self._client.response_callbacks.clear()

    async def create(self, layout: StoreLayout) -> None:
        await self._run(self._procedures.create(layout))

    async def layout(self) -> StoreLayout:
        """The layout the namespace was created with; `NotFound` if it was not."""
        return await self._run(self._procedures.layout())

    async def snapshot(self) -> Snapshot:
        return await self._run(self._procedures.snapshot())

    async def snapshot_at(self, now_ms: int, *, at_least: int = 0) -> Snapshot:
        """Expires what is due at `now_ms`, then reads the used amounts, in one exchange."""
        return await self._run(self._procedures.snapshot_at(now_ms, at_least))

    async def commit(
        self, requests: Sequence[CommitRequest], *, now_ms: int, planned: Sequence[int] | None = None, at_least: int = 0
    ) -> list[CommitOutcome]:
        return await self._run(self._procedures.commit(requests, now_ms, planned, at_least))

    async def release(self, flow_ids: Sequence[str], *, now_ms: int, at_least: int = 0) -> list[bool]:
        return await self._run(self._procedures.release(flow_ids, now_ms, at_least))

    async def advance(self, now_ms: int) -> int:
        return await self._run(self._procedures.advance(now_ms))

    async def check_writable(self) -> None:
        await self._run(self._procedures.check_writable())

    async def displaceable(self, priority: int) -> UsedAmounts:
        return await self._run(self._procedures.displaceable(priority))

    async def publish_refusals(self, refusals: Sequence[Refusal], *, now_ms: int, at_least: int = 0) -> None:
        await self._run(self._procedures.publish_refusals(refusals, now_ms, at_least))

    async def lookup(self, flow_id: str) -> CommitOutcome | None:
        return await self._run(self._procedures.lookup(flow_id))

    async def changes(self, *, after_version: int = -1, block_ms: int | None = None) -> AsyncIterator[Change]:
        """As `RedisStore.changes`; waiting for news does not hold up the loop."""
        after_version = max(after_version, -1)
        while page := await self._run(self._procedures.changes_page(after_version, block_ms)):
            for change in page:
                yield change
            after_version = page[-1].version

    async def counters(self) -> Counters:
        """Commits by outcome, releases and expiries since the namespace was created."""
        return await self._run(self._procedures.counters())

    async def image(self) -> StoreImage:
        """Everything the namespace holds at one moment, for the audit."""
        return await self._run(self._procedures.image())

    async def drop(self) -> None:
        """Deletes the namespace. Not part of normal operation: the log goes with it."""
        await self._run(self._procedures.drop())

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> AsyncRedisStore:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def _run(self, procedure: Procedure[T]) -> T:
        with self._errors:
            try:
                step = next(procedure)
                while True:
                    step = procedure.send(await self._perform(step))
            except StopIteration as done:
                return done.value

    async def _run_replicated(self, *command: Any) -> Any:
        """The command's reply, once a replica has its effect as well; WAIT counts for what went over the same connection."""
        assert self._replicas is not None
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.execute_command(*command)
            pipeline.execute_command("WAIT", 1, self._replicas.wait_ms)
            reply, copies = await pipeline.execute(raise_on_error=False)
        if isinstance(reply, Exception):
            raise reply
        self._replicas.note(copies)
        return reply

    async def _perform(self, step: Step) -> Any:
        if isinstance(step, ScriptCall):
            run = (
                self._run_replicated if self._replicas and step.script.verb in REPLICATED_VERBS else self._client.execute_command
            )
            try:
                return await run(*step.by_hash)
            except NoScriptError:
                return await run(*step.by_source)
        if isinstance(step, Command):
            return await self._client.execute_command(*step.parts)
        async with self._client.pipeline(transaction=True) as pipeline:
            for command in step.commands:
                pipeline.execute_command(*command)
            return await pipeline.execute()
