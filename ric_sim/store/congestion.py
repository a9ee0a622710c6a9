"""Congestion signals: who was refused for want of which resource, shared by all agents through the store.

Refusals are counted per minute of emulated time, so that publishing is adding one and agents need no lock; readers weigh
the minutes down by their age.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ric_sim.domain.errors import Conflict
from ric_sim.domain.reservation import CommitOutcome, CommitRequest, CommitStatus, Pressure

PERIOD_MS = 60_000
HALF_LIFE_PERIODS = 10
WINDOW_PERIODS = 60
"""Older minutes weigh less than 2 % and are forgotten."""

_DECAY = 0.5 ** (1 / HALF_LIFE_PERIODS)


class Refusal(NamedTuple):
    """One request of `service` (index) that was not carried for want of `resource`."""

    service: int
    resource: int


class Tally(NamedTuple):
    """Where a refusal is counted."""

    period: int
    resource: int
    service: int


def require_signals(*, kept: bool) -> None:
    """Raises `Conflict` when a store that keeps no signals is given some."""
    if not kept:
        raise Conflict("this store keeps no congestion signals: open it with congestion_signals=True")


def parse_tally(field: bytes) -> Tally:
    """A field of the hash that counts refusals, `period:resource:service`."""
    period, resource, service = field.split(b":")
    return Tally(int(period), int(resource), int(service))


def period_of(now_ms: int) -> int:
    """Number of the minute of emulated time."""
    return now_ms // PERIOD_MS


def is_forgotten(tally: Tally, now_ms: int) -> bool:
    """Too old to weigh at `now_ms`."""
    return tally.period <= period_of(now_ms) - WINDOW_PERIODS


def pressure(counts: Mapping[Tally, int], now_ms: int, n_resources: int) -> Pressure:
    """Refusals per emulated minute for want of each resource, exponential average with a half-life of ten minutes.

    Returns:
        float32 [n_resources], read-only: sum over the last minutes k of (1 - d) d^k refusals_k, d = 2^(-1/10).
    """
    totals = np.zeros(n_resources)
    now = period_of(now_ms)
    for tally in sorted(counts):  # one order, one rounding: every store gives the same vector
        if tally.resource < n_resources and not is_forgotten(tally, now_ms):
            totals[tally.resource] += counts[tally] * (1 - _DECAY) * _DECAY ** max(now - tally.period, 0)
    result = totals.astype(np.float32)
    result.setflags(write=False)
    return result


def refusals_of(requests: Sequence[CommitRequest], outcomes: Sequence[CommitOutcome]) -> list[Refusal]:
    """What the aborts of a batch say: a resource each, none for a latency budget."""
    return [
        Refusal(request.service, outcome.resource)
        for request, outcome in zip(requests, outcomes, strict=True)
        if outcome.status == CommitStatus.ABORTED and outcome.resource >= 0
    ]
