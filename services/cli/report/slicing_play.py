"""Plays a slicing policy and keeps what the report shows: means of every episode, and distributions over all frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.envs.slicing_bound import FrameBound
from ric_sim.radio.config import SLICES
from ric_sim.radio.decoding import Allocation
from ric_sim.radio.learned.policy import LearnedSlicing
from ric_sim.radio.policies.base import SlicingPolicy
from ric_sim.radio.world import StepResult, World

QUANTILES = tuple(place / 40 for place in range(41))
BOUND_EVERY = 10
"""Frames between two that are bounded."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Episodes:
    """What is played: one episode per seed in every replica."""

    profile: str
    seeds: tuple[int, ...]
    replicas: int = 8
    decisions: int = 100


class NoisyReports:
    """A learned policy that sees its reports times 1 + level N(0, 1); the needs that decode an action stay clean."""

    def __init__(self, learned: LearnedSlicing, level: float) -> None:
        """Equal noise for all policies: it depends on the level and the frame only."""
        self.name, self._learned, self._level = learned.name, learned, level
        self._rng = np.random.default_rng(0)

    def allocate(self, world: World) -> Allocation:
        """What the actors ask for when they see the frame through noise."""
        seen = world.observe()
        seen *= 1 + self._level * self._rng.standard_normal(seen.shape, dtype=np.float32)
        actors = self._learned.actors
        actions = actors.greedy(seen.reshape(world.n_replicas, len(actors.agents), -1))
        return world.decode(actions.reshape(world.n_replicas, world.n_dus, -1))


def play(policy: SlicingPolicy, world: World, episodes: Episodes, progress: Callable[[int], None]) -> dict[str, Any]:
    """Plays the episodes in a world, which is reset.

    Returns:
        `episodes`: reward, all3, satisfied and qos by slice of each (seed, replica); `qos` and `ue_mbps`: by slice, the
        `QUANTILES` over (O-DU, frame) with active UEs and over (active UE, frame), None where no UE was active.
    """
    told: list[dict[str, Any]] = []
    qos: list[FloatArray] = []
    rates: list[list[FloatArray]] = [[] for _ in SLICES]
    for number, seed in enumerate(episodes.seeds):
        world.reset(seed, episodes.profile)
        frames: list[StepResult] = []
        for _ in range(episodes.decisions):
            active = _active(world)
            frames.append(world.apply(policy.allocate(world)))
            for index, of_slice in enumerate(rates):
                mine = active & (world.network.slice_of_ue == index)
                of_slice.append(world.state.rate_bps[mine] / 1e6)
            progress(number * episodes.decisions + len(frames))
        values = np.stack([np.where(frame.active_ues > 0, frame.qos, np.nan) for frame in frames], axis=1)
        qos.append(values.reshape(-1, len(SLICES)))
        told += [_episode(seed, replica, frames, values[replica]) for replica in range(world.n_replicas)]
    together = np.concatenate(qos)
    return {
        "episodes": told,
        "qos": {name: _quantiles(together[:, index]) for index, name in enumerate(SLICES)},
        "ue_mbps": {name: _quantiles(np.concatenate(rates[index])) for index, name in enumerate(SLICES)},
    }


def bound(policy: SlicingPolicy, profile: str, seed: int, decisions: int, progress: Callable[[int], None]) -> dict[str, Any]:
    """Upper bounds on the reward of single O-DUs, in every tenth frame that a policy comes through, the others playing it.

    Returns:
        `bound`, `reward`: the bound and what the policy got, means over `frames` (O-DU, frame).
    """
    world = World(n_replicas=1)
    world.reset(seed, profile)
    bounds, rewards = [], []
    limits = FrameBound(world.config)
    for frame in range(decisions):
        allocation = policy.allocate(world)
        looked_at = frame % BOUND_EVERY == 0
        if looked_at:
            bounds += [limits.reward_at_most(world, allocation, 0, du) for du in range(world.n_dus)]
        result = world.apply(allocation)
        if looked_at:
            rewards += result.reward[0].tolist()
        progress(frame + 1)
    return {"bound": float(np.mean(bounds)), "reward": float(np.mean(rewards)), "frames": len(bounds)}


def _active(world: World) -> npt.NDArray[np.bool_]:
    """bool [B, N]: UEs with bits queued in the frame about to be decided."""
    active = np.zeros(world.state.member.shape, dtype=bool)
    for replica, (members, group) in enumerate(zip(world.state.member, world.state.group, strict=True)):
        active[replica, members[: group[-1]]] = True
    return active


def _episode(seed: int, replica: int, frames: Sequence[StepResult], qos: FloatArray) -> dict[str, Any]:
    """Means over the frames and O-DUs of one replica; `qos` is [decisions, M, 3]."""
    return {
        "seed": seed,
        "replica": replica,
        "reward": _rounded(np.mean([frame.reward[replica].mean() for frame in frames])),
        "all3": _rounded(np.mean([frame.all3[replica].mean() for frame in frames])),
        "satisfied": _by_slice(np.mean([frame.satisfied[replica].mean(axis=0) for frame in frames], axis=0)),
        "qos": {name: _mean(qos[..., index]) for index, name in enumerate(SLICES)},
    }


def _by_slice(values: FloatArray) -> dict[str, float]:
    return {name: _rounded(value) for name, value in zip(SLICES, values, strict=True)}


def _mean(values: FloatArray) -> float | None:
    numbers = values[~np.isnan(values)]
    return _rounded(numbers.mean()) if len(numbers) else None


def _quantiles(values: FloatArray) -> list[float] | None:
    numbers = values[~np.isnan(values)]
    return [_rounded(value) for value in np.quantile(numbers, QUANTILES)] if len(numbers) else None


def _rounded(value: Any) -> float:
    """Six decimals: files of evaluations need no more."""
    return round(float(value), 6)
