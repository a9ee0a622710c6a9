"""Weights on their way in: verified and held (stage), then swapped in one assignment (activate)."""

from __future__ import annotations

import numpy as np

from ric_sim.domain.errors import PolicyFailed, UnknownKey, WeightsCorrupt, WeightsMismatch
from ric_sim.radio.decoding import action_dim
from ric_sim.radio.learned import ActorSpec, ActorStack, decode_actor
from ricity.learning.v1 import learning_pb2
from xapps.slicing.agent import Policy, RadioFacts, SlicingAgent
from xapps.slicing.metrics import SlicingMetrics

_MAP_DECODING = "twobit"


class WeightsStage:
    """Holds at most one set of verified weights that are not in use yet."""

    def __init__(self, agent: SlicingAgent, name: str, *, metrics: SlicingMetrics) -> None:
        self._agent, self._name, self._metrics = agent, name, metrics
        self._staged: Policy | None = None

    def stage(self, message: learning_pb2.StageWeights) -> learning_pb2.WeightsNotice:
        """Verifies weights; those that do not pass are refused, and what is in use stays in use."""
        self._staged = None
        try:
            self._staged = self._verified(message)
        except (WeightsCorrupt, PolicyFailed) as error:
            return self._refused(message.version, "corrupt", error)
        except (WeightsMismatch, UnknownKey) as error:
            return self._refused(message.version, "mismatch", error)
        self._metrics.weights["staged"].inc()
        return learning_pb2.WeightsNotice(version=message.version, state=learning_pb2.WEIGHTS_STATE_STAGED)

    def activate(self, version: int) -> learning_pb2.WeightsNotice:
        """Swaps what was staged in; the next decision is made with it."""
        if self._staged is None or self._staged.version != version:
            held = self._staged.version if self._staged else "none"
            error = WeightsMismatch(f"activate version {version}: staged is {held}; stage it first")
            return self._refused(version, "mismatch", error)
        self._agent.policy, self._staged = self._staged, None
        self._metrics.weights["activated"].inc()
        return learning_pb2.WeightsNotice(version=version, state=learning_pb2.WEIGHTS_STATE_ACTIVATED)

    def _verified(self, message: learning_pb2.StageWeights) -> Policy:
        facts = self._agent.facts
        if facts is None:
            raise WeightsMismatch("weights before the O-DU has entered its network: send them again later")
        weights = decode_actor(message.content, source=f"weights {message.version} of the critic")
        if weights.sha256 != message.sha256:
            raise WeightsCorrupt(
                f"weights have sha256 {weights.sha256[:12]}, announced was {message.sha256[:12]}: send them again"
            )
        if weights.spec.version != message.version or message.agent != self._name:
            raise WeightsMismatch(
                f"weights {weights.spec.version} announced as {message.version} of {message.agent}, for {self._name}"
            )
        in_use = self._agent.policy.version if self._agent.policy else 0
        if message.version <= in_use:
            raise WeightsMismatch(
                f"weights {message.version} are not newer than {in_use}, which are in use: send a larger version"
            )
        check_fit(weights.spec, self._name, facts)
        stack = ActorStack([weights])
        stack.greedy(np.zeros((1, weights.spec.observation_dim), dtype=np.float32))  # what overflows even here is no policy
        return Policy(stack, message.version, weights.sha256)

    def _refused(self, version: int, fate: str, error: Exception) -> learning_pb2.WeightsNotice:
        self._metrics.weights[fate].inc()
        return learning_pb2.WeightsNotice(version=version, state=learning_pb2.WEIGHTS_STATE_REFUSED, detail=str(error))


def check_fit(spec: ActorSpec, name: str, facts: RadioFacts) -> None:
    """Raises `WeightsMismatch` unless these are weights for this actor and its network."""
    expected = {
        "agent": name,
        "n_dus": facts.n_dus,
        "observation": facts.observation,
        "observation_dim": facts.observation_dim,
        "action_dim": action_dim(spec.decoding, facts.n_rbs),
    }
    if unlike := {what: (getattr(spec, what), wanted) for what, wanted in expected.items() if getattr(spec, what) != wanted}:
        told = ", ".join(f"{what} {given!r} for {wanted!r}" for what, (given, wanted) in unlike.items())
        raise WeightsMismatch(f"weights with {told}: push weights trained for this O-DU and its network")
    if spec.decoding == _MAP_DECODING:
        raise WeightsMismatch(f"weights with decoding {spec.decoding!r}, and a control carries quotas: push another decoding")
