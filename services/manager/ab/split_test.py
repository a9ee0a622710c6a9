"""Does an event befall one of two versions more often? A test that may be looked at after every window of requests.

The RIC splits requests by a hash of their id, so which version gets a request has nothing to do with the request. If the
versions do not differ, then of the r requests of a window that met the event, the number k that were the candidate's is a
draw without replacement: hypergeometric, whatever the event's rate, however it changes over the day, and however the events
come in bursts. Against it stands Fisher's non-central hypergeometric distribution with odds ratio w. For each w,

    E(w) = prod over windows  P_w(k | n, m, r) / P_1(k | n, m, r)       n requests, m of them the candidate's

is a non-negative martingale that starts at 1 if the versions do not differ; so is its mean over w. By Ville's inequality
it ever reaches 1 / alpha with probability at most alpha. A mean over w > 1 alone stays a supermartingale as long as the odds
ratio is 1 or less in every window (P_w / P_1 grows with k, and k shrinks with the odds ratio), so each side is a test of its own.
(Turner, Ly, Grunwald 2024, "Generic E-variables for exact sequential k-sample tests that allow for optional stopping", has
the unconditional relative; Wald 1947 the product of ratios.) The odds ratios that are not refused form a confidence interval
of any-time coverage, if the odds ratio is the same in all windows.

`ric_sim.envs.sequential_test` serves where both policies can play the same requests, as in `ricity loop`; on the live RIC each
request is asked once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange

Vector = npt.NDArray[np.float64]

_STEP, _LARGEST = 0.05, 5.0
_PRIOR_SCALE = 0.3
"""Of the half-Cauchy weights over log odds ratios: a third is below 0.17, a third above 0.52, and the tail reaches 5."""

MOST_OF_A_WINDOW = 1.0
"""Natural logarithm; a single event may weigh more. An instance that once stands still for a moment (the machine was busy) is
late with all that it holds: many requests, but one event. Cutting only makes the evidence smaller, so the error rates hold."""

LOG_ODDS: Vector = np.arange(1, round(_LARGEST / _STEP) + 1, dtype=np.float64) * _STEP
_HALF_CAUCHY = 1 / (1 + (LOG_ODDS / _PRIOR_SCALE) ** 2)
_PRIOR = np.log(_HALF_CAUCHY / _HALF_CAUCHY.sum())
_GRID = np.concatenate([-LOG_ODDS[::-1], [0.0], LOG_ODDS])
_ZERO = len(LOG_ODDS)
_TWO_SIDED = np.concatenate([_PRIOR[::-1], [-np.inf], _PRIOR]) - math.log(2)


@dataclass
class SplitTest:
    """Grows by one window at a time.

    Attributes:
        requests, events: so far, of baseline and candidate.
        log_ratios: log P_w / P_1 over `_GRID`, summed over windows.
        log_evidence: the same, but no window counts for more than `MOST_OF_A_WINDOW` or one event.
    """

    requests: list[int] = field(default_factory=lambda: [0, 0])
    events: list[int] = field(default_factory=lambda: [0, 0])
    log_ratios: Vector = field(default_factory=lambda: np.zeros(len(_GRID)))
    log_evidence: Vector = field(default_factory=lambda: np.zeros(len(_GRID)))

    def add(self, requests: tuple[int, int], events: tuple[int, int]) -> None:
        """Takes in a window: baseline and candidate.

        Raises:
            OutOfRange: more events than requests.
        """
        if not all(0 <= e <= n for e, n in zip(events, requests, strict=True)):
            raise OutOfRange(f"{events} events of {requests} requests: expected no more events than requests")
        for side in (0, 1):
            self.requests[side] += requests[side]
            self.events[side] += events[side]
        log_ratios = _window_log_ratios(requests, events)
        self.log_ratios += log_ratios
        self.log_evidence += np.minimum(log_ratios, _most_of_a_window(requests))

    def ratio(self, side: int) -> float:
        """Share of requests that met the event; side 0 is the baseline."""
        return self.events[side] / self.requests[side] if self.requests[side] else 0.0

    @property
    def excess(self) -> float:
        """Candidate's share less the baseline's, -1 to 1; 0 until both have had requests."""
        return self.ratio(1) - self.ratio(0) if all(self.requests) else 0.0

    @property
    def log_evidence_more(self) -> float:
        """log of the evidence that the candidate meets the event more often."""
        return float(_log_sums(_PRIOR + self.log_evidence[_ZERO + 1 :]))

    @property
    def log_evidence_fewer(self) -> float:
        """log of the evidence that the candidate meets the event less often."""
        return float(_log_sums(_PRIOR[::-1] + self.log_evidence[:_ZERO]))

    def is_more(self, alpha: float) -> bool:
        """The candidate meets the event more often, at that error rate over all looks."""
        return self.log_evidence_more >= -math.log(alpha)

    def is_fewer(self, alpha: float) -> bool:
        """The candidate meets the event less often, at that error rate over all looks."""
        return self.log_evidence_fewer >= -math.log(alpha)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Excess that is not refused, -1 to 1: the odds ratios that are not, applied to the baseline's share."""
        mixture = _log_sums(_TWO_SIDED + self.log_ratios)
        (kept,) = np.nonzero(mixture - self.log_ratios < -math.log(alpha))
        # Half an event more keeps a baseline without any from claiming that there can be none.
        share = (self.events[0] + 0.5) / (self.requests[0] + 1)
        low = -share if kept[0] == 0 else _applied(_GRID[kept[0]], share) - share
        high = 1 - share if kept[-1] == len(_GRID) - 1 else _applied(_GRID[kept[-1]], share) - share
        return float(low), float(high)


def _window_log_ratios(requests: tuple[int, int], events: tuple[int, int]) -> Vector:
    """log P_w(k | n, m, r) / P_1(k | n, m, r) over `_GRID`."""
    others, own = requests
    total = sum(events)
    possible = np.arange(max(0, total - others), min(total, own) + 1)
    if len(possible) == 1:
        return np.zeros(len(_GRID))
    log_ways = _log_choose(own, possible) + _log_choose(others, total - possible)
    log_ways -= log_ways.max()
    ratios: Vector = _GRID * events[1] - _log_sums(log_ways + np.outer(_GRID, possible)) + _log_sums(log_ways)
    return ratios


def _most_of_a_window(requests: tuple[int, int]) -> Vector:
    """log of what one event, at the version that it speaks against, would weigh; at least `MOST_OF_A_WINDOW`."""
    others, own = requests
    if not others or not own:
        return np.zeros(len(_GRID))
    one: Vector = math.log(others + own) - np.log(own * np.exp(_GRID) + others) + np.maximum(_GRID, 0)
    return np.maximum(one, MOST_OF_A_WINDOW)


def _log_sums(exponents: Vector) -> Vector:
    """log of the sum of exp over the last axis. Faster than `np.logaddexp.reduce`, which matters for thousands of windows."""
    largest = exponents.max(axis=-1, keepdims=True)
    sums: Vector = np.log(np.exp(exponents - largest).sum(axis=-1)) + largest[..., 0]
    return sums


def _log_choose(n: int, k: npt.NDArray[np.int64]) -> Vector:
    table = _log_factorials(n.bit_length())
    chosen: Vector = table[n] - table[k] - table[n - k]
    return chosen


@cache
def _log_factorials(n_bits: int) -> Vector:
    """log n! of all numbers of so many bits."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 1 << n_bits)))])


def _applied(log_odds: float, share: float) -> float:
    odds = math.exp(log_odds) * share / (1 - share)
    return odds / (1 + odds)
