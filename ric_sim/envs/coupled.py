"""Both halves in one city: the flows that routing admits are the traffic that the slicing agents of those O-DUs have to carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.coupled_traffic import AdmittedTraffic
from ric_sim.radio.config import SLICES, FloatArray, RadioConfig
from ric_sim.radio.policies import SlicingPolicy
from ric_sim.radio.world import StepResult, World

UES_PER_DU = 100 / 3
"""As in the paper: 200 UEs, 6 O-DUs."""

_TINY = 1e-9

DEFAULT_DECISIONS = 25
SETTLING_DECISIONS = 5
"""Frames of a bin that are played but not counted: the backlog is still that of the bin before."""


@dataclass(frozen=True, eq=False)
class CoupledEvaluation:
    """A day of the radio network under one routing and one slicing policy; T bins.

    Means are over replicas, counted frames and cells, an O-DU counting as many cells as its size says.

    Attributes:
        routing, slicing: policies.
        reward: float64 [T], eq. (8).
        satisfied: float64 [T, 3], part of frames in which the slice meets its minimum. all3: float64 [T], in which all do.
        requested_mbps: float64 [T], of all slices.
        served_ratio: float64 [T], part of the requested traffic that was admitted and whose slice met its minimum.
    """

    routing: str
    slicing: str
    reward: FloatArray
    satisfied: FloatArray
    all3: FloatArray
    requested_mbps: FloatArray
    served_ratio: FloatArray

    def to_dict(self) -> dict[str, Any]:
        """For JSON: means of the window, and series with one number per bin."""
        return {
            "routing": self.routing,
            "slicing": self.slicing,
            "reward": float(self.reward.mean()),
            "all3": float(self.all3.mean()),
            "satisfied": {name: float(self.satisfied[:, index].mean()) for index, name in enumerate(SLICES)},
            "served_ratio": float(np.sum(self.served_ratio * self.requested_mbps) / max(self.requested_mbps.sum(), _TINY)),
            "series": {
                "reward": self.reward.tolist(),
                "all3": self.all3.tolist(),
                "satisfied": self.satisfied.tolist(),
                "served_ratio": self.served_ratio.tolist(),
            },
        }


def coupled_world(n_dus: int, **options: Any) -> World:
    """A radio network with one cell for each of the city's O-DUs.

    Args:
        options: of `World`.
    Raises:
        OutOfRange: a number of O-DUs it cannot have.
    """
    return World(RadioConfig(n_dus=n_dus, n_ues=round(UES_PER_DU * n_dus)), **options)


def evaluate_coupled(
    traffic: AdmittedTraffic,
    policy: SlicingPolicy,
    world: World,
    *,
    seed: int,
    decisions: int = DEFAULT_DECISIONS,
    progress: Callable[[int], None] = lambda _done: None,
) -> CoupledEvaluation:
    """Plays the window bin by bin; every bin is a stretch of so many frames under that bin's load.

    Movement, fading and the streams that arrivals are drawn from depend on the seed only, so that policies are compared in pairs.

    Args:
        decisions: frames per bin, more than `SETTLING_DECISIONS`.
        progress: called with the number of bins played so far.
    Raises:
        OutOfRange: too few decisions, or a world with another number of O-DUs.
    """
    if decisions <= SETTLING_DECISIONS:
        raise OutOfRange(f"{decisions} decisions per bin: expected more than {SETTLING_DECISIONS}, which are not counted")
    world.reset(seed)
    bins: list[list[StepResult]] = []
    for load in traffic.load:
        world.set_load(load)
        frames = [world.apply(policy.allocate(world)) for _ in range(decisions)]
        bins.append(frames[SETTLING_DECISIONS:])
        progress(len(bins))
    satisfied = _by_cell(bins, "satisfied")
    served_mbps, requested_mbps = (traffic.rate_mbps * satisfied).sum(axis=(1, 2)), traffic.requested_mbps.sum(axis=-1)
    return CoupledEvaluation(
        routing=traffic.policy,
        slicing=policy.name,
        reward=_over_cells(_by_cell(bins, "reward"), traffic.size),
        satisfied=_over_cells(satisfied, traffic.size),
        all3=_over_cells(_by_cell(bins, "all3"), traffic.size),
        requested_mbps=requested_mbps,
        served_ratio=served_mbps / np.maximum(requested_mbps, _TINY),
    )


def _by_cell(bins: Sequence[Sequence[StepResult]], name: str) -> FloatArray:
    """Means over frames and replicas, float64 [T, M, ...]."""
    return np.array([np.mean([getattr(frame, name) for frame in frames], axis=(0, 1)) for frames in bins], dtype=np.float64)


def _over_cells(values: FloatArray, size: FloatArray) -> FloatArray:
    """[T, M, ...] -> [T, ...]."""
    return np.average(values, axis=1, weights=size)
