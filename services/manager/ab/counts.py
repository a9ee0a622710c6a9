"""What two versions did in one window, as the judge takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ric_sim.e2.version_outcomes import LATENCY_BOUNDS_MS
from ricity.e2.v1 import outcomes_pb2

N_BUCKETS = len(LATENCY_BOUNDS_MS) + 1


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of one service that one version held when their answer left.

    Attributes:
        answered: accepted, rejected or expired; Grade of Service = accepted / answered.
        aborted: of the answered, those with at least one aborted commit.
        lost: delivered to an instance that went away; answered by another, where they are counted.
        latency_counts: decision times by bucket, `LATENCY_BOUNDS_MS` and above.
        causes: of rejected and expired.
    """

    accepted: int = 0
    rejected: int = 0
    expired: int = 0
    aborted: int = 0
    lost: int = 0
    latency_counts: tuple[int, ...] = (0,) * N_BUCKETS
    causes: Mapping[str, int] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        return self.accepted + self.rejected + self.expired

    def slower_than(self, limit_ms: float) -> int:
        """Answered requests whose decision took longer; `limit_ms` is one of `LATENCY_BOUNDS_MS`."""
        return sum(self.latency_counts[LATENCY_BOUNDS_MS.index(limit_ms) + 1 :])

    def quantile_ms(self, share: float) -> float | None:
        """Upper bound of the bucket the quantile is in; None without a request, or above the last bound."""
        wanted, seen = share * self.answered, 0
        for bound, count in zip(LATENCY_BOUNDS_MS, self.latency_counts, strict=False):
            seen += count
            if count and seen >= wanted:
                return bound
        return None

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.accepted + other.accepted,
            self.rejected + other.rejected,
            self.expired + other.expired,
            self.aborted + other.aborted,
            self.lost + other.lost,
            tuple(map(sum, zip(self.latency_counts, other.latency_counts, strict=True))),
            {cause: self.causes.get(cause, 0) + other.causes.get(cause, 0) for cause in {**self.causes, **other.causes}},
        )


Pair = tuple[Counts, Counts]
"""Baseline and candidate."""

WindowCounts = Mapping[str, Pair]
"""By service key."""


def window_counts(window: outcomes_pb2.OutcomeWindow, xapp: str, versions: Sequence[str]) -> WindowCounts:
    """The rows of an xApp's two versions; others are left out."""
    found: dict[str, list[Counts]] = {}
    for row in window.versions:
        if row.xapp_name == xapp and row.xapp_version in versions:
            pair = found.setdefault(row.service, [Counts(), Counts()])
            pair[versions.index(row.xapp_version)] = _counts(row)
    return {service: (pair[0], pair[1]) for service, pair in found.items()}


def _counts(row: outcomes_pb2.VersionOutcomes) -> Counts:
    return Counts(
        accepted=row.accepted,
        rejected=row.rejected,
        expired=row.expired,
        aborted=row.aborted_requests,
        lost=row.lost,
        latency_counts=tuple(row.latency_counts),
        causes=dict(row.causes),
    )
