"""A PettingZoo environment: one agent per service, all of them routing on one network (paper section 4.1)."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from pettingzoo import AECEnv

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.lanes import LaneBatch
from ric_sim.envs.observation import FloatArray, ObservationLayout
from ric_sim.envs.rewarded import RewardedLanes
from ric_sim.envs.rewards import RewardPlan
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.scenario import Scenario, load_scenario

_STRETCH_PER_REQUEST = 4
"""Flows set aside per request of a game: those without a choice pass, too."""


class RoutingGame(AECEnv):
    """Requests of all services in the order they arrive; the agent of a request's service routes it, then the next request's.

    An agent observes the flat vector of `ObservationLayout` while it is its turn, else what stands for no request;
    `infos[agent]["action_mask"]` (int8 [D]) says which hops it may take. The game is truncated for all after `requests`
    requests that left a choice. `infos` of an agent whose request has ended has `accepted` and `latency_ms` until its next turn.
    """

    metadata = {"name": "ricity_routing_v0", "render_modes": [], "is_parallelizable": False}  # noqa: RUF012

    def __init__(
        self,
        *,
        profile: str = "paper",
        day: str = "train",
        reward: str | RewardPlan = "paper",
        rules: MaskRules | None = None,
        requests: int = 300,
        scenario: Scenario | None = None,
    ) -> None:
        """As `RoutingEnv`.

        Raises:
            OutOfRange: fewer than one request.
        """
        super().__init__()
        if requests < 1:
            raise OutOfRange(f"a game of {requests} requests; expected 1 or more")
        self._scenario = scenario or load_scenario(profile=profile, day=day)
        self._plan = RewardPlan.named(reward) if isinstance(reward, str) else reward
        self._rules, self._requests, self._seed = rules or MaskRules(), requests, 0
        self.terminations: dict[str, bool] = {}
        self.truncations: dict[str, bool] = {}
        self.possible_agents = [spec.key for spec in self._scenario.city.services]
        self.agents = list(self.possible_agents)
        self.render_mode = None
        self._begin()
        self.layout = ObservationLayout.of(self._lanes.batch.arrays)
        low, high = self.layout.bounds()
        self.action_spaces: dict[str, gymnasium.spaces.Discrete] = {
            agent: gymnasium.spaces.Discrete(self.layout.n_actions) for agent in self.agents
        }
        self.observation_spaces = {agent: gymnasium.spaces.Box(low, high, dtype=np.float32) for agent in self.agents}

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """An empty network and another part of the day; the same one for the same seed."""
        self._seed = seed if seed is not None else self._seed + 1
        self._begin()

    def render(self) -> None:
        """Nothing is drawn."""

    def close(self) -> None:
        """Nothing is open."""

    def observe(self, agent: str) -> FloatArray:
        its_turn = agent == self.agent_selection and not self.truncations.get(agent, True)
        return self.layout.observe(self._lanes.batch)[0] if its_turn else self.layout.ended()

    def step(self, action: int | None) -> None:
        """Takes a hop for the agent whose turn it is; None from an agent that is truncated."""
        agent = self.agent_selection
        if self.truncations[agent]:
            self._was_dead_step(action)
            return
        paid = self._lanes.step(np.array([action], dtype=np.int64))
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        self.rewards[agent] = float(paid.reward[0])
        if paid.done[0]:
            self.infos[agent] = {"accepted": bool(paid.accepted[0]), "latency_ms": float(paid.latency_us[0]) / 1000}
            self._left -= 1
        else:
            self.infos[agent] = {}
        if self._left == 0:
            self.truncations.update(dict.fromkeys(self.agents, True))
        self._give_turn()
        self._accumulate_rewards()

    def _begin(self) -> None:
        city, day = self._scenario.city, self._scenario.day
        stretch = min(len(day), _STRETCH_PER_REQUEST * self._requests)
        batch = LaneBatch(city, day, n_lanes=1, stretch=stretch, seed=self._seed, rules=self._rules)
        self._lanes = RewardedLanes(batch, self._plan)
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self._left: int = self._requests
        self._give_turn()

    def _give_turn(self) -> None:
        self.agent_selection = self.possible_agents[int(self._lanes.batch.episodes.request[0, 0])]
        self.infos[self.agent_selection]["action_mask"] = self._lanes.masks[0].astype(np.int8)
