"""The evidence of an A/B test, and what it says. Pure: no clock, no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.manager.ab.counts import Counts, Pair, WindowCounts
from services.manager.ab.rules import Rules, Verdict
from services.manager.ab.split_test import SplitTest

_MOST_POINTS = 400
SIDES = ("baseline", "candidate")

Measure = Callable[[Counts], tuple[int, int]]
"""Requests, and those of them that met the event."""


@dataclass(frozen=True, slots=True)
class Guard:
    """An event that must not befall the candidate more often.

    Attributes:
        what: for people: `<what> of the candidate's requests`.
        margin: of the difference of shares; less is let pass whatever the evidence.
    """

    name: str
    what: str
    margin: float
    measure: Measure


def guards(rules: Rules) -> tuple[Guard, ...]:
    """The guards that watch every xApp."""
    slow_ms = rules.guard_slow_ms
    return (
        Guard("errors", "expired or lost", rules.guard_error_ratio, lambda c: (c.answered + c.lost, c.expired + c.lost)),
        Guard("aborts", "with an aborted commit", rules.guard_abort_ratio, lambda c: (c.answered, c.aborted)),
        Guard(
            "latency",
            f"decided after more than {slow_ms:g} ms",
            rules.guard_slow_ratio,
            lambda c: (c.answered, c.slower_than(slow_ms)),
        ),
    )


def refused(counts: Counts) -> tuple[int, int]:
    """The event that lowers the Grade of Service."""
    return counts.answered, counts.answered - counts.accepted


@dataclass
class Judge:
    """Grows by one window at a time.

    Attributes:
        services: keys of what the xApp takes; with more than one, each has a guard.
        overall: of refused requests. guarding, by_service: of the guards.
        totals: by service.
        track: after every window: time (unix ms), judged requests, gain in GoS, its interval, evidence for worse and better.
    """

    services: tuple[str, ...]
    rules: Rules
    overall: SplitTest = field(default_factory=SplitTest)
    guarding: dict[str, SplitTest] = field(default_factory=dict)
    by_service: dict[str, SplitTest] = field(default_factory=dict)
    totals: dict[str, Pair] = field(default_factory=dict)
    track: list[list[float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._guards = guards(self.rules)
        for guard in self._guards:
            self.guarding.setdefault(guard.name, SplitTest())
        for key in self.services:
            self.by_service.setdefault(key, SplitTest())
            self.totals.setdefault(key, (Counts(), Counts()))

    @property
    def requests(self) -> int:
        """Judged so far, of both."""
        return sum(self.overall.requests)

    @property
    def gain(self) -> float:
        """GoS of the candidate less the baseline's."""
        return -self.overall.excess

    @property
    def gain_interval(self) -> tuple[float, float]:
        """Gains that are not refused at the error rate, however often one looks."""
        low, high = self.overall.interval(self.rules.alpha)
        return -high, -low

    def take(self, window: WindowCounts, *, unix_ms: int) -> None:
        """A window; services that are not the xApp's are left out."""
        pairs = {key: pair for key, pair in window.items() if key in self.totals}
        for key, pair in pairs.items():
            self.totals[key] = (self.totals[key][0] + pair[0], self.totals[key][1] + pair[1])
            _add(self.by_service[key], pair, refused)
        both = _sum(pairs.values())
        _add(self.overall, both, refused)
        for guard in self._guards:
            _add(self.guarding[guard.name], both, guard.measure)
        self._note(unix_ms)

    def verdict(self) -> tuple[Verdict, str] | None:
        """Verdict and reason, None while the evidence does not suffice."""
        if (broken := self._broken_guard()) is not None:
            return Verdict.GUARD, broken
        alpha = self.rules.side_alpha
        if self.overall.is_more(alpha):
            return Verdict.WORSE, f"GoS fell by {-100 * self.gain:.2f} points"
        if self.requests >= self.rules.min_requests and self.overall.is_fewer(alpha):
            return Verdict.BETTER, f"GoS rose by {100 * self.gain:.2f} points"
        if self.requests >= self.rules.max_requests:
            return Verdict.UNDECIDED, f"the evidence of {self.requests} requests did not suffice"
        return None

    def evidence(self) -> dict[str, Any]:
        """Plain values for JSON; ratios 0-1, evidence as natural logarithms."""
        both = _sum(self.totals.values())
        n_guards = self._n_guards
        return {
            "method": "anytime-valid test of Fisher's non-central hypergeometric odds ratio (docs/ab.md)",
            "alpha": self.rules.alpha,
            "requests": self.requests,
            "gain": self.gain,
            "gain_interval": list(self.gain_interval),
            "log_evidence_worse": self.overall.log_evidence_more,
            "log_evidence_better": self.overall.log_evidence_fewer,
            "side_alpha": self.rules.side_alpha,
            "versions": {name: _version(counts) for name, counts in zip(SIDES, both, strict=True)},
            "guards": {
                guard.name: _guard(self.guarding[guard.name], guard.margin, self.rules.guard_alpha(n_guards))
                for guard in self._guards
            },
            "by_service": {
                key: {"gain": -test.excess, "log_evidence_worse": test.log_evidence_more}
                | {name: _version(counts) for name, counts in zip(SIDES, self.totals[key], strict=True)}
                for key, test in self.by_service.items()
            },
        }

    # --- inside --------------------------------------------------------------------------------------------------------

    @property
    def _n_guards(self) -> int:
        return len(self._guards) + (len(self.services) if len(self.services) > 1 else 0)

    def _broken_guard(self) -> str | None:
        alpha = self.rules.guard_alpha(self._n_guards)
        for guard in self._guards:
            test = self.guarding[guard.name]
            if test.excess > guard.margin and test.is_more(alpha):
                shares = f"{100 * test.ratio(1):.2f} % of the candidate's requests, {100 * test.ratio(0):.2f} % of the baseline's"
                return f"guard {guard.name}: {shares} were {guard.what}"
        if len(self.services) > 1:
            for key, test in self.by_service.items():
                if test.excess > self.rules.guard_gos_ratio and test.is_more(alpha):
                    return f"guard GoS: that of {key} fell by {100 * test.excess:.2f} points"
        return None

    def _note(self, unix_ms: int) -> None:
        test = self.overall
        evidence = (test.log_evidence_more, test.log_evidence_fewer)
        self.track.append([unix_ms, self.requests, self.gain, *self.gain_interval, *evidence])
        if len(self.track) > _MOST_POINTS:  # every other point; the newest stays
            self.track = self.track[1::2] if len(self.track) % 2 == 0 else self.track[::2]


def _sum(pairs: Sequence[Pair] | Any) -> Pair:
    baseline, candidate = Counts(), Counts()
    for pair in pairs:
        baseline, candidate = baseline + pair[0], candidate + pair[1]
    return baseline, candidate


def _add(test: SplitTest, pair: Pair, measure: Measure) -> None:
    (n_0, e_0), (n_1, e_1) = measure(pair[0]), measure(pair[1])
    test.add((n_0, n_1), (e_0, e_1))


def _version(counts: Counts) -> dict[str, Any]:
    return {
        "requests": counts.answered,
        "gos": counts.accepted / counts.answered if counts.answered else None,
        "accepted": counts.accepted,
        "rejected": counts.rejected,
        "expired": counts.expired,
        "aborted": counts.aborted,
        "lost": counts.lost,
        "causes": dict(counts.causes),
        "decision_p50_ms": counts.quantile_ms(0.5),
        "decision_p99_ms": counts.quantile_ms(0.99),
    }


def _guard(test: SplitTest, margin: float, alpha: float) -> dict[str, Any]:
    return {
        "baseline": test.ratio(0),
        "candidate": test.ratio(1),
        "margin": margin,
        "alpha": alpha,
        "log_evidence": test.log_evidence_more,
    }
