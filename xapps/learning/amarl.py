"""AMARL in one process: six learners, one per service, that share nothing but the lanes (paper section 4).

No learner waits for another: each updates when it has gathered enough decisions of its own, while the lanes play on with
whatever policies there are. Everything is drawn from seeded streams, so a run is reproducible to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ric_sim.envs.lanes import LaneBatch
from ric_sim.envs.rewards import PAPER, RewardPlan, RewardWeights
from ric_sim.network.city import City
from ric_sim.network.episodes.kernels import ARRIVED
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.policies.learned.weights import Lineage
from ric_sim.network.traffic import Day
from xapps.learning.config import RewardConfig, TrainingConfig
from xapps.learning.export import export
from xapps.learning.networks import RoutingNetwork
from xapps.learning.ppo import PpoLearner, advantages, samples_of
from xapps.learning.rollout import Collector, Decisions
from xapps.learning.scarcity import Scarcity
from xapps.learning.validation import Score, Validation

_MOST_VERDICTS = 24_000
"""Verdicts between two looks at them; those beyond are not recorded."""
_TRAINING_SEEDS = 20_270_000
VALIDATION_SEED = 20_279_999
"""Seeds of days. The published days have others, and the validation day none of a training run's."""


def training_scenarios(config: TrainingConfig, seed: int) -> list[tuple[City, Day]]:
    """City and day for every profile and day of a run."""
    traffic = config.traffic
    return [
        (
            city,
            generate_day(city, "train", profile=profile, seed=_TRAINING_SEEDS + 8 * seed + index, hold_scale=traffic.hold_scale),
        )
        for profile in traffic.profiles
        for city in [build_city(profile)]
        for index in range(traffic.days)
    ]


def validation_scenarios(config: TrainingConfig) -> list[tuple[City, Day]]:
    """City and validation day of every profile."""
    return [
        (city, generate_day(city, "train", profile=profile, seed=VALIDATION_SEED, hold_scale=config.traffic.hold_scale))
        for profile in config.traffic.profiles
        for city in [build_city(profile)]
    ]


def reward_weights(config: RewardConfig) -> RewardWeights:
    """The weights a configuration asks for."""
    if config.kind == "paper":
        return PAPER
    return RewardWeights(latency_per_ms=-config.hop_per_ms, refused=-config.refusal, scarcity=-config.scarcity)


