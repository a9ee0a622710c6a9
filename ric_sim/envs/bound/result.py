"""The bound over several windows of a day, as one row beside the policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ric_sim.envs.bound.solve import WindowBound, bound_window
from ric_sim.envs.bound.windows import Window, choose_windows
from ric_sim.network.scenario import Scenario

DEFAULT_WINDOWS = 6
DEFAULT_MINUTES = 15
DEFAULT_TIME_LIMIT_S = 60.0

POLICY = "bound"
"""Stands where the name of a policy would."""


@dataclass(frozen=True)
class BoundResult:
    """Upper bound on the Grade of Service over windows of a day, each request counting once."""

    profile: str
    day: str
    config_hash: str
    services: tuple[str, ...]
    windows: tuple[WindowBound, ...]

    @property
    def requests(self) -> int:
        """Of all windows."""
        return sum(each.requests for each in self.windows)

    @property
    def accepted_at_most(self) -> int:
        return sum(each.accepted_at_most for each in self.windows)

    @property
    def gos_ratio(self) -> float:
        """0-1, flow-weighted over the windows."""
        return self.accepted_at_most / self.requests

    @property
    def complete(self) -> bool:
        """Every window's search ended before its time limit."""
        return all(each.complete for each in self.windows)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, named as in an evaluation; what a bound on the total does not tell is None."""
        return {
            "policy": POLICY,
            "profile": self.profile,
            "day": self.day,
            "config_hash": self.config_hash,
            "requests": self.requests,
            "accepted": self.accepted_at_most,
            "gos": self.gos_ratio,
            "gos_by_service": dict.fromkeys(self.services),
            "latency_ms_by_service": dict.fromkeys(self.services),
            "hops": None,
            "wall_s": sum(each.wall_s for each in self.windows),
            "decisions_per_s": None,
            "complete": self.complete,
            "windows": [_window_dict(each) for each in self.windows],
        }


def bound_row(
    scenario: Scenario,
    *,
    windows: int | Sequence[Window] = DEFAULT_WINDOWS,
    minutes: int = DEFAULT_MINUTES,
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    progress: Callable[[WindowBound], None] | None = None,
) -> BoundResult:
    """The most that any policy, even one that knows the day beforehand, could carry in windows of the scenario's day.

    Every window starts with an empty network, so the bound can only err upwards.

    Args:
        windows: how many to choose (`choose_windows`), or which.
        minutes: length of the chosen windows.
        time_limit_s: per window; what is found until then is a bound, too.
        progress: called with each window's bound.
    Raises:
        OutOfRange: a number outside its range, or a window in which no request arrives.
    """
    chosen = choose_windows(scenario.day, windows, minutes=minutes) if isinstance(windows, int) else tuple(windows)
    bounds = []
    for window in chosen:
        bounds.append(bound_window(scenario.city, scenario.day, window, time_limit_s=time_limit_s))
        if progress:
            progress(bounds[-1])
    return BoundResult(
        profile=scenario.city.profile,
        day=scenario.day.name,
        config_hash=scenario.config_hash,
        services=tuple(spec.key for spec in scenario.city.services),
        windows=tuple(bounds),
    )


def _window_dict(bound: WindowBound) -> dict[str, Any]:
    return {
        "window": str(bound.window),
        "start_ms": bound.window.start_ms,
        "end_ms": bound.window.end_ms,
        "requests": bound.requests,
        "accepted": bound.accepted_at_most,
        "gos": bound.gos_ratio,
        "relaxed_accepted": bound.relaxed_accepted,
        "rounds": len(bound.history) - 1,
        "rows": bound.rows,
        "complete": bound.complete,
        "wall_s": bound.wall_s,
    }
