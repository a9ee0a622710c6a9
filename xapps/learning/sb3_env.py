"""Lanes as a vectorised environment of Stable-Baselines3: every lane is an environment, all of them one step of compiled code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from ric_sim.domain.errors import Conflict
from ric_sim.envs.lanes import LaneBatch
from ric_sim.envs.rewarded import Paid, RewardedLanes
from ric_sim.envs.rewards import RewardPlan
from xapps.learning.graphs import GraphRing

FloatArray = npt.NDArray[np.float32]

Watcher = Callable[[int, Paid], FloatArray]
"""Called with a batch's index and what its step brought; returns what to add to the rewards, float32 [L]."""


class BatchedVecEnv(VecEnv):
    """Lanes of one or several batches (same topology). Observations carry the number of a graph whose features are in `ring`."""

    def __init__(
        self,
        batches: Sequence[LaneBatch],
        plan: RewardPlan,
        *,
        n_ticks: int,
        ring: GraphRing | None = None,
        watch: Watcher | None = None,
    ) -> None:
        """
        Args:
            n_ticks: steps of a rollout.
            ring: another environment's with as many lanes, for policies that know it.
            watch: adds to the rewards, such as the scarcity term.
        """
        n_lanes = sum(batch.n_lanes for batch in batches)
        self._batches, self._plan, self._watch = list(batches), plan, watch
        self._first = np.concatenate([[0], np.cumsum([batch.n_lanes for batch in batches])]).astype(int)
        self.ring = ring or GraphRing(batches[0], n_lanes=n_lanes, n_ticks=n_ticks)
        self._lanes: list[RewardedLanes] = []
        self._actions = np.zeros(n_lanes, dtype=np.int64)
        self._infos: list[dict[str, Any]] = [{} for _ in range(n_lanes)]
        self._seen = np.full((n_lanes, 2), -1, dtype=np.int64)
        low, high = self.ring.layout.bounds()
        space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        super().__init__(n_lanes, space, gymnasium.spaces.Discrete(self.ring.layout.n_actions))

    def reset(self) -> FloatArray:
        """Plays every lane to its first decision. Later calls change nothing: lanes go from request to request by themselves."""
        if not self._lanes:
            self._lanes = [RewardedLanes(batch, self._plan) for batch in self._batches]
        return self._observe()

    def step_async(self, actions: npt.NDArray[np.int64]) -> None:
        self._actions = np.asarray(actions, dtype=np.int64)

    def step_wait(self) -> VecEnvStepReturn:
        rewards, dones = [], []
        for index, (lanes, low, high) in enumerate(zip(self._lanes, self._first, self._first[1:], strict=False)):
            paid = lanes.step(self._actions[low:high])
            rewards.append(paid.reward if self._watch is None else paid.reward + self._watch(index, paid))
            dones.append(paid.done)
        return self._observe(), np.concatenate(rewards), np.concatenate(dones), self._infos

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool [lanes, D]."""
        return np.concatenate([lanes.masks for lanes in self._lanes])

    def _observe(self) -> FloatArray:
        parts = []
        for batch, low, high in zip(self._batches, self._first, self._first[1:], strict=False):
            key = np.stack([batch.lanes.episode, batch.episodes.stage], axis=1)
            fresh = np.flatnonzero((key != self._seen[low:high]).any(axis=1))
            if len(fresh):
                self.ring.renew(batch, fresh, int(low))
            self._seen[low:high] = key
            parts.append(self.ring.layout.observe(batch, self.ring.current[low:high]))
        return np.concatenate(parts)

    def env_method(self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any) -> list[Any]:
        """Only `action_masks`; lanes are no objects with methods.

        Raises:
            AttributeError: any other.
        """
        if method_name != "action_masks":
            raise AttributeError(f"lanes have no method {method_name!r}, only 'action_masks'")
        masks = self.action_masks()
        return [masks[lane] for lane in self._get_indices(indices)]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """One value for all.

        Raises:
            AttributeError: neither `render_mode` nor `action_masks`.
        """
        known = {"render_mode": None, "action_masks": self.action_masks}
        if attr_name not in known:
            raise AttributeError(f"lanes have no attribute {attr_name!r}")
        return [known[attr_name]] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Lanes have nothing to set.

        Raises:
            Conflict: always.
        """
        raise Conflict(f"cannot set {attr_name!r}: lanes are rows of arrays; make the environment anew with other arguments")

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """None of them ever."""
        return [False] * len(list(self._get_indices(indices)))

    def _get_indices(self, indices: VecEnvIndices) -> Iterable[int]:
        return range(self.num_envs) if indices is None else super()._get_indices(indices)

    def close(self) -> None:
        """Nothing is open."""
