"""`ConflictService`: the guard's door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ric_sim.e2.conflict_couplings import SliceRatio
from ric_sim.e2.conflict_guard import Conflict, ConflictGuard
from ricity.e2.v1 import conflict_pb2, conflict_pb2_grpc

DEFAULT_LIMIT = 100


class ConflictServicer(conflict_pb2_grpc.ConflictServiceServicer):
    """Nothing is decided here."""

    def __init__(self, guard: ConflictGuard) -> None:
        self._guard = guard

    async def ControlRatios(self, request: conflict_pb2.ControlRatiosRequest, context: Any) -> conflict_pb2.ControlRatiosResponse:
        ratios = [SliceRatio(ratio.slice, ratio.dedicated, ratio.min, ratio.max) for ratio in request.ratios]
        verdict, conflict = await self._guard.control(request.xapp_name, request.ran_name, ratios, hold_ms=request.hold_ms)
        return conflict_pb2.ControlRatiosResponse(
            applied=verdict.applied, conflict=_to_proto(conflict) if conflict else None, version=verdict.version
        )

    async def ListRatios(self, request: Any, context: Any) -> conflict_pb2.ListRatiosResponse:
        return conflict_pb2.ListRatiosResponse(dus=_dus(self._guard.ratios()))

    async def WatchRatios(self, request: Any, context: Any) -> AsyncIterator[conflict_pb2.WatchRatiosResponse]:
        async for changed in self._guard.watch_ratios():
            yield conflict_pb2.WatchRatiosResponse(dus=_dus(changed))

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


def _dus(found: Mapping[str, tuple[int, Sequence[SliceRatio]]]) -> list[conflict_pb2.DuRatios]:
    return [
        conflict_pb2.DuRatios(
            ran_name=node,
            version=version,
            ratios=[conflict_pb2.SliceRatio(slice=r.slice, dedicated=r.dedicated, min=r.minimum, max=r.maximum) for r in ratios],
        )
        for node, (version, ratios) in found.items()
    ]
