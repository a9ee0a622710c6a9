"""`ConflictService`: the guard's door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ric_sim.domain.errors import InvalidInput
from ric_sim.e2.conflict_couplings import SliceHolder, SliceRatio
from ric_sim.e2.conflict_guard import Conflict, ConflictGuard
from ric_sim.e2.ratio_enforcement import EnforcingRadio, RatioEnforcement
from ric_sim.e2.slice_guarantees import Capacity
from ricity.e2.v1 import conflict_pb2, conflict_pb2_grpc

DEFAULT_LIMIT = 100


class ConflictServicer(conflict_pb2_grpc.ConflictServiceServicer):
    """Nothing is decided here."""

    def __init__(self, guard: ConflictGuard, enforcement: RatioEnforcement) -> None:
        self._guard, self._enforcement = guard, enforcement

    async def ControlRatios(self, request: conflict_pb2.ControlRatiosRequest, context: Any) -> conflict_pb2.ControlRatiosResponse:
        ratios = [SliceRatio(ratio.slice, ratio.dedicated, ratio.min, ratio.max) for ratio in request.ratios]
        verdict, conflict = await self._guard.control(request.xapp_name, request.ran_name, ratios, hold_ms=request.hold_ms)
        return conflict_pb2.ControlRatiosResponse(
            applied=verdict.applied, conflict=_to_proto(conflict) if conflict else None, version=verdict.version
        )

    async def ListRatios(self, request: Any, context: Any) -> conflict_pb2.ListRatiosResponse:
        dus, holders = _dus(self._guard.ratios()), self._guard.holders()
        for du in dus:
            du.holders.extend(map(_holder, holders[du.ran_name]))
        return conflict_pb2.ListRatiosResponse(dus=dus)

    async def WatchRatios(self, request: Any, context: Any) -> AsyncIterator[conflict_pb2.WatchRatiosResponse]:
        async for changed in self._guard.watch_ratios():
            yield conflict_pb2.WatchRatiosResponse(dus=_dus(changed))

    async def EnforceRatios(
        self, requests: AsyncIterator[conflict_pb2.EnforceRatiosRequest], context: Any
    ) -> AsyncIterator[conflict_pb2.EnforceRatiosResponse]:
        first = await anext(aiter(requests), None)
        if first is None:
            return
        if first.WhichOneof("message") != "capacity":
            raise InvalidInput("the first message must be `capacity`")
        told = first.capacity
        radio = EnforcingRadio(Capacity(tuple(told.ran_names), told.n_rbs, told.rb_kbps, told.urllc_percent))
        reading = asyncio.create_task(self._read_confirmations(radio, requests))
        try:
            async for generation, changed in self._enforcement.demands(radio):
                yield conflict_pb2.EnforceRatiosResponse(generation=generation, dus=_dus(changed))
            await reading
        finally:
            self._enforcement.lost(radio)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read_confirmations(
        self, radio: EnforcingRadio, requests: AsyncIterator[conflict_pb2.EnforceRatiosRequest]
    ) -> None:
        try:
            async for request in requests:
                self._enforcement.confirmed(radio, request.confirmation.generation, request.confirmation.refused)
        finally:
            radio.closed = True

    async def ListConflicts(self, request: conflict_pb2.ListConflictsRequest, context: Any) -> conflict_pb2.ListConflictsResponse:
        conflicts, counts = await self._guard.recent(request.limit or DEFAULT_LIMIT, kind=request.kind)
        return conflict_pb2.ListConflictsResponse(conflicts=map(_to_proto, conflicts), counts=counts)

    async def WatchConflicts(self, request: Any, context: Any) -> AsyncIterator[conflict_pb2.WatchConflictsResponse]:
        async for conflicts in self._guard.watch():
            yield conflict_pb2.WatchConflictsResponse(conflicts=map(_to_proto, conflicts))


def _to_proto(conflict: Conflict) -> conflict_pb2.Conflict:
    return conflict_pb2.Conflict(
        at_ms=conflict.at_ms,
        kind=conflict.kind,
        parameter=conflict.parameter,
        winner=conflict.winner,
        loser=conflict.loser,
        reason=conflict.reason,
        id=conflict.entry_id,
    )


def _holder(holder: SliceHolder) -> conflict_pb2.SliceHolder:
    return conflict_pb2.SliceHolder(slice=holder.slice, xapp_name=holder.xapp, priority=holder.priority, until_ms=holder.until_ms)


def _dus(found: Mapping[str, tuple[int, Sequence[SliceRatio]]]) -> list[conflict_pb2.DuRatios]:
    return [
        conflict_pb2.DuRatios(
            ran_name=node,
            version=version,
            ratios=[conflict_pb2.SliceRatio(slice=r.slice, dedicated=r.dedicated, min=r.minimum, max=r.maximum) for r in ratios],
        )
        for node, (version, ratios) in found.items()
    ]
