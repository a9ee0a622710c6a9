"""Slicing policies played in-process on the same arrivals, movement and fading."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.statistics import Interval, mean_interval
from ric_sim.radio.config import SLICES
from ric_sim.radio.policies.base import SlicingPolicy
from ric_sim.radio.world import StepResult, World

EPISODE_DECISIONS = 100
FIRST_EVALUATION_SEED = 901
_LOW_QUANTILE = 0.05


@dataclass(frozen=True, slots=True)
class SlicingEvaluation:
    """What a policy gave, over seeds x replicas x decisions x O-DUs; intervals are over seeds and replicas.

    Attributes:
        policy, profile: names.
        seeds, n_replicas, decisions, n_dus: what was played; one seed is one episode of every replica.
        reward: per O-DU and decision, eq. (8).
        reward_low: 5 % quantile of the single rewards.
        satisfied: by slice, part of (O-DU, frame) whose QoS meets the minimum; a slice without active UEs counts as met.
        all3: part of (O-DU, frame) where all three do.
        qos: by slice, mean over (O-DU, frame) with active UEs: Mbps, Mbps, ms.
        quota_ratio, used_ratio: by slice, RBs set aside and RBs with data, as a part of the cell's.
        over_ratio: RBs wanted beyond the cell's.
        by_replica: mean reward of each (seed, replica), for paired comparisons.
        decisions_per_s: O-DU decisions per second of CPU, the world's work included.
    """

    policy: str
    profile: str
    seeds: tuple[int, ...]
    n_replicas: int
    decisions: int
    n_dus: int
    reward: Interval
    reward_low: float
    satisfied: dict[str, Interval]
    all3: Interval
    qos: dict[str, float | None]
    quota_ratio: dict[str, float]
    used_ratio: dict[str, float]
    over_ratio: float
    by_replica: dict[tuple[int, int], float]
    decisions_per_s: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `by_replica` becomes a list of [seed, replica, reward]."""
        pairs = [[seed, replica, reward] for (seed, replica), reward in self.by_replica.items()]
        return {**asdict(self), "seeds": list(self.seeds), "by_replica": pairs}


def evaluate_slicing(
    policy: SlicingPolicy,
    world: World,
    *,
    profile: str = "nominal",
    seeds: Sequence[int] = (FIRST_EVALUATION_SEED,),
    decisions: int = EPISODE_DECISIONS,
    progress: Callable[[int], None] = lambda _done: None,
) -> SlicingEvaluation:
    """Plays one episode per seed in every replica of a world, which is reset.

    Args:
        progress: called after each decision with the number of decisions played.
    Raises:
        OutOfRange: no seed or no decision.
        UnknownKey: no such profile.
    """
    if not seeds or decisions < 1:
        raise OutOfRange(f"{len(seeds)} seeds with {decisions} decisions: expected 1 or more of both")
    started_s = time.process_time()
    played: list[list[StepResult]] = []
    for seed in seeds:
        world.reset(seed, profile)
        frames: list[StepResult] = []
        for _ in range(decisions):
            frames.append(world.apply(policy.allocate(world)))
            progress(len(played) * decisions + len(frames))
        played.append(frames)
    cpu_s = max(time.process_time() - started_s, 1e-9)

    def gathered(name: str) -> npt.NDArray[np.float64]:
        """float64 [seeds, replicas, decisions, M, ...]."""
        return np.stack([np.stack([getattr(frame, name) for frame in frames], axis=1) for frames in played]).astype(np.float64)

    reward, satisfied = gathered("reward"), gathered("satisfied")
    qos = np.where(gathered("active_ues") > 0, gathered("qos"), np.nan)
    return SlicingEvaluation(
        policy=policy.name,
        profile=profile,
        seeds=tuple(seeds),
        n_replicas=world.n_replicas,
        decisions=decisions,
        n_dus=world.n_dus,
        reward=_interval(reward),
        reward_low=float(np.quantile(reward, _LOW_QUANTILE)),
        satisfied={name: _interval(satisfied[..., index]) for index, name in enumerate(SLICES)},
        all3=_interval(satisfied.min(axis=-1)),
        qos={name: _mean_of_numbers(qos[..., index]) for index, name in enumerate(SLICES)},
        quota_ratio=_rb_ratio(gathered("quota_rbs"), world.config.n_rbs),
        used_ratio=_rb_ratio(gathered("used_rbs"), world.config.n_rbs),
        over_ratio=float(gathered("over_ratio").mean()),
        by_replica={
            (seed, replica): float(mean)
            for seed, means in zip(seeds, reward.mean(axis=(2, 3)), strict=True)
            for replica, mean in enumerate(means)
        },
        decisions_per_s=reward.size / cpu_s,
    )


def _interval(values: npt.NDArray[Any]) -> Interval:
    """Over seeds and replicas, the first two axes."""
    means = values.mean(axis=tuple(range(2, values.ndim)))
    return mean_interval([float(mean) for mean in means.ravel()])


def _mean_of_numbers(values: npt.NDArray[np.float64]) -> float | None:
    """Mean without the NaN, None if nothing else is there."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if len(numbers) else None


def _rb_ratio(rbs: npt.NDArray[np.float64], n_rbs: int) -> dict[str, float]:
    return {name: float(rbs[..., index].mean() / n_rbs) for index, name in enumerate(SLICES)}
