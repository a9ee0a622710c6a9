"""Replays a log against its limits and notes every record that could not have come from a sound store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ric_sim.domain.reservation import Change, ChangeKind, CommitRequest
from ric_sim.network.admission import host_processing_us

MAX_VIOLATIONS = 100
"""Kept in a report; one wrong record early in a log makes thousands after it wrong."""


class ViolationKind(StrEnum):
    """What an audit can find."""

    UNREADABLE = "unreadable"  # bytes that do not decode
    VERSION = "version"  # versions not contiguous from CREATE at 0
    CHAIN = "chain"  # a record's hash does not follow from the record before it
    CLOCK = "clock"  # emulated time ran backwards
    CAPACITY = "capacity"  # a limit exceeded, or a resource that does not exist
    LATENCY = "latency"  # a latency that is not what the formula gives, or is over budget
    REPEATED_COMMIT = "repeated_commit"  # a flow committed twice
    UNMATCHED_END = "unmatched_end"  # a release or expiry without a live reservation, or with other contents
    EXPIRY_TIME = "expiry_time"  # an expiry before its time, or a release after it
    PREEMPTION = "preemption"  # displaced without need, by a flow of no higher priority, or for a commit that did not follow
    LAYOUT = "layout"  # limits or city other than the log was created for
    HEAD = "head"  # the state's version or hash is not that of the last record
    USED = "used"  # used amounts are not the sum of the live reservations
    RESERVATION = "reservation"  # live reservations other than the log's
    COMMITS = "commits"  # remembered outcomes other than the log's
    COUNTERS = "counters"  # counters other than the log's


@dataclass(frozen=True, slots=True)
class Violation:
    """One finding. `version` is that of the record, -1 when it concerns none; `flow_id` is "" when it concerns none."""

    kind: ViolationKind
    version: int
    flow_id: str
    detail: str

    def __str__(self) -> str:
        flow = f", flow {self.flow_id}" if self.flow_id else ""
        return f"version {self.version}{flow}: {self.kind}: {self.detail}"


class Replay:
    """The state that a log implies, built record by record.

    Attributes:
        used: amounts after the last record.
        live: flow id -> its COMMIT, of the reservations not ended yet.
        committed: flow ids ever committed.
        counts: records of each kind.
        version, now_ms: of the last record; -1, 0 before the first.
        peak_link_ratio, peak_compute_ratio: highest used / limit of any link or host at any time.
        violations: the first `MAX_VIOLATIONS`, earliest first; `n_violations` counts all.
    """

    def __init__(self, n_links: int, limits: Sequence[int]) -> None:
        self._n_links = n_links
        self._limits = limits
        self.used = [0] * len(limits)
        self.live: dict[str, Change] = {}
        self.committed: set[str] = set()
        self.counts = dict.fromkeys(ChangeKind, 0)
        self.version = -1
        self.now_ms = 0
        self.peak_link_ratio = 0.0
        self.peak_compute_ratio = 0.0
        self.violations: list[Violation] = []
        self.n_violations = 0
        self._displaced: list[Change] = []  # whose winner's COMMIT must come next

    def report(self, kind: ViolationKind, version: int, flow_id: str, detail: str) -> None:
        """Notes one violation."""
        self.n_violations += 1
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(Violation(kind, version, flow_id, detail))

    def apply(self, change: Change, request: CommitRequest | None = None) -> None:
        """Applies one record; with the `request` it came from, its latency is computed again and compared."""
        if change.version != self.version + 1:
            self.report(ViolationKind.VERSION, change.version, change.flow_id, f"expected version {self.version + 1}")
        if (change.kind == ChangeKind.CREATE) != (change.version == 0):
            self.report(ViolationKind.VERSION, change.version, change.flow_id, "CREATE is record 0 and no other")
        if change.now_ms < self.now_ms:
            self.report(ViolationKind.CLOCK, change.version, change.flow_id, f"time {change.now_ms} ms after {self.now_ms} ms")
        self.version, self.now_ms = change.version, max(change.now_ms, self.now_ms)
        self.counts[change.kind] += 1
        if self._displaced and not self._goes_on(change):
            self.finish()
        if change.kind == ChangeKind.COMMIT:
            if request is not None:
                self._check_latency(change, request)
            self._commit(change)
            self._check_displaced(change)
        elif change.kind != ChangeKind.CREATE:
            self._end(change)

    def finish(self) -> None:
        """After the last record: nobody may have been displaced for a commit that is not there."""
        for victim in self._displaced:
            detail = f"displaced by {victim.displaced_by}, whose COMMIT does not follow"
            self.report(ViolationKind.PREEMPTION, victim.version, victim.flow_id, detail)
        self._displaced = []

    def _commit(self, change: Change) -> None:
        if change.flow_id in self.committed:
            self.report(ViolationKind.REPEATED_COMMIT, change.version, change.flow_id, "was committed before")
        used, limits, n_links = self.used, self._limits, self._n_links
        for resource, amount in change.entries:
            if resource >= len(limits):
                self._report_capacity(change, f"resource {resource} does not exist")
                continue
            total = used[resource] = used[resource] + amount
            limit = limits[resource]
            if total > limit:
                self._report_capacity(change, f"resource {resource} is used {total} of {limit}")
            elif amount < 1:
                self._report_capacity(change, f"amount {amount} of resource {resource}")
            ratio = total / limit if limit else 0.0
            if resource < n_links:
                self.peak_link_ratio = max(self.peak_link_ratio, ratio)
            else:
                self.peak_compute_ratio = max(self.peak_compute_ratio, ratio)
        self.committed.add(change.flow_id)
        self.live[change.flow_id] = change

    def _report_capacity(self, change: Change, detail: str) -> None:
        self.report(ViolationKind.CAPACITY, change.version, change.flow_id, detail)

    def _check_latency(self, change: Change, request: CommitRequest) -> None:
        latency_us = request.propagation_us
        for resource, coefficient_ns, nominal_ucores in request.hosts:
            used = self.used[resource] if resource < len(self.used) else 0
            latency_us += host_processing_us(used, coefficient_ns, max(nominal_ucores, 1))
        if change.latency_us != latency_us:
            detail = f"latency {change.latency_us} us is logged, the used amounts give {latency_us} us"
            self.report(ViolationKind.LATENCY, change.version, change.flow_id, detail)
        if latency_us > request.budget_us:
            detail = f"latency {latency_us} us is over the budget of {request.budget_us} us"
            self.report(ViolationKind.LATENCY, change.version, change.flow_id, detail)

    def _goes_on(self, change: Change) -> bool:
        """The record is another victim of the same winner, or the winner's commit."""
        winner = self._displaced[0].displaced_by
        return winner == (change.displaced_by if change.kind == ChangeKind.PREEMPT else change.flow_id) and (
            change.kind in (ChangeKind.PREEMPT, ChangeKind.COMMIT)
        )

    def _check_displaced(self, winner: Change) -> None:
        for victim in self._displaced:
            if victim.priority >= winner.priority:
                detail = f"priority {victim.priority} displaced by {winner.flow_id} of priority {winner.priority}"
                self.report(ViolationKind.PREEMPTION, victim.version, victim.flow_id, detail)
            wanted = [resource for resource, _ in winner.entries]
            if all(
                self.used[r] + amount <= self._limits[r] for r, amount in victim.entries if r in wanted and r < len(self.used)
            ):
                detail = f"there was room beside {winner.flow_id}"
                self.report(ViolationKind.PREEMPTION, victim.version, victim.flow_id, detail)
        self._displaced = []

    def _end(self, change: Change) -> None:
        """A release, an expiry, or a preemption."""
        if change.kind == ChangeKind.PREEMPT:
            self._displaced.append(change)
        commit = self.live.pop(change.flow_id, None)
        if commit is None:
            history = "ended before" if change.flow_id in self.committed else "was never committed"
            self.report(
                ViolationKind.UNMATCHED_END, change.version, change.flow_id, f"{change.kind.name} of a flow that {history}"
            )
            return
        for resource, amount in commit.entries:
            if resource < len(self.used):
                self.used[resource] -= amount
        if _contents(change) != _contents(commit):
            detail = f"{change.kind.name} differs from the COMMIT of version {commit.version}"
            self.report(ViolationKind.UNMATCHED_END, change.version, change.flow_id, detail)
        # One that was over when it was committed can only be displaced by a commit of the very same call.
        is_stillborn = change.kind == ChangeKind.PREEMPT and commit.now_ms == change.now_ms
        is_due = commit.expiry_ms <= change.now_ms and not is_stillborn
        if is_due != (change.kind == ChangeKind.EXPIRE):
            detail = f"{change.kind.name} at {change.now_ms} ms of a reservation until {commit.expiry_ms} ms"
            self.report(ViolationKind.EXPIRY_TIME, change.version, change.flow_id, detail)


def _contents(change: Change) -> tuple[object, ...]:
    return (change.entries, change.route, change.service, change.expiry_ms, change.latency_us, change.priority)
