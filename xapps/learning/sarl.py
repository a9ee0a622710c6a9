"""SARL: one agent that routes all services, trained by sb3-contrib's MaskablePPO (the paper's baseline, section 5.2).

Same network, features, rewards and days as AMARL; the algorithm and its rollouts are the library's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3.common.logger import Logger

from ric_sim.domain.errors import TrainingDiverged
from ric_sim.envs.lanes import LaneBatch
from ric_sim.envs.rewarded import Paid, selected
from ric_sim.envs.rewards import RewardPlan
from ric_sim.network.city import City
from ric_sim.network.episodes.kernels import ARRIVED
from ric_sim.network.policies.learned.weights import ALL_SERVICES, Lineage
from ric_sim.network.traffic import Day
from xapps.learning.admission import AdmissionLearner
from xapps.learning.amarl import reward_weights, training_scenarios, validation_scenarios
from xapps.learning.config import PpoConfig, TrainingConfig
from xapps.learning.export import export
from xapps.learning.graphs import RingGraphs
from xapps.learning.networks import RoutingNetwork
from xapps.learning.sb3_env import BatchedVecEnv
from xapps.learning.sb3_policy import GroupedBuffer, RoutingPolicy
from xapps.learning.scarcity import Scarcity
from xapps.learning.validation import Score, Validation

_MOST_VERDICTS = 24_000
"""Between two looks at them, per batch."""

AGENT = "sarl"
"""Its name in scalars and error messages."""

_SCALARS = {
    "policy_loss": "train/policy_gradient_loss",
    "value_loss": "train/value_loss",
    "kl": "train/approx_kl",
    "clipped": "train/clip_fraction",
}


class SarlTrainer:
    """The one learner, its lanes and, where the reward has a team term, the scarcity models behind it."""

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
            weights: folder the best policy goes to.
            scenarios: other cities and days than the configuration's.
        """
        torch.set_num_threads(1)
        torch.set_float32_matmul_precision(config.matmul_precision)
        self.config, self.seed, self.steps, self.rollouts = config, seed, 0, 0
        self._weights_folder, self._lineage = weights, lineage
        self._scenarios = list(scenarios or training_scenarios(config, seed))
        self._reward = reward_weights(config.reward)
        self._validation: Validation | None = None
        self._batches = self._new_batches()
        self._scarcity = [self._new_scarcity(index) for index in range(len(self._batches))] if self._reward.scarcity else []
        self._n_settled, self._n_accepted = 0, 0
        self._costs: list[float] = []
        n_lanes = sum(batch.n_lanes for batch in self._batches)
        self._n_ticks = max(1, config.sarl.rollout // n_lanes)
        self._env = BatchedVecEnv(self._batches, RewardPlan(self._reward), n_ticks=self._n_ticks, watch=self._paid)
        self._judge = RingGraphs(self._env.ring)
        self._model = self._new_model(config.sarl)
        self._admission = AdmissionLearner(self.network, seed=seed)

    @property
    def network(self) -> RoutingNetwork:
        return self._policy.network

    @property
    def _policy(self) -> RoutingPolicy:
        policy = self._model.policy
        assert isinstance(policy, RoutingPolicy)
        return policy

    @property
    def _buffer(self) -> GroupedBuffer:
        buffer = self._model.rollout_buffer
        assert isinstance(buffer, GroupedBuffer)
        return buffer

    def prepare(self) -> None:
        """Fills the lanes by a plain rule and lets the scarcity models learn from what they see meanwhile."""
        filled = self.config.traffic.filled
        for index, batch in enumerate(self._batches):
            batch.fill(filled // 3)
            batch.verdicts.written[0] = 0  # the networks were empty when these reservations began
            batch.fill(filled - filled // 3)
            if self._scarcity:
                self._scarcity[index].remember(batch)
                self._scarcity[index].learn(self.config.reward.scarcity_first)

    def advance(self) -> dict[str, dict[str, float]]:
        """One rollout and the update that follows it: scalars of the learner, and of the lanes by `lanes`.

        Raises:
            TrainingDiverged: the network is no longer finite; the last checkpoint is good.
        """
        self._judge.forget()
        self._costs.clear()
        self._n_settled, self._n_accepted = 0, 0
        try:
            self._model.learn(self._n_ticks * self._env.num_envs, log_interval=None, reset_num_timesteps=False)  # type: ignore[arg-type]
        except (ValueError, RuntimeError) as error:
            self._check_finite(error)
            raise
        self._check_finite(None)
        self.steps += self._n_ticks * self._env.num_envs
        self.rollouts += 1
        self._learn_admission()
        return {"lanes": self._after_rollout(), AGENT: self._scalars()}

    def score(self) -> Score:
        """The present policy, greedy, on the validation day."""
        if self._validation is None:
            traffic = self.config.traffic
            scenarios = validation_scenarios(self.config)
            self._validation = Validation(scenarios, flows=traffic.validation_flows, rules=self.config.mask.rules)
        return self._validation.score([self.network] * len(self._batches[0].city.services))

    def save_weights(self) -> None:
        """Exports the present policy."""
        days = tuple(f"{city.profile}/{day.name}" for city, day in self._scenarios)
        lineage = replace(self._lineage, seed=self.seed, config_hash=self.config.digest, steps=self.steps, train_days=days)
        export(self.network, self._weights_folder, algorithm="sarl", service=ALL_SERVICES, config=self.config, lineage=lineage)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs; the lanes begin afresh, in other parts of the day."""
        return {
            "steps": self.steps,
            "rollouts": self.rollouts,
            "network": self.network.state_dict(),
            "optimiser": self._policy.optimizer.state_dict(),
            "admission": self._admission.state_dict(),
            "order": self._buffer.rng.bit_generator.state,
            "sampling": torch.get_rng_state(),
            "scarcity": [scarcity.state_dict() for scarcity in self._scarcity],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self.rollouts = state["steps"], state["rollouts"]
        self._batches = self._new_batches()
        self._env = BatchedVecEnv(
            self._batches, RewardPlan(self._reward), n_ticks=self._n_ticks, ring=self._env.ring, watch=self._paid
        )
        self._model.set_env(self._env)
        self._model.num_timesteps = self.steps
        self.network.load_state_dict(state["network"])
        self._policy.optimizer.load_state_dict(state["optimiser"])
        self._buffer.rng.bit_generator.state = state["order"]
        self._admission.load_state_dict(state["admission"])
        for scarcity, values in zip(self._scarcity, state["scarcity"], strict=True):
            scarcity.load_state_dict(values)
        torch.set_rng_state(state["sampling"])

    def _new_batches(self) -> list[LaneBatch]:
        traffic, rules = self.config.traffic, self.config.mask.rules
        salt = 1000 * self.seed + 7919 * self.rollouts
        return [
            LaneBatch(
                city,
                day,
                n_lanes=traffic.lanes,
                stretch=traffic.stretch,
                seed=salt + index,
                rules=rules,
                verdicts=_MOST_VERDICTS if self._reward.scarcity else 0,
            )
            for index, (city, day) in enumerate(self._scenarios)
        ]

    def _new_scarcity(self, index: int) -> Scarcity:
        batch, rate = self._batches[index], self.config.reward.scarcity_learning_rate
        n_services = len(batch.city.services)
        return Scarcity(
            len(batch.watched),
            n_services=n_services,
            learning_rate=rate,
            seed=self.seed + index,
            most=self.config.reward.scarcity_most,
        )

    def _new_network(self) -> RoutingNetwork:
        return self.config.network.untrained(self._scenarios[0][0])

    def _new_model(self, ppo: PpoConfig) -> MaskablePPO:
        model = MaskablePPO(
            RoutingPolicy,
            self._env,
            learning_rate=lambda _: self._learning_rate(ppo),
            n_steps=self._n_ticks,
            batch_size=ppo.minibatch,
            n_epochs=ppo.epochs,
            gamma=ppo.gamma,
            gae_lambda=ppo.gae_lambda,
            clip_range=ppo.clip,
            ent_coef=ppo.entropy,
            vf_coef=ppo.value,
            max_grad_norm=ppo.max_grad_norm,
            policy_kwargs={"judge": self._judge, "make_network": self._new_network},
            rollout_buffer_class=GroupedBuffer,
            rollout_buffer_kwargs={"graph_column": self._env.ring.layout.parts["graph"].start, "seed": self.seed},
            seed=self.seed,
            device="cpu",
        )
        model.set_logger(Logger(folder=None, output_formats=[]))
        return model

    def _learning_rate(self, ppo: PpoConfig) -> float:
        if ppo.final_learning_rate is None:
            return ppo.learning_rate
        done = min(1.0, self.steps / self.config.total_steps)
        return ppo.learning_rate + done * (ppo.final_learning_rate - ppo.learning_rate)

    def _paid(self, index: int, paid: Paid) -> np.ndarray:
        """The scarcity term of one step of a batch, float32 [L]; counts what was settled."""
        self._n_settled += len(paid.settled.status)
        self._n_accepted += int((paid.settled.status == ARRIVED).sum())
        out = np.zeros(len(paid.reward), dtype=np.float32)
        lanes = np.flatnonzero(paid.done & paid.accepted)
        if self._scarcity and len(lanes):
            cost = self._scarcity[index].cost(self._batches[index], selected(paid.settled, paid.row[lanes]))
            out[lanes] = self._reward.scarcity * cost
            self._costs.append(float(np.abs(cost).mean()))
        return out

    def _after_rollout(self) -> dict[str, float]:
        """Lets the scarcity models learn from the rollout; scalars of the lanes."""
        scalars = {"accepted": self._n_accepted / self._n_settled if self._n_settled else float("nan")}
        errors = []
        for batch, scarcity in zip(self._batches, self._scarcity, strict=False):
            scarcity.remember(batch)
            errors.append(scarcity.learn(self.config.reward.scarcity_steps))
        if self._scarcity:
            scalars |= {"scarcity_error": _mean(errors), "scarcity_cost": _mean(self._costs)}
        return scalars

    def _learn_admission(self) -> None:
        parts, buffer = self._env.ring.layout.parts, self._buffer
        seen = buffer.observations.reshape(-1, buffer.observations.shape[-1])
        self._admission.learn(
            np.ascontiguousarray(seen[:, parts["context"]]),
            seen[:, parts["mask"]] > 0,
            buffer.actions.reshape(-1).astype(np.int64),
            buffer.returns.reshape(-1).astype(np.float32),
        )

    def _scalars(self) -> dict[str, float]:
        values = self._model.logger.name_to_value
        scalars = {name: float(values[theirs]) for name, theirs in _SCALARS.items()}
        return {
            **scalars,
            "entropy": -float(values["train/entropy_loss"]),
            "return_mean": float(self._buffer.returns.mean()),
            "decisions": float(self._n_ticks * self._env.num_envs),
        }

    def _check_finite(self, cause: BaseException | None) -> None:
        """Raises `TrainingDiverged` where a parameter is not finite."""
        wrong = [name for name, values in self.network.named_parameters() if not torch.isfinite(values).all()]
        if wrong:
            raise TrainingDiverged(
                f"agent {AGENT}, update {self.rollouts}: {', '.join(wrong)} not finite. Resume from the last checkpoint "
                "with a lower learning rate"
            ) from cause


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
