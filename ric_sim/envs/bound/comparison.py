"""Policies on the windows of the bound, from an empty network on like the bound, so that the two may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.bound.windows import Window
from ric_sim.envs.evaluate import Evaluation, evaluate
from ric_sim.network.policies import RoutingPolicy, make_policy
from ric_sim.network.scenario import Scenario


@dataclass(frozen=True)
class WindowedEvaluation:
    """What a policy carried, window by window."""

    policy: str
    windows: tuple[Evaluation, ...]

    @property
    def requests(self) -> int:
        """Of all windows."""
        return sum(each.requests for each in self.windows)

    @property
    def accepted(self) -> int:
        return sum(each.accepted for each in self.windows)

    @property
    def gos_ratio(self) -> float:
        """0-1, flow-weighted over the windows."""
        return self.accepted / self.requests

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, named as in an evaluation."""
        return {
            "policy": self.policy,
            "requests": self.requests,
            "accepted": self.accepted,
            "gos": self.gos_ratio,
            "windows": [_window_dict(each) for each in self.windows],
        }


def evaluate_on_windows(
    scenario: Scenario, policy: str | RoutingPolicy, windows: Sequence[Window], *, seed: int = 0
) -> WindowedEvaluation:
    """Plays each window by itself, on fresh snapshots.

    Args:
        policy: a name of `POLICIES`, or a policy for the scenario's city.
        seed: of the policy's own random stream.
    Raises:
        UnknownKey: no such policy.
        OutOfRange: no window, or one in which no request arrives.
    """
    if not windows:
        raise OutOfRange("no window to play: expected at least one")
    router = make_policy(policy, scenario.city, seed=seed) if isinstance(policy, str) else policy
    days = [window.day(scenario.day) for window in windows]
    played = tuple(evaluate(Scenario(scenario.city, day), router, seed=seed) for day in days)
    return WindowedEvaluation(router.name, played)


def _window_dict(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "requests": evaluation.requests,
        "accepted": evaluation.accepted,
        "gos": evaluation.gos_ratio,
        "gos_by_service": evaluation.gos_by_service,
    }
