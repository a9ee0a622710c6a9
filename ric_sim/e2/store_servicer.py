"""The resource store's own door: the same verbs, through the same group commit as the answers to INSERTs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from ric_sim.domain.errors import InvalidInput, OversizeMessage
from ric_sim.domain.reservation import Change, CommitOutcome
from ric_sim.e2.codec import change_to_proto, flow_from_proto, outcome_to_proto, snapshot_to_proto
from ric_sim.e2.policies import PolicyBook
from ric_sim.e2.store_gate import StoreGate
from ric_sim.network.admission import commit_request
from ric_sim.network.city import City
from ric_sim.telemetry import counter
from ricity.e2.v1 import common_pb2
from ricity.store.v1 import store_pb2, store_pb2_grpc

MAX_COMMITS_PER_MESSAGE = 256
MAX_RELEASES_PER_MESSAGE = 1024
BATCHES_IN_FLIGHT = 64
"""Batches of one stream that may wait for their verdict; the stream is not read further until one is decided."""

WATCH_BLOCK_MS = 1_000


class ChangeFeed(Protocol):
    """Where the log can be followed."""

    def changes(self, *, after_version: int, block_ms: int | None) -> AsyncIterator[Change]: ...


class StoreServicer(store_pb2_grpc.StoreServiceServicer):
    """`StoreService`."""

    def __init__(self, city: City, gate: StoreGate, feed: ChangeFeed, policies: PolicyBook) -> None:
        self._city = city
        self._policies = policies
        self._gate = gate
        self._feed = feed

    async def GetSnapshot(self, request: Any, context: Any) -> store_pb2.GetSnapshotResponse:
        return store_pb2.GetSnapshotResponse(snapshot=snapshot_to_proto(await self._gate.fresh_snapshot()))

    async def Commit(self, request_iterator: Any, context: Any) -> AsyncIterator[store_pb2.CommitResponse]:
        decided: asyncio.Queue[asyncio.Future[store_pb2.CommitResponse] | None] = asyncio.Queue(BATCHES_IN_FLIGHT)
        reader = asyncio.create_task(self._read_batches(request_iterator, decided))
        try:
            while (batch := await decided.get()) is not None:
                yield await batch
            await reader
        finally:
            reader.cancel()

    async def Release(self, request: store_pb2.ReleaseRequest, context: Any) -> store_pb2.ReleaseResponse:
        if len(request.flow_ids) > MAX_RELEASES_PER_MESSAGE:
            raise OversizeMessage(f"{len(request.flow_ids)} flow ids: send at most {MAX_RELEASES_PER_MESSAGE}")
        self._gate.see_time(request.now_ms)
        return store_pb2.ReleaseResponse(released=await self._gate.release(request.flow_ids))

    async def Lookup(self, request: store_pb2.LookupRequest, context: Any) -> store_pb2.LookupResponse:
        outcome = await self._gate.lookup(request.flow_id)
        return store_pb2.LookupResponse(found=outcome is not None, outcome=outcome_to_proto(outcome) if outcome else None)

    async def Watch(self, request: store_pb2.WatchRequest, context: Any) -> AsyncIterator[store_pb2.WatchResponse]:
        after = request.after_version
        while not context.done():
            async for change in self._feed.changes(after_version=after, block_ms=WATCH_BLOCK_MS):
                after = change.version
                yield store_pb2.WatchResponse(changes=[change_to_proto(change)])

    async def _read_batches(self, incoming: Any, decided: asyncio.Queue[asyncio.Future[store_pb2.CommitResponse] | None]) -> None:
        try:
            async for request in incoming:
                if len(request.commits) > MAX_COMMITS_PER_MESSAGE:
                    raise OversizeMessage(
                        f"{len(request.commits)} commits in one message: send at most {MAX_COMMITS_PER_MESSAGE}"
                    )
                self._gate.see_time(request.now_ms)
                await decided.put(self._submit(request))
        finally:
            await decided.put(None)

    def _submit(self, request: store_pb2.CommitRequest) -> asyncio.Future[store_pb2.CommitResponse]:
        """Queues a batch; the future holds its response once every commit of it is decided."""
        response: asyncio.Future[store_pb2.CommitResponse] = asyncio.get_running_loop().create_future()
        outcomes = [_UNDECIDED] * len(request.commits)
        open_commits = len(outcomes)

        def settle(index: int, outcome: store_pb2.Outcome) -> None:
            nonlocal open_commits
            outcomes[index] = outcome
            open_commits -= 1
            if open_commits == 0 and not response.done():
                response.set_result(store_pb2.CommitResponse(batch_id=request.batch_id, outcomes=outcomes))

        for index, item in enumerate(request.commits):
            try:
                commit = commit_request(self._city, flow_from_proto(self._city, item.flow), item.links)
            except InvalidInput as error:
                settle(index, _invalid(item.flow.flow_id, error))
                continue
            if (refusal := self._policies.refusal(commit)) is not None:
                settle(index, _aborted(commit.flow_id, *refusal))
            else:
                self._gate.submit(commit, _settler(settle, index))
        if not outcomes:
            response.set_result(store_pb2.CommitResponse(batch_id=request.batch_id))
        return response


_UNDECIDED = store_pb2.Outcome()


def _settler(settle: Callable[[int, store_pb2.Outcome], None], index: int) -> Callable[[CommitOutcome], None]:
    return lambda outcome: settle(index, outcome_to_proto(outcome))


def _aborted(flow_id: str, resource: int, cause: common_pb2.Cause) -> store_pb2.Outcome:
    return store_pb2.Outcome(flow_id=flow_id, status=store_pb2.COMMIT_STATUS_ABORTED, cause=cause, resource=resource)


def _invalid(flow_id: str, error: InvalidInput) -> store_pb2.Outcome:
    counter("ricity_ric_invalid_messages_total").labels(cause=error.code).inc()
    cause = common_pb2.Cause(protocol=common_pb2.PROTOCOL_CAUSE_SEMANTIC_ERROR, detail=f"{error.code}: {error}")
    return store_pb2.Outcome(flow_id=flow_id, status=store_pb2.COMMIT_STATUS_INVALID, cause=cause)
