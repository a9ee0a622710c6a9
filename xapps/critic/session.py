"""One actor's stream as the critic sees it, and the gRPC service that makes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from ric_sim.e2.scopes import Access
from ricity.learning.v1 import learning_pb2, learning_pb2_grpc
from xapps.critic.intake import MOST_TRANSITIONS
from xapps.critic.learner import LiveLearner
from xapps.critic.metrics import REFUSALS, UNKNOWN
from xapps.critic.settings import CriticSettings

PROTOCOL_VERSION = 1


class ActorSession:
    """An actor that has joined.

    Attributes:
        needs_weights: it decides with none, or with some that this critic did not give.
    """

    def __init__(self, join: learning_pb2.JoinRequest, *, needs_weights: bool) -> None:
        self.agent, self.instance_id, self.needs_weights = join.agent, join.instance_id, needs_weights
        self._outbox: asyncio.Queue[learning_pb2.LearnResponse | None] = asyncio.Queue()
        self._awaited: tuple[int, asyncio.Future[learning_pb2.WeightsNotice]] | None = None

    def send(self, message: learning_pb2.LearnResponse) -> None:
        self._outbox.put_nowait(message)

    def close(self) -> None:
        """Ends the stream; who waits for a notice is told that none will come."""
        self._outbox.put_nowait(None)
        if self._awaited and not self._awaited[1].done():
            self._awaited[1].cancel()

    def notice_of(self, version: int) -> asyncio.Future[learning_pb2.WeightsNotice]:
        """What the actor will say next about these weights; cancelled if it leaves."""
        future: asyncio.Future[learning_pb2.WeightsNotice] = asyncio.get_running_loop().create_future()
        self._awaited = version, future
        return future

    def noticed(self, notice: learning_pb2.WeightsNotice) -> None:
        """One that nobody waits for any more is late and changes nothing."""
        if self._awaited and self._awaited[0] == notice.version and not self._awaited[1].done():
            self._awaited[1].set_result(notice)

    async def messages(self) -> AsyncIterator[learning_pb2.LearnResponse]:
        """What is to be sent, until `close`."""
        while (message := await self._outbox.get()) is not None:
            yield message


class LearningServicer(learning_pb2_grpc.LearningServiceServicer):
    """`ricity.learning.v1.LearningService`.

    Attributes:
        sessions: the actors that have joined, by name.
    """

    def __init__(self, learner: LiveLearner, access: Access, *, on_news: Callable[[], None], log: Any) -> None:
        """`access`: which actors each dApp may speak for; `on_news` is called when one joins and when experience was taken."""
        self.sessions: dict[str, ActorSession] = {}
        self._learner, self._access, self._on_news, self._log = learner, access, on_news, log

    async def Learn(self, requests: AsyncIterator[learning_pb2.LearnRequest], context: Any) -> AsyncIterator[Any]:
        first = await anext(aiter(requests), None)
        if first is None:
            return
        self._access.scope(context).require_du(first.join.agent.removeprefix("du_"))
        result = self._admission(first)
        yield learning_pb2.LearnResponse(join_result=result)
        if not result.accepted:
            return
        session = self._enter(first.join)
        reading = asyncio.create_task(self._read(session, requests))
        reading.add_done_callback(lambda _: session.close())
        try:
            async for message in session.messages():
                yield message
        finally:
            self._leave(session)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    def _enter(self, join: learning_pb2.JoinRequest) -> ActorSession:
        learner = self._learner
        learner.welcome(join.agent)
        needs_weights = join.policy_version == 0 or join.policy_version != learner.version
        learner.version = max(learner.version, join.policy_version)  # after a crash, actors may be ahead of the checkpoint
        session = ActorSession(join, needs_weights=needs_weights)
        former = self.sessions.get(join.agent)
        if former is not None:
            former.close()
        self.sessions[join.agent] = session
        learner.metrics.attached.set(len(self.sessions))
        self._log.info("actor.joined", actor=join.agent, instance=join.instance_id, policy_version=join.policy_version)
        self._on_news()
        return session

    def _leave(self, session: ActorSession) -> None:
        session.close()
        if self.sessions.get(session.agent) is session:
            del self.sessions[session.agent]
            self._learner.metrics.attached.set(len(self.sessions))
            self._log.warning("actor.left", actor=session.agent, instance=session.instance_id)

    async def _read(self, session: ActorSession, requests: AsyncIterator[learning_pb2.LearnRequest]) -> None:
        async for request in requests:
            kind = request.WhichOneof("message")
            if kind == "weights":
                session.noticed(request.weights)
            elif kind == "experience":
                result = self._learner.intake.take(
                    request.experience, agent=session.agent, instance_id=session.instance_id, version=self._learner.version
                )
                session.send(learning_pb2.LearnResponse(experience_result=result))
                self._on_news()

    def _admission(self, first: learning_pb2.LearnRequest) -> learning_pb2.JoinResult:
        join = first.join
        refusal, detail = self._learner.refusal_of(join)
        if join.protocol_version != PROTOCOL_VERSION:
            refusal = learning_pb2.REFUSAL_PROTOCOL_VERSION
            detail = f"first message with protocol version {join.protocol_version}: expected `join` with {PROTOCOL_VERSION}"
        if refusal:
            known = join.agent if join.agent in self._learner.known else UNKNOWN
            self._learner.metrics.batches[known, REFUSALS[refusal]].inc()
        return learning_pb2.JoinResult(
            accepted=not refusal,
            refusal=refusal,
            detail=detail,
            protocol_version=PROTOCOL_VERSION,
            batch_transitions=MOST_TRANSITIONS,
            decoding=self._learner.config.world.decoding,
        )


class CriticAdminServicer(learning_pb2_grpc.CriticAdminServiceServicer):
    """Says which critic this is."""

    def __init__(self, settings: CriticSettings, learning: LearningServicer, learner: LiveLearner) -> None:
        self._settings, self._learning, self._learner = settings, learning, learner

    async def GetCritic(self, request: Any, context: Any) -> learning_pb2.GetCriticResponse:
        return learning_pb2.GetCriticResponse(
            instance_id=self._settings.instance_id,
            xapp_version=self._settings.version_of("critic"),
            updates=self._learner.n_updates,
            policy_version=self._learner.version,
            actors=len(self._learning.sessions),
        )
