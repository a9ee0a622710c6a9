"""Sharpness-aware steps (Foret et al. 2021; paper eq. 11-12): where to, how far, and for whom.

The gradient that feeds the optimiser is the one at theta + rho g / ||g||. The perturbed parameters are a copy: the networks keep
theta throughout, so nothing has to be restored, and neither slow copies nor exports can ever see a perturbed weight.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FloatArray = npt.NDArray[np.float64]

_TINY = 1e-12
_SLOWEST = 1 / 64
_RECOVERY = 1.01


def perturbed(parameters: Tensor, slope: Tensor, rho: Tensor) -> Tensor:
    """theta + rho g / ||g|| for every row of parameters [M, P]; each row's norm is its own.

    Args:
        slope: gradients [M, P]. rho: radii [M], in units of the parameters.
    """
    scale = rho / (torch.linalg.vector_norm(slope, dim=1) + _TINY)
    return torch.addcmul(parameters, scale[:, None], slope)


@dataclass(frozen=True)
class RhoSchedule:
    """A radius over the course of a training.

    Attributes:
        kind: `static`: `start` throughout. `dynamic`: linear from `start` to `end` (paper section VI.B). `td`: between `end` and
            `start` in proportion to an agent's TD-error variance over the largest one met so far (paper section III).
        start, end: radii, >= 0.
    """

    kind: Literal["static", "dynamic", "td"] = "dynamic"
    start: float = 0.5
    end: float = 0.01

    def radii(self, done_ratio: float, variances: FloatArray, peak: float) -> FloatArray:
        """Radii [M].

        Args:
            done_ratio: updates done over updates planned; beyond 1 counts as 1.
            variances: of each agent's TD error [M]. peak: the largest one so far.
        """
        if self.kind == "static":
            share = np.ones(len(variances))
        elif self.kind == "dynamic":
            share = np.full(len(variances), 1 - min(1.0, done_ratio))
        else:
            share = np.minimum(1.0, variances / max(peak, _TINY))
        return self.end + (self.start - self.end) * share if self.kind != "static" else self.start * share


@dataclass
class TdSelection:
    """Which agents are hard: those whose TD errors vary much (paper Algorithm 1).

    Attributes:
        threshold: an agent is chosen once its variance reaches `threshold` times the median of all (or `threshold` itself, if
            `absolute`).
        hysteresis: a chosen agent stays until its variance falls below (1 - hysteresis) of that, so that none flaps.
        decay: of the moving average of variances.
        variances: moving averages [M]; peak: the largest they have been.
        chosen: bool [M].
    """

    n_agents: int
    threshold: float = 1.0
    hysteresis: float = 0.1
    decay: float = 0.99
    absolute: bool = False
    peak: float = 0.0
    variances: FloatArray = field(default_factory=lambda: np.zeros(0))
    chosen: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def observe(self, batch_variances: FloatArray) -> None:
        """Takes the variances [M] of the TD errors of one batch; the first one starts the average."""
        if not len(self.variances):
            self.variances = batch_variances.astype(np.float64)
            self.chosen = np.zeros(self.n_agents, dtype=np.bool_)
        else:
            self.variances = self.decay * self.variances + (1 - self.decay) * batch_variances
        self.peak = max(self.peak, float(self.variances.max()))
        level = self.threshold * (1.0 if self.absolute else float(np.median(self.variances)))
        self.chosen = self.variances >= np.where(self.chosen, (1 - self.hysteresis) * level, level)

    def state_dict(self) -> dict[str, Any]:
        return {"peak": self.peak, "variances": self.variances.copy(), "chosen": self.chosen.copy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.peak, self.variances, self.chosen = state["peak"], state["variances"].copy(), state["chosen"].copy()


@dataclass
class SharpnessGuard:
    """Keeps L(theta+) / L(theta) at or below `limit` by halving the critic's radius; no limit, no guard.

    Adam forgets the size of a gradient, so a radius too large for the loss's curvature does not slow learning, it misleads it.
    """

    limit: float | None
    scale: float = 1.0

    def observe(self, ratio: float) -> None:
        """Takes the ratio of one step."""
        if self.limit is None:
            return
        self.scale = max(_SLOWEST, self.scale / 2) if ratio > self.limit else min(1.0, self.scale * _RECOVERY)
