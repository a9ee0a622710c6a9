"""A candidate against production: both play the same fresh days, block by block, until the evidence is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from ric_sim.domain.errors import InvalidInput, OutOfRange
from ric_sim.envs.evaluate import FRESH, DayReplay
from ric_sim.envs.sequential_test import PairedTest
from ric_sim.network.city import City, IntArray
from ric_sim.network.policies import RoutingPolicy
from ric_sim.network.scenario import Scenario

BuildPolicy = Callable[[City], RoutingPolicy]


class Verdict(StrEnum):
    """`BETTER` is the only one that promotes."""

    BETTER = "better"
    WORSE = "worse"
    GUARD = "guard"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class TrialRules:
    """When a trial ends.

    Attributes:
        alpha: error rate of the verdicts better and worse together: how often two equal policies are told apart.
        block_requests: requests of each city between two looks; longer than refusals come in bursts.
        guard_ratio: how much the Grade of Service of one service may fall (0.01: a point).
        max_requests: most requests of a round, over all its cities; None, whole days.
    """

    alpha: float = 0.05
    block_requests: int = 100
    guard_ratio: float = 0.01
    max_requests: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or not 0 <= self.guard_ratio <= 1:
            raise OutOfRange(f"alpha {self.alpha}, guard {self.guard_ratio}: expected ratios between 0 and 1")
        if self.block_requests < 1 or (self.max_requests is not None and self.max_requests < 1):
            raise OutOfRange(f"blocks of {self.block_requests}, at most {self.max_requests} requests: expected 1 or more")


@dataclass
class Trial:
    """The evidence so far.

    Attributes:
        services: keys. overall, by_service: the tests; those by service guard.
        requests: met by each of the two. accepted: by production and candidate, int64 [2, S].
        track: after every block: requests, gain, its interval.
        verdict: what was found; `UNDECIDED` while under way.
        reason: a sentence for people.
    """

    services: tuple[str, ...]
    rules: TrialRules
    overall: PairedTest = field(init=False)
    by_service: list[PairedTest] = field(init=False)
    requests: IntArray = field(init=False)
    accepted: IntArray = field(init=False)
    track: list[tuple[int, float, float, float]] = field(default_factory=list)
    verdict: Verdict = Verdict.UNDECIDED
    reason: str = "the evidence did not suffice"

    def __post_init__(self) -> None:
        n_services = len(self.services)
        self.overall = PairedTest(self.rules.alpha)
        self.by_service = [PairedTest(self.rules.alpha / n_services) for _ in self.services]
        self.requests = np.zeros(n_services, dtype=np.int64)
        self.accepted = np.zeros((2, n_services), dtype=np.int64)

    def take(self, requests: IntArray, accepted: IntArray) -> None:
        """A block: int64 [S] and [2, S]."""
        self.requests += requests
        self.accepted += accepted
        differences = accepted[1] - accepted[0]
        self.overall.add(int(differences.sum()), int(requests.sum()))
        for test, difference, n in zip(self.by_service, differences.tolist(), requests.tolist(), strict=True):
            test.add(difference, n)
        self.track.append((int(self.requests.sum()), self.overall.gain, *self.overall.interval()))

    def is_hopeless(self) -> bool:
        """Sets the verdict if the candidate is worse, or one of its services fell through the guard; asked after every block."""
        for key, test in zip(self.services, self.by_service, strict=True):
            if test.is_below(-self.rules.guard_ratio):
                fall = f"GoS of {key} fell by {-100 * test.gain:.2f} points"
                self.verdict, self.reason = Verdict.GUARD, f"{fall}, surely more than {100 * self.rules.guard_ratio:g}"
                return True
        if self.overall.is_below(0.0):
            self.verdict, self.reason = Verdict.WORSE, f"GoS fell by {-100 * self.overall.gain:.2f} points"
        return self.verdict is not Verdict.UNDECIDED

    def is_proven(self) -> bool:
        """Sets the verdict if the candidate is better; asked when every city has been through the same hours."""
        if not self.overall.is_above(0.0):
            return False
        for key, test in zip(self.services, self.by_service, strict=True):
            if test.gain < -self.rules.guard_ratio:
                fall = f"GoS of {key} fell by {-100 * test.gain:.2f} points"
                self.verdict, self.reason = Verdict.GUARD, f"better in all, but {fall}"
                return True
        self.verdict, self.reason = Verdict.BETTER, f"GoS rose by {100 * self.overall.gain:.2f} points"
        return True

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ratios 0-1."""
        low, high = self.overall.interval()
        return {
            "verdict": str(self.verdict),
            "reason": self.reason,
            "alpha": self.rules.alpha,
            "guard_ratio": self.rules.guard_ratio,
            "block_requests": self.rules.block_requests,
            "requests": int(self.requests.sum()),
            "blocks": len(self.track),
            "gain": self.overall.gain,
            "gain_interval": [low, high],
            "log_evidence": self.overall.log_evidence(),
            "gos": {name: _ratio(each.sum(), self.requests.sum()) for name, each in self._sides()},
            "by_service": {
                key: {
                    "requests": int(self.requests[index]),
                    "gain": self.by_service[index].gain,
                    "gain_interval": list(self.by_service[index].interval()),
                    **{name: _ratio(each[index], self.requests[index]) for name, each in self._sides()},
                }
                for index, key in enumerate(self.services)
            },
            "track": [list(point) for point in self.track],
        }

    def _sides(self) -> Iterator[tuple[str, IntArray]]:
        return zip(("production", "candidate"), self.accepted, strict=True)


