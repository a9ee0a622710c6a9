"""Replay of all agents' transitions: bounded, and it does not forget old regimes.

Each agent has a ring of its latest transitions and, beside it, a reservoir: a uniform sample of everything that has left the
ring (Vitter 1985, algorithm R), so that a day of one traffic mix cannot wash out what was learnt under another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ric_sim.domain.errors import OutOfRange

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """b transitions of each of M agents: observation and following [M, b, o], action [M, b, d] in [0, 1], reward [M, b]."""

    observation: Tensor
    action: Tensor
    reward: Tensor
    following: Tensor


@dataclass(frozen=True)
class Transitions:
    """n transitions of one agent: observation and following [n, o], action [n, d] in [0, 1], reward [n]."""

    observation: npt.ArrayLike
    action: npt.ArrayLike
    reward: npt.ArrayLike
    following: npt.ArrayLike


class Replay:
    """Transitions by agent."""

    def __init__(
        self, n_agents: int, *, observation_dim: int, action_dim: int, capacity: int, old_ratio: float = 0.0, seed: int = 0
    ) -> None:
        """
        Args:
            capacity: transitions kept per agent. old_ratio: share of them that is reservoir, in [0, 1).
        Raises:
            OutOfRange: a capacity that leaves the ring empty.
        """
        self._n_old = int(capacity * old_ratio)
        self._n_recent = capacity - self._n_old
        if capacity < 1 or not 0 <= old_ratio < 1:
            raise OutOfRange(f"replay of {capacity} transitions, {old_ratio:g} of them old: expected >= 1 and a ratio in [0, 1)")
        self.n_agents, self._observation_dim, self._action_dim = n_agents, observation_dim, action_dim
        self._rows = np.zeros((n_agents, capacity, 2 * observation_dim + action_dim + 1), dtype=np.float32)
        self.n_added = np.zeros(n_agents, dtype=np.int64)
        self._rng = np.random.default_rng(seed)

    @property
    def sizes(self) -> IntArray:
        """Transitions held [M]."""
        evicted = np.maximum(0, self.n_added - self._n_recent)
        return np.minimum(self.n_added, self._n_recent) + np.minimum(evicted, self._n_old)

    def add(self, agent: int, transitions: Transitions) -> None:
        """Keeps transitions of one agent, oldest first.

        Raises:
            OutOfRange: an agent that does not exist, a wrong shape, an action outside [0, 1], a number that is not finite;
                nothing is kept of the call.
        """
        if not 0 <= agent < self.n_agents:
            raise OutOfRange(f"experience of agent {agent}: expected 0 to {self.n_agents - 1}; register the agent first")
        self._write(agent, self._checked(agent, transitions))

    def add_all(self, observation: FloatArray, action: FloatArray, reward: FloatArray, following: FloatArray) -> None:
        """Keeps one step of B worlds: arrays [B, M, ...] of all agents.

        Raises:
            OutOfRange: as `add`; nothing is kept of the call.
        """
        arrays = (observation, action, reward, following)
        if any(len(np.shape(each)) < 2 or np.shape(each)[1] != self.n_agents for each in arrays):
            raise OutOfRange(
                f"experience of shapes {[np.shape(each) for each in arrays]}: expected [worlds, {self.n_agents}, ...], "
                "one row per agent"
            )
        checked = [
            self._checked(agent, Transitions(*(np.asarray(each)[:, agent] for each in arrays))) for agent in range(self.n_agents)
        ]
        for agent, rows in enumerate(checked):
            self._write(agent, rows)

    def clone_agent(self, like: int) -> None:
        """Makes room for one more agent, which starts with what agent `like` has met."""
        self._rows = np.concatenate((self._rows, self._rows[like : like + 1]))
        self.n_added = np.append(self.n_added, self.n_added[like])
        self.n_agents += 1

    def sample(self, batch: int, rng: np.random.Generator) -> Batch:
        """Draws `batch` transitions of every agent, uniformly from all it holds.

        Raises:
            OutOfRange: an agent has none yet.
        """
        sizes = self.sizes
        if not sizes.all():
            raise OutOfRange(f"agents {np.flatnonzero(sizes == 0).tolist()} have no experience yet: add some before learning")
        drawn = rng.integers(0, sizes[:, None], size=(self.n_agents, batch))
        # The ring comes first, and the reservoir only fills once the ring is full.
        rows = torch.from_numpy(self._rows[np.arange(self.n_agents)[:, None], drawn])
        n_obs, n_act = self._observation_dim, self._action_dim
        observation, action, reward, following = rows.split([n_obs, n_act, 1, n_obs], dim=2)
        return Batch(observation, action, reward[:, :, 0], following)

    def _checked(self, agent: int, transitions: Transitions) -> FloatArray:
        n_obs, n_act = self._observation_dim, self._action_dim
        parts = {name: np.asarray(getattr(transitions, name), dtype=np.float32) for name in Transitions.__dataclass_fields__}
        n = len(parts["reward"]) if parts["reward"].ndim == 1 else -1
        wanted = {"observation": (n, n_obs), "action": (n, n_act), "reward": (n,), "following": (n, n_obs)}
        for name, shape in wanted.items():
            if n < 0 or parts[name].shape != shape:
                raise OutOfRange(f"{name} of agent {agent} is {parts[name].shape}: expected {shape}, one row per transition")
            if not np.isfinite(parts[name]).all():
                raise OutOfRange(f"{name} of agent {agent} has numbers that are not finite: drop the report it came from")
        action = parts["action"]
        if action.size and (action.min() < 0 or action.max() > 1):
            raise OutOfRange(f"action of agent {agent} outside [0, 1]: send the continuous action, before it was decoded")
        return np.concatenate((parts["observation"], action, parts["reward"][:, None], parts["following"]), axis=1)

    def _write(self, agent: int, rows: FloatArray) -> None:
        """In pieces no longer than the ring, so that each piece evicts only what came before it."""
        for begin in range(0, len(rows), self._n_recent):
            piece = rows[begin : begin + self._n_recent]
            places = (self.n_added[agent] + np.arange(len(piece))) % self._n_recent
            n_evicted = int(max(0, self.n_added[agent] + len(piece) - self._n_recent))
            fresh = n_evicted - int(max(0, self.n_added[agent] - self._n_recent))
            if self._n_old and fresh:
                self._retire(agent, self._rows[agent, places[-fresh:]], n_evicted - fresh)
            self._rows[agent, places] = piece
            self.n_added[agent] += len(piece)

    def _retire(self, agent: int, rows: FloatArray, n_before: int) -> None:
        """Offers what leaves the ring to the reservoir, after `n_before` others."""
        ordinal = n_before + np.arange(len(rows))
        place = np.where(ordinal < self._n_old, ordinal, self._rng.integers(0, ordinal + 1))
        taken = place < self._n_old
        self._rows[agent, self._n_recent + place[taken]] = rows[taken]

    def state_dict(self) -> dict[str, Any]:
        """Everything held, and the random stream."""
        return {"rows": self._rows, "n_added": self.n_added, "rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes a state back.

        Raises:
            OutOfRange: it is of another number of agents, capacity or width.
        """
        if state["rows"].shape != self._rows.shape:
            raise OutOfRange(f"replay of shape {state['rows'].shape}, expected {self._rows.shape}: start with an empty one")
        self._rows, self.n_added = state["rows"].copy(), state["n_added"].copy()
        self._rng.bit_generator.state = state["rng"]
