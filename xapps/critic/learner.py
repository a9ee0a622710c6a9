"""What the critic knows: learner, replay, and the version of the weights it has given out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ric_sim.domain.errors import Conflict, InvalidInput, TrainingDiverged
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.decoding import action_dim
from ric_sim.radio.learned import ActorStack, ActorWeights, decode_actor, encode_actor, starting_weights
from ric_sim.radio.learned.critic_weights import CRITIC, encode_networks
from ric_sim.radio.learned.starting import NONE, starting_networks
from ric_sim.radio.world import OBSERVATIONS
from ricity.learning.v1 import learning_pb2
from xapps.critic.intake import Intake
from xapps.critic.metrics import CriticMetrics
from xapps.critic.rehearsal import Rehearsal
from xapps.critic.settings import CriticSettings
from xapps.learning.slicing.config import SlicingConfig, load_slicing_config
from xapps.learning.slicing.critic_export import adopt_critic, critic_networks
from xapps.learning.slicing.export import actor_weights, adopt_actor, agent_names
from xapps.learning.slicing.growth import with_clone
from xapps.learning.slicing.replay import Replay
from xapps.learning.slicing.sac import LearnerPlan, SacLearner, UpdateReport

_MAP_DECODING = "twobit"


class LiveLearner:
    """Learns from what comes in; an update falls due with every `update_every` transitions of every actor.

    Attributes:
        config: what is learnt with.
        known: names of all actors that may come. agents: of those that are taught, in the learner's order.
        intake: takes experience.
        version: of the newest weights given out.
        report: of the last update, None before the first.
    """

    def __init__(self, settings: CriticSettings, *, log: Any) -> None:
        """
        Raises:
            MalformedFile: an unusable configuration.
            InvalidInput: one that no live network can be taught with.
            WeightsMissing, WeightsCorrupt, WeightsMismatch: there is nothing to start with, or of another network.
        """
        torch.set_num_threads(1)
        changes = {"world": {"n_dus": settings.dus}} if settings.dus else {}
        self.config = live_config(load_slicing_config(settings.config, changes=changes), source=str(settings.config))
        self.known = agent_names(self.config)
        self.agents = self.known[: max(1, len(self.known) - settings.later_dus)]
        self.metrics = CriticMetrics(self.known)
        world, sac = self.config.world, self.config.sac
        self.dims = OBSERVATIONS[world.observation], action_dim(world.decoding)
        self._learner = SacLearner(_plan(self.config, len(self.agents), self.dims), seed=settings.learn_seed)
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
        self._n_rehearsed = 0  # transitions per actor that are not live
        self._start(settings.slicing_weights)
        self._rehearsal = Rehearsal(world, [_du(agent) for agent in self.agents], seed=settings.learn_seed)
        self._given = None if settings.slicing_weights == NONE else self._present()
        self._best_trial = -np.inf
        self._sound = self._learner.state_dict()

    @property
    def has_weights(self) -> bool:
        """Whether there are actors fit to be given out."""
        return self._given is not None

    @property
    def n_updates(self) -> int:
        return self._learner.n_updates

    @property
    def n_transitions(self) -> int:
        """Taken so far, of all actors."""
        return int(self._live.sum())

    @property
    def _live(self) -> npt.NDArray[np.int64]:
        return self._replay.n_added - self._n_rehearsed

    @property
    def is_due(self) -> bool:
        """Whether there is enough new experience for an update, and of every actor some."""
        sac, live = self.config.sac, self._live
        if not self._replay.n_added.all() or live.mean() < sac.warm_up:
            return False
        owed = (live.mean() - self._n_learnt_from) * sac.updates / sac.update_every
        return bool(owed >= 1.0)

    def welcome(self, agent: str) -> None:
        """Makes room for an actor that was not there before: it begins as a copy of the nearest one's, experience included."""
        if agent in self.agents:
            return
        like = nearest(agent, self.agents, self.config.world.n_dus)
        self._learner = with_clone(self._learner, like, seed=self._settings.learn_seed + len(self.agents))
        self._replay.clone_agent(like)
        self._rehearsal.welcome(_du(agent))
        if self._given is not None:
            copied = self._given[like]
            self._given.append(ActorWeights(replace(copied.spec, agent=agent), copied.tensors))
        self._best_trial = -np.inf  # trials are of another network from now on
        self._log.info("actor.cloned", actor=agent, like=self.agents[like])
        self.agents.append(agent)
        self.report, self._sound = None, self._learner.state_dict()

    def _start(self, choice: str) -> None:
        """Actors go on from the weights that the dApps start with, so that the first push takes nothing from them."""
        for index, agent in enumerate(self.agents):
            weights = starting_weights(choice, agent)
            if weights is not None:
                adopt_actor(self._learner, index, weights)
                self.version = max(self.version, weights.spec.version)
        if (networks := starting_networks(choice)) is not None:
            adopt_critic(self._learner, self.agents, networks)
            self.version = max(self.version, networks.spec.version)

    def update(self) -> None:
        """One update. One that diverges is undone, back to the last checkpoint's learner, and counted."""
        sac = self.config.sac
        per_update, most = sac.update_every / sac.updates, self._settings.most_behind
        self._n_learnt_from = max(self._n_learnt_from + per_update, float(self._live.mean()) - most * per_update)
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
        for index, agent in enumerate(self.agents):
            metrics.td_variance[agent].set(float(report.td_variance[index]))
            metrics.under_sam[agent].set(float(report.selected[index]))
            metrics.actor_rho[agent].set(float(report.rho_actor[index]))

    def rehearse(self) -> None:
        """Begins an empty replay with random play in the critic's own emulated network."""
        self._rehearsal.play_at_random(self._replay, self._settings.rehearsal_steps)
        self._n_rehearsed = int(self._replay.n_added[0])

    def try_actors(self) -> bool:
        """Tries the present actors in the emulated network; they are what is given out next, unless they are worse there.

        The first ones are compared with the rule that dApps decide by without weights.
        """
        present, decisions = self._present(), self._settings.trial_decisions
        if decisions:
            if not np.isfinite(self._best_trial):
                self._best_trial = self._rehearsal.reward_of(ActorStack(self._given) if self._given else None, decisions)
            reward = self._rehearsal.reward_of(ActorStack(present), decisions)
            self.metrics.trial_reward.set(reward)
            if reward < self._best_trial - self._settings.trial_margin:
                for agent in self.agents:
                    self.metrics.pushes[agent, "withheld"].inc()
                return False
            self._best_trial = max(self._best_trial, reward)
        self._given = present
        return True

    def next_weights(self) -> list[ActorWeights]:
        """The actors that were last found fit to be given out, as a new version.

        Raises:
            Conflict: there are none yet.
        """
        if self._given is None:
            raise Conflict("no actors are fit to be given out yet: `try_actors` first")
        self.version += 1
        return [ActorWeights(replace(weights.spec, version=self.version), weights.tensors) for weights in self._given]

    def files(self) -> dict[str, bytes]:
        """What a registry keeps of it, as weight files by agent: the actors it gives out, and its own networks.

        Raises:
            Conflict: no actors are fit to be given out yet.
        """
        if self._given is None:
            raise Conflict("no actors are fit to be given out yet: `try_actors` first")
        about = {"version": self.version, "seed": self._settings.learn_seed, "steps": self.n_transitions}
        own = critic_networks(self._learner, self.config, agents=self.agents, **about)
        actors = [ActorWeights(replace(each.spec, version=self.version), each.tensors) for each in self._given]
        return {CRITIC: encode_networks(own)} | {each.spec.agent: encode_actor(each) for each in actors}

    def _present(self) -> list[ActorWeights]:
        facts = {"seed": self._settings.learn_seed, "steps": self.n_transitions}
        return actor_weights(self._learner, self.config, agents=self.agents, **facts)

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
        if join.agent not in self.known:
            return learning_pb2.REFUSAL_UNKNOWN_AGENT, f"actor {join.agent!r}: expected one of {', '.join(self.known)}"
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
            "agents": list(self.agents),
            "learner": self._sound,
            "replay": {**replay, "rows": replay["rows"].copy(), "n_added": replay["n_added"].copy()},
            "intake": self.intake.state_dict(),
            "rng": self._rng.bit_generator.state,
            "version": self.version,
            "n_learnt_from": self._n_learnt_from,
            "n_rehearsed": self._n_rehearsed,
            "given": [encode_actor(weights) for weights in self._given or ()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a state.

        Raises:
            InvalidInput: of another configuration, or without actors that are there from the start.
        """
        if state["config"] != self.config.digest:
            raise InvalidInput(
                f"checkpoint of configuration {state['config']}, this is {self.config.digest}: name another folder"
            )
        if state["agents"][: len(self.agents)] != self.agents:
            raise InvalidInput(f"checkpoint of {state['agents']}, there from the start are {self.agents}: name another folder")
        for agent in state["agents"]:
            self.welcome(agent)
        self._replay.load_state_dict(state["replay"])
        self._learner.load_state_dict(state["learner"])
        self.intake.load_state_dict(state["intake"])
        self._rng.bit_generator.state = state["rng"]
        self.version, self._n_learnt_from = state["version"], state["n_learnt_from"]
        self._n_rehearsed, self._best_trial = state["n_rehearsed"], -np.inf
        self._given = [decode_actor(content, source="weights in the checkpoint") for content in state["given"]] or None
        self._sound = self._learner.state_dict()


def nearest(agent: str, others: Sequence[str], n_dus: int) -> int:
    """Index among `others` of the O-DU that stands nearest to `agent`'s; the first one on ties."""
    x_m, y_m = RadioConfig(n_dus=n_dus).du_positions_m()
    own, rest = _du(agent), [_du(other) for other in others]
    return int(np.argmin(np.hypot(x_m[rest] - x_m[own], y_m[rest] - y_m[own])))


def _du(agent: str) -> int:
    return int(agent.removeprefix("du_"))


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


def _plan(config: SlicingConfig, n_agents: int, dims: tuple[int, int]) -> LearnerPlan:
    return LearnerPlan(
        n_agents,
        observation_dim=dims[0],
        action_dim=dims[1],
        n_updates=config.n_updates,
        network=config.network,
        sac=config.sac,
        regularisation=config.regularisation,
        sam=config.sam,
    )
