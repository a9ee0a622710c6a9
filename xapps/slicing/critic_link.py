"""The dApp's stream with the critic: experience up, weights down. The O-DU is decided whether it is there or not."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from ric_sim.radio.encoding import ENCODABLE
from ricity.learning.v1 import learning_pb2, learning_pb2_grpc
from xapps.sdk.backoff import Backoff
from xapps.sdk.standalone import ANSWER_TIMEOUT_S, STREAM_OVER
from xapps.slicing.agent import SlicingAgent
from xapps.slicing.experience import ExperienceBuffer
from xapps.slicing.metrics import SlicingMetrics
from xapps.slicing.settings import SlicingSettings
from xapps.slicing.staging import WeightsStage

PROTOCOL_VERSION = 1
LONGEST_PAUSE_S = 1.0
_LOGGED_FAILURES = 20
_SMALL_WEIGHTS_BYTES = 1 << 17


class CriticLink:
    """Streams what the buffer holds and stages what the critic sends.

    Attributes:
        joined: the critic takes experience and will send weights; only then the agent explores.
    """

    def __init__(
        self, settings: SlicingSettings, agent: SlicingAgent, buffer: ExperienceBuffer, *, metrics: SlicingMetrics, log: Any
    ) -> None:
        self.joined = False
        self._settings, self._agent, self._buffer = settings, agent, buffer
        self._stage = WeightsStage(agent, settings.agent, metrics=metrics)
        self._metrics, self._log = metrics, log
        self._has_work = asyncio.Event()
        self._notices: list[learning_pb2.WeightsNotice] = []

    def wake(self) -> None:
        """The buffer has something to send."""
        self._has_work.set()

    async def run(self) -> None:
        """Learns until cancelled; a critic that is away or says no is tried again for ever."""
        backoff, failures = Backoff(first_s=0.05, longest_s=LONGEST_PAUSE_S), 0
        while True:
            try:
                await self._learn_until_lost(backoff)
            except STREAM_OVER as error:
                if failures % _LOGGED_FAILURES == 0:
                    self._log.warning("critic.unreachable", critic=self._settings.critic, error=(str(error) or repr(error))[:200])
                failures += 1
            finally:
                self._left()
            self._metrics.reconnects.inc()
            await asyncio.sleep(backoff.pause_s())

    @property
    def _policy_version(self) -> int:
        return self._agent.policy.version if self._agent.policy else 0

    async def run_while(self, deciding: asyncio.Event, standing_by: asyncio.Event) -> None:
        """`run` whenever `deciding`, until `standing_by`: an actor is in its critic's eyes one, whoever stands by for it."""
        while True:
            await deciding.wait()
            learning = asyncio.create_task(self.run())
            leaving = asyncio.create_task(standing_by.wait())
            try:
                await asyncio.wait((learning, leaving), return_when=asyncio.FIRST_COMPLETED)
                if learning.done():
                    learning.result()
            finally:
                learning.cancel()
                leaving.cancel()
                await asyncio.gather(learning, leaving, return_exceptions=True)

    def _left(self) -> None:
        self.joined = self._agent.exploring = False
        self._metrics.critic_attached.set(0)
        self._buffer.resend()
        self._notices.clear()

    async def _learn_until_lost(self, backoff: Backoff) -> None:
        async with self._settings.transport.channel(self._settings.critic, peer="critic") as channel:
            call = learning_pb2_grpc.LearningServiceStub(channel).Learn()
            told = self._policy_version
            if not await self._join(call) or self._policy_version != told:  # weights that were reloaded meanwhile: join anew
                return
            backoff.reset()
            self.joined, self._agent.exploring = True, self._settings.explore
            self._metrics.critic_attached.set(1)
            self._log.info("critic.joined", critic=self._settings.critic, unacknowledged=len(self._buffer))
            self._has_work.set()
            tasks = [asyncio.create_task(activity) for activity in (self._read(call), self._write(call))]
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _join(self, call: Any) -> bool:
        facts = self._agent.facts
        if facts is None:
            return False
        join = learning_pb2.JoinRequest(
            protocol_version=PROTOCOL_VERSION,
            agent=self._settings.agent,
            instance_id=self._settings.instance_id,
            observation=facts.observation,
            observation_dim=facts.observation_dim,
            n_dus=facts.n_dus,
            policy_version=self._policy_version,
        )
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await call.write(learning_pb2.LearnRequest(join=join))
            message = await call.read()
        if message is grpc.aio.EOF:
            return False
        result = message.join_result
        if not result.accepted:
            self._log.warning("critic.refused", refusal=learning_pb2.Refusal.Name(result.refusal), detail=result.detail)
            return False
        self._agent.decoding = result.decoding if result.decoding in ENCODABLE else None
        self._buffer.batch_transitions = min(self._settings.batch_transitions, result.batch_transitions)
        return True

    async def _read(self, call: Any) -> None:
        while (message := await call.read()) is not grpc.aio.EOF:
            kind = message.WhichOneof("message")
            if kind == "experience_result":
                self._buffer.settle(message.experience_result)
            elif kind == "stage":
                self._tell(await self._staged(message.stage))
            elif kind == "activate":
                self._tell(self._stage.activate(message.activate.version))

    async def _staged(self, message: learning_pb2.StageWeights) -> learning_pb2.WeightsNotice:
        """Small weights are checked at once: a thread's start costs more. Larger ones take longer than a decision may wait."""
        if len(message.content) <= _SMALL_WEIGHTS_BYTES:
            return self._stage.stage(message)
        return await asyncio.to_thread(self._stage.stage, message)

    def _tell(self, notice: learning_pb2.WeightsNotice) -> None:
        if notice.detail:
            self._log.warning("weights.refused", version=notice.version, detail=notice.detail)
        self._notices.append(notice)
        self._has_work.set()

    async def _write(self, call: Any) -> None:
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            notices, self._notices = self._notices, []
            for notice in notices:
                await call.write(learning_pb2.LearnRequest(weights=notice))
            for batch in self._buffer.unsent():
                await call.write(learning_pb2.LearnRequest(experience=batch))
