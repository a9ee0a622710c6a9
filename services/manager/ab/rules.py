"""When an A/B test ends, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ric_sim.domain.errors import OutOfRange
from ric_sim.e2.version_outcomes import LATENCY_BOUNDS_MS

_GUARDS_SHARE = 0.2


class Verdict(StrEnum):
    """As in `ricity loop`: `BETTER` is the only one that promotes."""

    BETTER = "better"
    WORSE = "worse"
    GUARD = "guard"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Rules:
    """Error rates and limits of a test; ratios 0-1.

    Attributes:
        alpha: how often a test of two equal versions ends with any verdict but undecided, however often it is looked at. The
            verdicts better and worse get two fifths each, the guards share the last fifth.
        min_requests: judged requests, of both, before a candidate may be promoted.
        max_requests: judged requests, of both, after which the test is undecided.
        max_duration_s: wall time after which the test is undecided.
        guard_gos_ratio: how much of its GoS one service may lose, where the xApp takes several.
        guard_error_ratio: how much more often requests of the candidate may expire or be lost with its instance.
        guard_abort_ratio: how much more often commits of the candidate may be aborted.
        guard_slow_ms, guard_slow_ratio: how much more often a decision of the candidate may take longer than that; one of the
            histogram's bounds.
    """

    alpha: float = 0.05
    min_requests: int = 1_000
    max_requests: int = 200_000
    max_duration_s: float = 86_400.0
    guard_gos_ratio: float = 0.01
    guard_error_ratio: float = 0.005
    guard_abort_ratio: float = 0.05
    guard_slow_ms: float = 200.0
    guard_slow_ratio: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise OutOfRange(f"alpha {self.alpha}: expected a probability between 0 and 1")
        ratios = (self.guard_gos_ratio, self.guard_error_ratio, self.guard_abort_ratio, self.guard_slow_ratio)
        if not all(0 <= ratio <= 1 for ratio in ratios):
            raise OutOfRange(f"guards {ratios}: expected ratios between 0 and 1")
        if not 0 <= self.min_requests <= self.max_requests or self.max_requests < 1 or not self.max_duration_s > 0:
            raise OutOfRange(
                f"{self.min_requests} to {self.max_requests} requests, {self.max_duration_s} s: expected a positive duration, "
                "and at least as many requests at most as at least"
            )
        if self.guard_slow_ms not in LATENCY_BOUNDS_MS:
            raise OutOfRange(f"guard_slow_ms {self.guard_slow_ms:g}: expected one of {', '.join(map(str, LATENCY_BOUNDS_MS))}")

    @property
    def side_alpha(self) -> float:
        """Error rate of each of the verdicts better and worse."""
        return self.alpha * (1 - _GUARDS_SHARE) / 2

    def guard_alpha(self, n_guards: int) -> float:
        """Error rate of one of so many guards."""
        return self.alpha * _GUARDS_SHARE / n_guards
