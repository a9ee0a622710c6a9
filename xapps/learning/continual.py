"""Agents that go on learning when the traffic has changed, without unlearning what they knew.

Two means against forgetting, each of which costs some of the new: rehearsal (some lanes go on playing the old regime) and
regularisation (on what is met in these lanes, a policy is held near the one it was: a Kullback-Leibler penalty).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ric_sim.network.city import City
from ric_sim.network.policies.learned.weights import Weights
from ric_sim.network.traffic import Day
from xapps.learning.amarl import AmarlTrainer
from xapps.learning.config import TrainingConfig
from xapps.learning.networks import RoutingNetwork
from xapps.learning.ppo import PpoLearner, PpoSettings, Samples, samples_of
from xapps.learning.pretrained import network_of
from xapps.learning.rollout import Decisions

ANCHOR = 1.0
_REHEARSED = 128
"""Decisions of the old regime that a gradient step is regularised on."""


@dataclass(frozen=True)
class Regimes:
    """Cities and days to learn from.

    Attributes:
        new: what the traffic has become.
        rehearsed: of before the shift; none, nothing is rehearsed.
        anchor: weight of the divergence from the policy before the shift, in return per nat.
    """

    new: Sequence[tuple[City, Day]]
    rehearsed: Sequence[tuple[City, Day]] = ()
    anchor: float = ANCHOR


class AnchoredLearner(PpoLearner):
    """A learner that stays near what it was, on the decisions it is told to."""

    def __init__(self, name: str, network: RoutingNetwork, settings: PpoSettings, *, seed: int, anchor: float) -> None:
        """`network` as it is now is what the learner stays near."""
        super().__init__(name, network, settings, seed=seed)
        self._before = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self._anchor = anchor
        self._rehearsed: list[Samples] = []

    def rehearse(self, samples: Samples) -> None:
        """Decisions on which the next update is to stay near the policy before the shift."""
        if len(samples):
            self._rehearsed.append(samples)

    def update(self) -> dict[str, float] | None:
        scalars = super().update()
        if scalars is not None:
            self._rehearsed.clear()
        return scalars

    def divergence(self, samples: Samples, rows: npt.NDArray[np.int64]) -> torch.Tensor:
        """Mean Kullback-Leibler divergence, in nats, of the present policy from the one before the shift."""
        seen = samples.batch(rows)
        with torch.no_grad():
            before = torch.log_softmax(self._before(*seen)[0], dim=1)
        now = torch.log_softmax(self.network(*seen)[0], dim=1)
        return (before.exp() * (before - now)).sum(dim=1).mean()

    def _penalty(self) -> torch.Tensor:
        if not self._rehearsed:
            return super()._penalty()
        part = self._rehearsed[int(self._rng.integers(len(self._rehearsed)))]
        rows = self._rng.choice(len(part), min(_REHEARSED, len(part)), replace=False)
        return self._anchor * self.divergence(part, rows)


class ContinualTrainer(AmarlTrainer):
    """Trained agents in lanes of a new regime and, if there is something to rehearse, of the old one."""

    def __init__(
        self, config: TrainingConfig, regimes: Regimes, team: Mapping[str, Weights], *, seed: int, weights: Path
    ) -> None:
        """`config` with the widths and the mask of the team, see `fitted`."""
        self.regimes, self._team = regimes, team
        super().__init__(config, seed=seed, weights=weights, scenarios=[*regimes.new, *regimes.rehearsed])
        self._first_rehearsed = int(self._collector.starts[len(regimes.new)])

    def _new_learner(self, key: str, city: City, *, seed: int) -> PpoLearner:
        network = network_of(city, self._team[key])
        return AnchoredLearner(key, network, self.config.amarl.settings, seed=seed, anchor=self.regimes.anchor)

    def _hand_over(self, index: int, decisions: Decisions, advantage: npt.NDArray[np.float32]) -> None:
        super()._hand_over(index, decisions, advantage)
        learner = self.learners[index]
        if isinstance(learner, AnchoredLearner) and self._first_rehearsed < decisions.service.shape[1]:
            is_rehearsed = np.arange(decisions.service.shape[1]) >= self._first_rehearsed
            old = replace(decisions, service=np.where(is_rehearsed, decisions.service, -1))
            learner.rehearse(samples_of(old, advantage, [index]))

    def adapt(self) -> None:
        """Learns for as many decisions as the configuration says."""
        self.prepare()
        while self.steps < self.config.total_steps:
            self.advance()
