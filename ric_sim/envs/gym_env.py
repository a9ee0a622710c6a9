"""A Gymnasium environment: one request of a day after the other, one episode each, on one network.

import gymnasium
env = gymnasium.make("ric_sim.envs.gym_env:ricity/Routing-v0", profile="paper", day="train", reward="paper")
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from ric_sim.envs.lanes import LaneBatch
from ric_sim.envs.observation import FloatArray, ObservationLayout
from ric_sim.envs.rewarded import RewardedLanes
from ric_sim.envs.rewards import RewardPlan
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.scenario import Scenario, load_scenario

ENV_ID = "ricity/Routing-v0"


class RoutingEnv(gymnasium.Env[FloatArray, np.int64]):
    """Route requests hop by hop. Observation: a flat vector (`ObservationLayout`); action: a next hop, `action_masks` says which.

    Requests with one route or none pass unseen. A route found is committed at once and held until its flow ends. An action
    that the mask forbids ends the episode as refused. `info` of the last step has `accepted`, `latency_ms` and `service`.
    """

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        *,
        profile: str = "paper",
        day: str = "train",
        reward: str | RewardPlan = "paper",
        rules: MaskRules | None = None,
        stretch: int = 2000,
        scenario: Scenario | None = None,
    ) -> None:
        """
        Args:
            profile, day: of `load_scenario`; `scenario` takes their place.
            reward: `paper`, `ours` (without the scarcity term, which needs a trainer), or weights.
            rules: of the mask.
            stretch: requests until the network is emptied and another part of the day begins.
        """
        self._scenario = scenario or load_scenario(profile=profile, day=day)
        self._plan = RewardPlan.named(reward) if isinstance(reward, str) else reward
        self._rules = rules or MaskRules()
        self._stretch = stretch
        self._lanes = self._new_lanes(0)
        self._ended = False
        self.layout = ObservationLayout.of(self._lanes.batch.arrays)
        low, high = self.layout.bounds()
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        self.action_space = gymnasium.spaces.Discrete(self.layout.n_actions)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[FloatArray, dict[str, Any]]:
        """The next request; with a seed, an empty network and a part of the day drawn by it."""
        super().reset(seed=seed)
        if seed is not None:
            self._lanes = self._new_lanes(seed)
        self._ended = False
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        service = int(self._lanes.batch.episodes.request[0, 0])
        paid = self._lanes.step(np.array([action], dtype=np.int64))
        self._ended = bool(paid.done[0])
        info: dict[str, Any] = {}
        if self._ended:
            info = {
                "accepted": bool(paid.accepted[0]),
                "latency_ms": float(paid.latency_us[0]) / 1000,
                "service": self._scenario.city.services[service].key,
            }
        return self._observation(), float(paid.reward[0]), self._ended, False, info

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool [D]: hops that may be taken; all of them once the episode is over."""
        return np.ones(self.layout.n_actions, dtype=np.bool_) if self._ended else self._lanes.masks[0].copy()

    def _observation(self) -> FloatArray:
        return self.layout.ended() if self._ended else self.layout.observe(self._lanes.batch)[0]

    def _new_lanes(self, seed: int) -> RewardedLanes:
        city, day = self._scenario.city, self._scenario.day
        batch = LaneBatch(city, day, n_lanes=1, stretch=self._stretch, seed=seed, rules=self._rules)
        return RewardedLanes(batch, self._plan)


gymnasium.register(id=ENV_ID, entry_point="ric_sim.envs.gym_env:RoutingEnv")
