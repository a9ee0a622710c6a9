"""Weights out to the actors, in two phases: all that can have staged them before any activates them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ric_sim.radio.learned import ActorWeights, encode_actor
from ricity.learning.v1 import learning_pb2
from xapps.critic.learner import LiveLearner
from xapps.critic.session import ActorSession

_KEPT_PUSHES = 4096


@dataclass(frozen=True)
class _Pushed:
    session: ActorSession
    began_s: float
    notice: asyncio.Future[learning_pb2.WeightsNotice]


class Pusher:
    """Gives out new versions; one round at a time."""

    def __init__(self, learner: LiveLearner, *, timeout_s: float, log: Any) -> None:
        self._learner, self._timeout_s, self._log = learner, timeout_s, log
        self._seconds = np.zeros(_KEPT_PUSHES)
        self._n_pushes = 0

    async def push(self, sessions: Iterable[ActorSession]) -> None:
        """A new version to these actors: staged by each, then activated by those that have staged it.

        An actor that refuses, or does not say anything in time, keeps what it has; it is counted and pushed to again with the
        next version.
        """
        weights = self._learner.next_weights()
        version = weights[0].spec.version
        messages = [(session, self._message(session, weights)) for session in sessions]
        staged = [self._stage(session, message) for session, message in messages]
        willing = await self._replies(staged, version, learning_pb2.WEIGHTS_STATE_STAGED)
        activating = [_Pushed(each.session, each.began_s, each.session.notice_of(version)) for each in willing]
        for each in activating:
            each.session.send(learning_pb2.LearnResponse(activate=learning_pb2.ActivateWeights(version=version)))
        for each in await self._replies(activating, version, learning_pb2.WEIGHTS_STATE_ACTIVATED):
            self._learner.metrics.pushes[each.session.agent, "activated"].inc()

    def push_ms(self) -> dict[str, float]:
        """Quantiles of the time from staging weights to having them activated, of the latest pushes."""
        seconds = self._seconds[: min(self._n_pushes, _KEPT_PUSHES)]
        return {f"p{q}": round(1e3 * float(np.percentile(seconds, q)), 3) for q in (50, 99)} if len(seconds) else {}

    def _message(self, session: ActorSession, weights: Sequence[ActorWeights]) -> learning_pb2.StageWeights:
        index = self._learner.agents.index(session.agent)
        actor = weights[index]
        return learning_pb2.StageWeights(
            agent=session.agent,
            version=actor.spec.version,
            sha256=actor.sha256,
            content=encode_actor(actor),
            **self._learner.facts(index),
        )

    def _stage(self, session: ActorSession, message: learning_pb2.StageWeights) -> _Pushed:
        pushed = _Pushed(session, time.perf_counter(), session.notice_of(message.version))
        session.needs_weights = False
        session.send(learning_pb2.LearnResponse(stage=message))
        return pushed

    async def _replies(self, pushed: list[_Pushed], version: int, wanted: learning_pb2.WeightsState.ValueType) -> list[_Pushed]:
        """Those that reported the wanted state in time."""
        for each in pushed:
            if wanted == learning_pb2.WEIGHTS_STATE_ACTIVATED:
                each.notice.add_done_callback(partial(self._clock, each.began_s))
        if pushed:
            await asyncio.wait([each.notice for each in pushed], timeout=self._timeout_s)
        reached = []
        for each in pushed:
            agent = each.session.agent
            if not each.notice.done() or each.notice.cancelled():
                self._learner.metrics.pushes[agent, "timeout"].inc()
                self._log.warning("push.unanswered", actor=agent, version=version)
            elif each.notice.result().state == wanted:
                reached.append(each)
            else:
                self._learner.metrics.pushes[agent, "refused"].inc()
                self._log.warning("push.refused", actor=agent, version=version, detail=each.notice.result().detail)
        return reached

    def _clock(self, began_s: float, notice: asyncio.Future[learning_pb2.WeightsNotice]) -> None:
        if not notice.cancelled():
            seconds = time.perf_counter() - began_s
            self._learner.metrics.push_seconds.observe(seconds)
            self._seconds[self._n_pushes % _KEPT_PUSHES] = seconds
            self._n_pushes += 1
