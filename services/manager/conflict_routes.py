"""`GET /v1/conflicts`: the RIC's conflict log for operators and the console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import grpc
from fastapi import APIRouter, Query
from pydantic import BaseModel

from ricity.e2.v1 import conflict_pb2, conflict_pb2_grpc
from services.common.rest_problems import problem_answers
from services.manager.ric_answers import answered
from services.manager.settings import ManagerSettings

CALL_TIMEOUT_S = 3.0
MAX_LISTED = 1_000

Limit = Annotated[int, Query(ge=1, le=MAX_LISTED)]
Kind = Annotated[str, Query(pattern="^(direct|indirect|capacity|preemption|rule)?$")]


class ConflictDocument(BaseModel):
    """A conflict that was decided; `at` as RFC 3339."""

    at: datetime
    kind: str
    parameter: str
    winner: str
    loser: str
    reason: str


class ConflictsDocument(BaseModel):
    """The newest conflicts, newest first, and how many of each kind there were since the run began."""

    conflicts: list[ConflictDocument]
    counts: dict[str, int]


class ConflictLink:
    """The manager's view of one RIC's conflict log."""

    def __init__(self, target: str, channel: grpc.aio.Channel) -> None:
        self._target, self._stub = target, conflict_pb2_grpc.ConflictServiceStub(channel)

    async def recent(self, limit: int, kind: str) -> ConflictsDocument:
        """Raises `RicUnreachable` if the RIC does not answer."""
        request = conflict_pb2.ListConflictsRequest(limit=limit, kind=kind)
        found = await answered(self._target, self._stub.ListConflicts(request, timeout=CALL_TIMEOUT_S))
        return ConflictsDocument(conflicts=[_document(conflict) for conflict in found.conflicts], counts=dict(found.counts))


@asynccontextmanager
async def conflict_link(settings: ManagerSettings) -> AsyncIterator[ConflictLink]:
    """A link to the manager's RIC; it is connected at its first use."""
    channel = settings.transport.channel(settings.ric, peer="ric")
    try:
        yield ConflictLink(settings.ric, channel)
    finally:
        await channel.close()


def conflict_router(link: ConflictLink) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/v1", tags=["conflicts"], responses=problem_answers(400, 503))

    @router.get("/conflicts")
    async def list_conflicts(limit: Limit = 100, kind: Kind = "") -> ConflictsDocument:
        return await link.recent(limit, kind)

    return router


def _document(conflict: Any) -> ConflictDocument:
    return ConflictDocument(
        at=datetime.fromtimestamp(conflict.at_ms / 1000, UTC),
        kind=conflict.kind,
        parameter=conflict.parameter,
        winner=conflict.winner,
        loser=conflict.loser,
        reason=conflict.reason,
    )
