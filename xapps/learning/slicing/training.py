"""The loop of a slicing run, in one process: worlds in lock step, experience, updates, measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ric_sim.radio.config import SLICES, RadioConfig
from ric_sim.radio.learned.actor import ActorStack
from ric_sim.radio.learned.policy import LearnedSlicing
from ric_sim.radio.world import StepResult, World
from xapps.learning.slicing.config import SlicingConfig
from xapps.learning.slicing.curvature import Extremes
from xapps.learning.slicing.export import actor_weights, agent_names
from xapps.learning.slicing.measure import actor_curvature, critic_curvature
from xapps.learning.slicing.replay import Replay
from xapps.learning.slicing.sac import LearnerPlan, SacLearner, UpdateReport

_FIRST_TRAINING_SEED = 1_000_000
_SEEDS_PER_RUN = 100_000
VALIDATION_SEED = 801
"""Training plays seeds from 1,000,000 on; evaluations play smaller ones."""

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Curvature:
    """Largest Hessian eigenvalues of the loss of all critics together, and of each actor's [M]."""

    critic: float
    actors: list[float]


class SlicingTrainer:
    """A learner, its replay and the worlds it plays in."""

    def __init__(self, config: SlicingConfig, *, seed: int) -> None:
        torch.set_num_threads(1)
        self.config, self.seed, self.steps = config, seed, 0
        world = config.world
        self.world = World(
            RadioConfig(n_dus=world.n_dus, n_ues=world.n_ues),
            n_replicas=world.replicas,
            decoding=world.decoding,
            observation=world.observation,
        )
        self._profiles = [world.profiles[index % len(world.profiles)] for index in range(world.replicas)]
        per_agent = world.n_dus // config.n_agents
        plan = LearnerPlan(
            config.n_agents,
            observation_dim=per_agent * self.world.obs_dim,
            action_dim=per_agent * self.world.action_dim,
            n_updates=config.n_updates,
            network=config.network,
            sac=config.sac,
            regularisation=config.regularisation,
            sam=config.sam,
        )
        self.agents = agent_names(config)
        self.learner = SacLearner(plan, seed=seed)
        self.replay = Replay(
            plan.n_agents,
            observation_dim=plan.observation_dim,
            action_dim=plan.action_dim,
            capacity=config.sac.replay,
            old_ratio=config.sac.old_ratio,
            seed=seed,
        )
        self._rng = np.random.default_rng([seed, 1])

    def advance(self) -> dict[str, dict[str, float]]:
        """One episode of all worlds with the updates that fall due; scalars by agent, those of the worlds under `world`.

        Raises:
            TrainingDiverged: see `SacLearner.update`.
        """
        episode = self.steps // self.config.world.episode
        self.world.reset(_FIRST_TRAINING_SEED + _SEEDS_PER_RUN * self.seed + episode, self._profiles)
        results, reports = [], []
        observation = self._seen()
        for _ in range(min(self.config.world.episode, self.config.total_steps - self.steps)):
            action = self._actions(observation)
            result = self.world.step(action.reshape(self.world.n_replicas, self.world.n_dus, -1))
            following = self._seen()
            self.replay.add_all(observation, action, self._per_agent(result.reward), following)
            observation = following
            self.steps += 1
            results.append(result)
            reports += self._updates()
        return {"world": _world_scalars(results), **self._agent_scalars(results, reports)}

    def weights(self) -> ActorStack:
        """The present actors, ready to decide."""
        return ActorStack(actor_weights(self.learner, self.config, seed=self.seed, steps=self.steps))

    def policy(self) -> LearnedSlicing:
        """The present actors as a greedy policy."""
        return LearnedSlicing(self.weights(), name=self.config.variant)

    def curvature(self) -> Curvature:
        """Largest Hessian eigenvalues, on a batch and with noise that depend on nothing but the replay's content."""
        batch = self.replay.sample(self.config.evaluation.curvature_rows, np.random.default_rng(0))
        critic: Extremes = critic_curvature(self.learner, batch)
        actors = actor_curvature(self.learner, batch)
        return Curvature(float(critic.largest[0]), [float(value) for value in actors.largest])

    def _seen(self) -> FloatArray:
        """Observations [B, M, o] of the agents, as noisy as reports are meant to be."""
        observation = self.world.observe()
        if highest := self.config.world.report_noise:
            level = self._rng.uniform(0, highest, size=(len(observation), 1, 1))
            observation = (observation * (1 + level * self._rng.standard_normal(observation.shape))).astype(np.float32)
        return observation.reshape(len(observation), self.config.n_agents, -1)

    def _actions(self, observation: FloatArray) -> FloatArray:
        if self.steps < self.config.sac.warm_up:
            return self._rng.random((*observation.shape[:2], self.learner.plan.action_dim), dtype=np.float32)
        return self.learner.act(observation, explore=True)

    def _per_agent(self, reward: FloatArray) -> FloatArray:
        """[B, M]; a central agent earns the mean."""
        return reward.mean(axis=1, keepdims=True) if self.config.world.central else reward

    def _updates(self) -> list[UpdateReport]:
        sac = self.config.sac
        if self.steps <= sac.warm_up or self.steps % sac.update_every:
            return []
        return [self.learner.update(self.replay.sample(sac.batch, self._rng)) for _ in range(sac.updates)]

    def _agent_scalars(self, results: Sequence[StepResult], reports: Sequence[UpdateReport]) -> dict[str, dict[str, float]]:
        if not reports:
            return {}
        last = reports[-1]
        reward = np.mean([self._per_agent(result.reward).mean(axis=0) for result in results], axis=0)
        scalars = {
            agent: {
                "reward": float(reward[index]),
                "actor_loss": float(np.mean([report.actor_loss[index] for report in reports])),
                "entropy": float(np.mean([report.entropy[index] for report in reports])),
                "temperature": float(last.temperature[index]),
                "td_variance": float(last.td_variance[index]),
                "under_sam": float(np.mean([report.selected[index] for report in reports])),
                "rho": float(np.mean([report.rho_actor[index] for report in reports])),
            }
            for index, agent in enumerate(self.agents)
        }
        scalars["critic"] = {
            "critic_loss": float(np.mean([report.critic_loss for report in reports])),
            "sharpness": float(np.mean([report.sharpness for report in reports])),
            "rho": float(np.mean([report.rho_critic for report in reports])),
        }
        return scalars

    def state_dict(self) -> dict[str, Any]:
        """Everything between two episodes."""
        return {
            "learner": self.learner.state_dict(),
            "replay": self.replay.state_dict(),
            "rng": self._rng.bit_generator.state,
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state["learner"])
        self.replay.load_state_dict(state["replay"])
        self._rng.bit_generator.state = state["rng"]
        self.steps = state["steps"]


def _world_scalars(results: Sequence[StepResult]) -> dict[str, float]:
    satisfied = np.mean([result.satisfied.mean(axis=(0, 1)) for result in results], axis=0)
    return {
        "reward": float(np.mean([result.reward.mean() for result in results])),
        "all3": float(np.mean([result.all3.mean() for result in results])),
        **{f"satisfied_{name}": float(share) for name, share in zip(SLICES, satisfied, strict=True)},
    }