def run_trial(
    rounds: Sequence[Sequence[Scenario]],
    production: BuildPolicy,
    candidate: BuildPolicy,
    rules: TrialRules,
    *,
    watch: Callable[[Trial], None] | None = None,
) -> Trial:
    """Plays round after round until there is a verdict or nothing left to play.

    Worse, and the guard, end the trial after any block. Better ends it only after a whole round: a candidate must not be
    promoted for what it does in the small hours.

    Args:
        rounds: days of several cities that are played side by side; a block has requests of each.
        production, candidate: build the policy of a city.
        watch: called after every block.
    Raises:
        InvalidInput: no day at all, or cities with different services.
    """
    services = {tuple(spec.key for spec in scenario.city.services) for each in rounds for scenario in each}
    if len(services) != 1:
        raise InvalidInput(f"days of cities with {len(services)} sets of services: expected days, all with the same services")
    trial = Trial(services.pop(), rules)
    for scenarios in rounds:
        pairs = [_Pair(scenario, production, candidate) for scenario in scenarios]
        limit = min(len(scenario.day) for scenario in scenarios)
        if rules.max_requests is not None:
            limit = min(limit, max(1, rules.max_requests // len(scenarios)))
        for begin in range(0, limit, rules.block_requests):
            blocks = [pair.play(begin, min(begin + rules.block_requests, limit)) for pair in pairs]
            requests, accepted = (np.sum(parts, axis=0) for parts in zip(*blocks, strict=True))
            trial.take(requests, accepted)
            if watch:
                watch(trial)
            if trial.is_hopeless():
                return trial
        if trial.is_proven():
            return trial
    return trial


class _Pair:
    """Both policies on one day, each in a world of its own."""

    def __init__(self, scenario: Scenario, production: BuildPolicy, candidate: BuildPolicy) -> None:
        self._day = scenario.day
        self._replays = [DayReplay(scenario.city, build(scenario.city), FRESH) for build in (production, candidate)]

    def play(self, begin: int, end: int) -> tuple[IntArray, IntArray]:
        """Requests [S] and accepted [2, S] of a stretch of the day."""
        tallies = [replay.tally for replay in self._replays]
        requests, accepted = tallies[0].requests.copy(), np.array([tally.accepted for tally in tallies])
        for index in range(begin, end):
            flow = self._day.flow(index)
            for replay in self._replays:
                replay.play(index, flow)
        return tallies[0].requests - requests, np.array([tally.accepted for tally in tallies]) - accepted


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
