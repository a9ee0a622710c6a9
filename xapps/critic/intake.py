"""Experience on its way into the replay: every batch is checked, counted and answered."""

from __future__ import annotations

from typing import Any

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ricity.learning.v1 import learning_pb2
from xapps.critic.metrics import ACCEPTED, MISSING, REFUSALS, UNKNOWN, CriticMetrics
from xapps.learning.slicing.replay import Replay, Transitions

MOST_TRANSITIONS = 256
"""Of one batch."""


class Intake:
    """Knows which batches of which instance have been kept."""

    def __init__(
        self, agents: list[str], replay: Replay, *, dims: tuple[int, int], stale_after: int, metrics: CriticMetrics
    ) -> None:
        """`dims`: numbers of an observation and of an action."""
        self._agents, self._replay, self._stale_after, self._metrics = agents, replay, stale_after, metrics
        self._observation_dim, self._action_dim = dims
        self._last: dict[str, tuple[str, int]] = {}

    def take(
        self, batch: learning_pb2.ExperienceBatch, *, agent: str, instance_id: str, version: int
    ) -> learning_pb2.ExperienceResult:
        """Keeps a batch of the actor `agent`, or says why not; nothing is kept of a batch that is refused.

        Args:
            version: of the newest weights that were pushed.
        """
        refusal, detail = self._refusal(batch, agent, version)
        if not refusal and self._is_duplicate(agent, instance_id, batch.sequence):
            refusal, detail = learning_pb2.REFUSAL_DUPLICATE, f"batch {batch.sequence} is kept already"
        if not refusal:
            try:
                self._replay.add(self._agents.index(agent), self._transitions(batch))
            except OutOfRange as error:
                refusal, detail = learning_pb2.REFUSAL_IMPOSSIBLE_VALUES, str(error)
        if not refusal:
            self._note(agent, instance_id, batch)
        known = batch.agent if batch.agent in self._agents else UNKNOWN
        self._metrics.batches[known, REFUSALS[refusal] if refusal else ACCEPTED].inc()
        return learning_pb2.ExperienceResult(sequence=batch.sequence, refusal=refusal, detail=detail)

    def _refusal(
        self, batch: learning_pb2.ExperienceBatch, agent: str, version: int
    ) -> tuple[learning_pb2.Refusal.ValueType, str]:
        if batch.agent != agent or agent not in self._agents:
            return learning_pb2.REFUSAL_UNKNOWN_AGENT, f"experience of {batch.agent!r} from {agent!r}: expected one's own"
        if batch.transitions > MOST_TRANSITIONS:
            return learning_pb2.REFUSAL_OVERSIZE, f"{batch.transitions} transitions: send at most {MOST_TRANSITIONS} together"
        given, expected = (batch.observation_dim, batch.action_dim), (self._observation_dim, self._action_dim)
        n_bytes = 4 * batch.transitions * self._width
        if not batch.transitions or given != expected or len(batch.rows) != n_bytes:
            return learning_pb2.REFUSAL_WRONG_SHAPE, (
                f"{batch.transitions} transitions of observation and action {given} in {len(batch.rows)} bytes: "
                f"expected {expected} in {n_bytes} bytes"
            )
        if batch.policy_version + self._stale_after < version:
            return learning_pb2.REFUSAL_STALE, (
                f"experience of policy {batch.policy_version}, newest is {version}: at most {self._stale_after} behind"
            )
        return learning_pb2.REFUSAL_UNSPECIFIED, ""

    @property
    def _width(self) -> int:
        return 2 * self._observation_dim + self._action_dim + 1

    def _is_duplicate(self, agent: str, instance_id: str, sequence: int) -> bool:
        instance, last = self._last.get(agent, ("", 0))
        return instance == instance_id and sequence <= last

    def _transitions(self, batch: learning_pb2.ExperienceBatch) -> Transitions:
        rows = np.frombuffer(batch.rows, dtype="<f4").reshape(batch.transitions, self._width)
        n_obs, n_act = self._observation_dim, self._action_dim
        observation, action, reward, following = np.split(rows, [n_obs, n_obs + n_act, n_obs + n_act + 1], axis=1)
        return Transitions(observation, action, reward[:, 0], following)

    def _note(self, agent: str, instance_id: str, batch: learning_pb2.ExperienceBatch) -> None:
        instance, last = self._last.get(agent, ("", 0))
        if instance == instance_id and batch.sequence > last + 1:
            self._metrics.batches[agent, MISSING].inc(batch.sequence - last - 1)
        self._last[agent] = (instance_id, batch.sequence)
        self._metrics.transitions[agent].inc(batch.transitions)

    def state_dict(self) -> dict[str, Any]:
        return {"last": dict(self._last)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._last = dict(state["last"])
