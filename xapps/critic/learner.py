"""What the critic knows: learner, replay, and the version of the weights it has given out."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ric_sim.domain.errors import InvalidInput, TrainingDiverged
from ric_sim.radio.decoding import action_dim
from ric_sim.radio.learned import ActorWeights
from ric_sim.radio.world import OBSERVATIONS
from ricity.learning.v1 import learning_pb2
from xapps.critic.intake import Intake
from xapps.critic.metrics import CriticMetrics
from xapps.critic.settings import CriticSettings
from xapps.learning.slicing.config import SlicingConfig, load_slicing_config
from xapps.learning.slicing.export import actor_weights, agent_names
from xapps.learning.slicing.replay import Replay
from xapps.learning.slicing.sac import LearnerPlan, SacLearner, UpdateReport

_MAP_DECODING = "twobit"


class LiveLearner:
    """Learns from what comes in; an update falls due with every `update_every` transitions of every actor.

    Attributes:
        config: what is learnt with. agents: names of the actors.
        intake: takes experience.
        version: of the newest weights given out.
        report: of the last update, None before the first.
    """

    def __init__(self, settings: CriticSettings, *, log: Any) -> None:
        """
        Raises:
            MalformedFile: an unusable configuration.
            InvalidInput: one that no live network can be taught with.
        """
        torch.set_num_threads(1)
        changes = {"world": {"n_dus": settings.dus}} if settings.dus else {}
        self.config = live_config(load_slicing_config(settings.config, changes=changes), source=str(settings.config))
        self.agents = agent_names(self.config)
        self.metrics = CriticMetrics(self.agents)
        world, sac = self.config.world, self.config.sac
        self.dims = OBSERVATIONS[world.observation], action_dim(world.decoding)
        self._learner = SacLearner(_plan(self.config, self.dims), seed=settings.learn_seed)
        self._replay = Replay(
            len(self.agents),
            observation_dim=self.dims[0],
            action_dim=self.dims[1],
            capacity=sac.replay,
            old_ratio=sac.old_ratio,
            seed=settings.learn_seed,
        )
        self.intake = Intake(self.agents, self._replay, dims=self.dims, stale_after=settings.stale_after, metrics=self.metrics)
        self.version = 0
        self.report: UpdateReport | None = None
        self._rng = np.random.default_rng([settings.learn_seed, 1])
        self._settings, self._log = settings, log
        self._n_learnt_from = 0.0  # transitions per actor that updates have been made for
        self._sound = self._learner.state_dict()

    @property
    def n_updates(self) -> int:
        return self._learner.n_updates

    @property
    def n_transitions(self) -> int:
        """Taken so far, of all actors."""
        return int(self._replay.n_added.sum())

    @property
    def is_due(self) -> bool:
        """Whether there is enough new experience, of every actor some, for an update."""
        sac, held = self.config.sac, self._replay.n_added
        if not held.all() or held.mean() < sac.warm_up:
            return False
        owed = (held.mean() - self._n_learnt_from) * sac.updates / sac.update_every
        return bool(owed >= 1.0)

    def update(self) -> None:
        """One update. One that diverges is undone, back to the last checkpoint's learner, and counted."""
        sac = self.config.sac
        per_update, most = sac.update_every / sac.updates, self._settings.most_behind
        self._n_learnt_from = max(self._n_learnt_from + per_update, float(self._replay.n_added.mean()) - most * per_update)
        began_s = time.perf_counter()
        try:
            self.report = self._learner.update(self._replay.sample(sac.batch, self._rng))
        except TrainingDiverged as error:
            self._learner.load_state_dict(self._sound)
            self.metrics.divergences.inc()
            self._log.error("critic.diverged", error=str(error), back_to_update=self._learner.n_updates)
            return
        self.metrics.update_seconds.observe(time.perf_counter() - began_s)
        self.metrics.updates.inc()
        self._show(self.report)

    def _show(self, report: UpdateReport) -> None:
        metrics = self.metrics
        metrics.critic_rho.set(report.rho_critic)
        metrics.sharpness.set(report.sharpness)
        for index in range(len(self.agents)):
            metrics.td_variance[index].set(float(report.td_variance[index]))
            metrics.under_sam[index].set(float(report.selected[index]))
            metrics.actor_rho[index].set(float(report.rho_actor[index]))

    def next_weights(self) -> list[ActorWeights]:
        """The present actors as a new version."""
        self.version += 1
        made = actor_weights(self._learner, self.config, seed=self._settings.learn_seed, steps=self.n_transitions)
        return [ActorWeights(replace(weights.spec, version=self.version), weights.tensors) for weights in made]

    def facts(self, index: int) -> dict[str, Any]:
        """What goes out beside an actor's weights."""
        report = self.report
        if report is None:
            return {}
        return {
            "rho": float(report.rho_actor[index]),
            "selected": bool(report.selected[index]),
            "td_variance": float(report.td_variance[index]),
        }

    def refusal_of(self, join: learning_pb2.JoinRequest) -> tuple[learning_pb2.Refusal.ValueType, str]:
        """Why an actor cannot learn here; UNSPECIFIED when it can."""
        world = self.config.world
        if join.agent not in self.agents:
            return learning_pb2.REFUSAL_UNKNOWN_AGENT, f"actor {join.agent!r}: expected one of {', '.join(self.agents)}"
        given = (join.n_dus, join.observation, join.observation_dim)
        expected = (world.n_dus, world.observation, self.dims[0])
        if given != expected:
            return learning_pb2.REFUSAL_OTHER_WORLD, f"O-DUs, observation and its numbers {given}: this critic teaches {expected}"
        return learning_pb2.REFUSAL_UNSPECIFIED, ""

    def state_dict(self) -> dict[str, Any]:
        """Everything a restarted critic needs, as copies."""
        self._sound = self._learner.state_dict()
        replay = self._replay.state_dict()
        return {
            "config": self.config.digest,
            "learner": self._sound,
            "replay": {**replay, "rows": replay["rows"].copy(), "n_added": replay["n_added"].copy()},
            "intake": self.intake.state_dict(),
            "rng": self._rng.bit_generator.state,
            "version": self.version,
            "n_learnt_from": self._n_learnt_from,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a state.

        Raises:
            InvalidInput: of another configuration.
        """
        if state["config"] != self.config.digest:
            raise InvalidInput(
                f"checkpoint of configuration {state['config']}, this is {self.config.digest}: name another folder"
            )
        self._replay.load_state_dict(state["replay"])
        self._learner.load_state_dict(state["learner"])
        self.intake.load_state_dict(state["intake"])
        self._rng.bit_generator.state = state["rng"]
        self.version, self._n_learnt_from = state["version"], state["n_learnt_from"]
        self._sound = self._learner.state_dict()


def live_config(config: SlicingConfig, *, source: str) -> SlicingConfig:
    """The configuration, if a live network can be taught with it.

    Raises:
        InvalidInput: a decoding that controls cannot carry, or one agent for all O-DUs.
    """
    if config.world.decoding == _MAP_DECODING or config.world.central:
        raise InvalidInput(
            f"{source}: decoding {config.world.decoding!r}, central {config.world.central}: controls carry quotas of one O-DU"
        )
    return config


def _plan(config: SlicingConfig, dims: tuple[int, int]) -> LearnerPlan:
    return LearnerPlan(
        config.n_agents,
        observation_dim=dims[0],
        action_dim=dims[1],
        n_updates=config.n_updates,
        network=config.network,
        sac=config.sac,
        regularisation=config.regularisation,
        sam=config.sam,
    )
