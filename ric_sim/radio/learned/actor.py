"""Actors in numpy: what a dApp decides with, in microseconds and without a learning framework."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange, PolicyFailed, WeightsMismatch
from ric_sim.radio.learned.weights import ActorSpec, ActorWeights

SingleArray = npt.NDArray[np.float32]

LOG_SIGMA_LOW, LOG_SIGMA_HIGH = -5.0, 2.0
NORM_EPSILON = 1e-5
_WEIGHTS_AGREE = ("n_dus", "observation", "decoding", "observation_dim", "action_dim", "hidden", "activation", "layer_norm")


class ActorStack:
    """M actors of one shape, each with weights of its own; a dApp has a stack of one.

    The policy is u ~ N(mu, sigma), action = sigmoid(u), with log sigma = -5 + 3.5 (tanh(s) + 1).
    """

    def __init__(self, weights: Sequence[ActorWeights]) -> None:
        """
        Raises:
            WeightsMismatch: none, or of different shapes, observations or decodings.
        """
        if not weights:
            raise WeightsMismatch("no actors: expected the weights of one or more")
        self.spec: ActorSpec = weights[0].spec
        for other in weights[1:]:
            if differ := [name for name in _WEIGHTS_AGREE if getattr(other.spec, name) != getattr(self.spec, name)]:
                raise WeightsMismatch(
                    f"actors {self.spec.agent} and {other.spec.agent} differ in {', '.join(differ)}: "
                    "expected weights of one training"
                )
        self.agents = tuple(each.spec.agent for each in weights)
        self._layers = [
            tuple(np.stack([each.tensors[f"layers.{index}.{part}"] for each in weights]) for part in ("weight", "bias"))
            for index in range(len(self.spec.hidden) + 1)
        ]

    def greedy(self, observation: SingleArray) -> SingleArray:
        """sigmoid(mu), float32 [..., M, d] in [0, 1], for observations float32 [..., M, o].

        Raises:
            OutOfRange: an observation of another shape or with numbers that are not finite.
            PolicyFailed: the network's numbers overflowed.
        """
        return _sigmoid(self.moments(observation)[0])

    def sample(self, observation: SingleArray, rng: np.random.Generator, *, most_sigma: float = np.inf) -> SingleArray:
        """An action drawn from the policy, for exploring, with no larger sigma than `most_sigma`; otherwise as `greedy`."""
        mean, sigma = self.moments(observation)
        spread: SingleArray = np.minimum(sigma, np.float32(most_sigma))
        noise: SingleArray = rng.standard_normal(mean.shape, dtype=np.float32)
        return _sigmoid(mean + spread * noise)

    def moments(self, observation: SingleArray) -> tuple[SingleArray, SingleArray]:
        """mu and sigma, float32 [..., M, d]; errors as `greedy`."""
        observation = np.asarray(observation, dtype=np.float32)
        if observation.shape[-2:] != (len(self.agents), self.spec.observation_dim):
            raise OutOfRange(
                f"observation of shape {observation.shape}: expected [..., {len(self.agents)}, {self.spec.observation_dim}], "
                f"one row per actor, {self.spec.observation!r} features"
            )
        if not np.isfinite(observation).all():
            raise OutOfRange("observation with numbers that are not finite: keep the last report, or fall back to a fixed split")
        with np.errstate(over="ignore", invalid="ignore"):  # told apart below
            outputs = self._forward(observation)
        if not np.isfinite(outputs).all():
            raise PolicyFailed(f"actors {', '.join(self.agents)}: outputs overflowed; load other weights")
        mean, raw = np.split(outputs, 2, axis=-1)
        half = 0.5 * (LOG_SIGMA_HIGH - LOG_SIGMA_LOW)
        return mean, np.exp(LOG_SIGMA_LOW + half * (np.tanh(raw) + 1))

    def _forward(self, observation: SingleArray) -> SingleArray:
        x = observation[..., None, :]  # one row per actor, so that a stack is one batched product
        for index, (weight, bias) in enumerate(self._layers):
            x = x @ weight + bias[:, None, :]
            if index < len(self.spec.hidden):
                x = self._activate(x)
        result: SingleArray = x[..., 0, :]
        return result

    def _activate(self, x: SingleArray) -> SingleArray:
        if self.spec.layer_norm:
            centred = x - x.mean(axis=-1, keepdims=True)
            x = centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + NORM_EPSILON)
        if self.spec.activation == "tanh":
            return np.tanh(x)
        return np.maximum(x, 0) if self.spec.activation == "relu" else np.concatenate((np.maximum(x, 0), np.maximum(-x, 0)), -1)


def _sigmoid(x: SingleArray) -> SingleArray:
    result: SingleArray = 0.5 * (1 + np.tanh(0.5 * x))
    return result
