"""A PettingZoo environment: one agent per O-DU, all of them deciding at the same time."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from pettingzoo import ParallelEnv

from ric_sim.domain.errors import OutOfRange
from ric_sim.radio.arrays import SingleArray
from ric_sim.radio.channel import ChannelModel
from ric_sim.radio.config import SLICES, RadioConfig
from ric_sim.radio.world import StepResult, World


class SlicingGame(ParallelEnv):
    """Agent `du_<m>` slices the cell of O-DU m; its reward is eq. (8) for that cell.

    Observations are float32 vectors (`world.OBSERVATIONS`), actions float32 in [0, 1] (`decoding.DECODINGS`). A game is
    truncated for all after `decisions` frames; nothing ends earlier. `infos[agent]` has, after a step: `qos` by slice (Mbps,
    Mbps, ms), `satisfied` by slice, `quota_rbs` and `used_rbs` by slice.
    """

    metadata = {"name": "ricity_slicing_v0", "render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        *,
        profile: str = "nominal",
        decoding: str = "resid5",
        observation: str = "ext",
        decisions: int = 100,
        config: RadioConfig | None = None,
        channel: ChannelModel | None = None,
    ) -> None:
        """As `World`, with one replica.

        Raises:
            OutOfRange: fewer than one decision.
            UnknownKey: no such profile, decoding or observation.
        """
        if decisions < 1:
            raise OutOfRange(f"a game of {decisions} decisions; expected 1 or more")
        self._world = World(config, n_replicas=1, decoding=decoding, observation=observation, channel=channel)
        self._profile, self._decisions, self._seed = profile, decisions, 0
        self._world.reset(self._seed, profile)
        self.possible_agents = [f"du_{du}" for du in range(self._world.n_dus)]
        self.agents: list[str] = []
        self.render_mode = None
        observed = gymnasium.spaces.Box(0.0, np.inf, (self._world.obs_dim,), np.float32)
        acted = gymnasium.spaces.Box(0.0, 1.0, (self._world.action_dim,), np.float32)
        self.observation_spaces = dict.fromkeys(self.possible_agents, observed)
        self.action_spaces = dict.fromkeys(self.possible_agents, acted)

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, SingleArray], dict[str, dict[str, Any]]]:
        """The first frame of a seed; without one, of the seed after the last."""
        self._seed = seed if seed is not None else self._seed + 1
        self._world.reset(self._seed, self._profile)
        self.agents = list(self.possible_agents)
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, SingleArray]
    ) -> tuple[dict[str, SingleArray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One frame.

        Raises:
            OutOfRange: an agent without an action, or an action that is not in [0, 1].
        """
        missing = [agent for agent in self.agents if agent not in actions]
        if missing or not self.agents:
            who = ", ".join(missing) or "a game that is over"
            raise OutOfRange(f"no action of {who}: expected one of every agent, after a reset")
        result = self._world.step(np.stack([actions[agent] for agent in self.agents])[None])
        agents = list(self.agents)
        over = self._world.frame >= self._decisions
        infos = {agent: _info(result, du) for du, agent in enumerate(agents)}
        rewards = {agent: float(result.reward[0, du]) for du, agent in enumerate(agents)}
        observations = self._observations()
        if over:
            self.agents = []
        return observations, rewards, dict.fromkeys(agents, False), dict.fromkeys(agents, over), infos

    def render(self) -> None:
        """Nothing is drawn."""

    def close(self) -> None:
        """Nothing is open."""

    def _observations(self) -> dict[str, SingleArray]:
        return dict(zip(self.agents, self._world.observe()[0], strict=True))


def _info(result: StepResult, du: int) -> dict[str, Any]:
    values = {
        "qos": result.qos.tolist(),
        "satisfied": result.satisfied.tolist(),
        "quota_rbs": result.quota_rbs.tolist(),
        "used_rbs": result.used_rbs.tolist(),
    }
    return {name: dict(zip(SLICES, rows[0][du], strict=True)) for name, rows in values.items()}