class AmarlTrainer:
    """The six learners and the lanes they share.

    Attributes:
        students: indices of the learners that learn; the others decide as they are.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        seed: int,
        weights: Path,
        lineage: Lineage = Lineage(),  # noqa: B008 - frozen
        scenarios: Sequence[tuple[City, Day]] | None = None,
    ) -> None:
        """
        Args:
            weights: folder the best policies go to.
            scenarios: other cities and days than the configuration's.
        """
        torch.set_num_threads(1)
        torch.set_float32_matmul_precision(config.matmul_precision)
        torch.manual_seed(seed)
        self.config, self.seed, self.steps, self.rollouts = config, seed, 0, 0
        self._weights, self._lineage = weights, lineage
        scenarios = scenarios or training_scenarios(config, seed)
        self._days = tuple(f"{each.profile}/{day.name}" for each, day in scenarios)
        self._validation: Validation | None = None
        city = scenarios[0][0]
        self.services = [spec.key for spec in city.services]
        self.learners = [self._new_learner(key, city, seed=seed + index) for index, key in enumerate(self.services)]
        self.students = list(range(len(self.learners)))
        self._batches = [
            LaneBatch(
                each,
                day,
                n_lanes=config.traffic.lanes,
                stretch=config.traffic.stretch,
                seed=1000 * seed + index,
                rules=config.mask.rules,
                verdicts=_MOST_VERDICTS if config.reward.kind == "team" else 0,
            )
            for index, (each, day) in enumerate(scenarios)
        ]
        self._scarcity = [
            Scarcity(
                len(batch.watched),
                n_services=len(self.services),
                learning_rate=config.reward.scarcity_learning_rate,
                seed=seed + index,
                most=config.reward.scarcity_most,
            )
            for index, batch in enumerate(self._batches)
        ]
        plan = RewardPlan(reward_weights(config.reward))
        self._collector = Collector(self._batches, self.networks, seed=seed, plan=plan)

    def _new_learner(self, key: str, city: City, *, seed: int) -> PpoLearner:
        """The learner of a service; its network is new."""
        return PpoLearner(key, self.config.network.untrained(city), self.config.amarl.settings, seed=seed)

    @property
    def networks(self) -> list[RoutingNetwork]:
        """By service index."""
        return [learner.network for learner in self.learners]

    def prepare(self) -> None:
        """Fills the lanes by a plain rule and lets the scarcity models learn from what they see meanwhile."""
        for batch, scarcity in zip(self._batches, self._scarcity, strict=True):
            filled = self.config.traffic.filled
            batch.fill(filled // 3)
            batch.verdicts.written[0] = 0  # the networks were empty when these reservations began
            batch.fill(filled - filled // 3)
            scarcity.remember(batch)
            scarcity.learn(self.config.reward.scarcity_first)

    def advance(self) -> dict[str, dict[str, float]]:
        """One rollout of the lanes and the updates that become due: scalars by service key, and of the lanes by `lanes`."""
        decisions = self._collector.collect(self.config.ticks)
        self.steps += int((decisions.service >= 0).sum())
        report: dict[str, dict[str, float]] = {"lanes": self._charge(decisions)}
        self.rollouts += 1
        settings = self.config.amarl
        last = settings.learning_rate if settings.final_learning_rate is None else settings.final_learning_rate
        done_share = min(1.0, self.steps / self.config.total_steps)
        for index in self.students:
            learner = self.learners[index]
            learner.anneal(1.0 - done_share * (1.0 - last / settings.learning_rate))
            self._hand_over(index, decisions, advantages(decisions, learner.settings))
            updated = learner.update()
            if updated is not None:
                report[learner.name] = updated
        return report

    def _hand_over(self, index: int, decisions: Decisions, advantage: npt.NDArray[np.float32]) -> None:
        """Gives a learner the decisions of its service."""
        self.learners[index].add(samples_of(decisions, advantage, [index]))

    def _charge(self, decisions: Decisions) -> dict[str, float]:
        """Takes the scarcity term off the rewards of decisions that ended in a commit; scalars of the lanes."""
        errors, costs, accepted = [], [], []
        starts = self._collector.starts
        for index, (batch, outcomes) in enumerate(zip(self._batches, self._collector.outcomes, strict=True)):
            arrived = outcomes.status[: int(outcomes.written[0])] == ARRIVED
            accepted.append(float(arrived.mean()) if len(arrived) else float("nan"))
            if self.config.reward.kind != "team":
                continue
            scarcity = self._scarcity[index]
            cost = scarcity.cost(batch, outcomes) * arrived
            scarcity.remember(batch)
            errors.append(scarcity.learn(self.config.reward.scarcity_steps))
            costs.append(float(cost.mean()) if len(cost) else float("nan"))
            columns = slice(int(starts[index]), int(starts[index + 1]))
            row = decisions.outcome[:, columns]
            if len(cost):
                charged = np.where(row >= 0, cost[np.maximum(row, 0)], 0.0)
                decisions.reward[:, columns] -= (self.config.reward.scarcity * charged).astype(np.float32)
        scalars = {"accepted": float(np.nanmean(accepted))}
        if errors:
            scalars |= {"scarcity_error": float(np.nanmean(errors)), "scarcity_cost": float(np.nanmean(costs))}
        return scalars

    def score(self) -> Score:
        """The present policies, greedy, on the validation day."""
        if self._validation is None:
            self._validation = Validation(
                validation_scenarios(self.config), flows=self.config.traffic.validation_flows, rules=self.config.mask.rules
            )
        return self._validation.score(self.networks)

    def save_weights(self) -> None:
        """Exports the present policies."""
        self._export(self.learners)

    def _export(self, learners: Sequence[PpoLearner]) -> None:
        lineage = replace(self._lineage, seed=self.seed, config_hash=self.config.digest, steps=self.steps, train_days=self._days)
        for learner in learners:
            export(learner.network, self._weights, algorithm="amarl", service=learner.name, config=self.config, lineage=lineage)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; the lanes begin afresh."""
        return {
            "steps": self.steps,
            "rollouts": self.rollouts,
            "learners": {learner.name: learner.state_dict() for learner in self.learners},
            "scarcity": [scarcity.state_dict() for scarcity in self._scarcity],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self.rollouts = state["steps"], state["rollouts"]
        for learner in self.learners:
            learner.load_state_dict(state["learners"][learner.name])
        for scarcity, values in zip(self._scarcity, state["scarcity"], strict=True):
            scarcity.load_state_dict(values)
