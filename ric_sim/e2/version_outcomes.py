"""What became of requests, by the version of the xApp that held them: counters in windows of a second.

A request counts for the version whose instance holds it when its answer leaves, in the window of that moment. One that no
instance held (nobody is attached, the queue is full) counts for none. Counting costs a few microseconds per request.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from uuid import uuid4

from ric_sim.e2.delivery import Instance, Pending, Pool

WINDOW_S = 1.0
MOST_WINDOWS = 600
"""Windows kept: ten minutes for a reader to come back."""

LATENCY_BOUNDS_MS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)

Key = tuple[str, str, int]
"""xApp, version, service index."""

Split = tuple[tuple[str, str, int, bool], ...]
"""Instance id, version, weight and whether it drains, of all instances of an xApp."""


@dataclass(slots=True)
class Outcomes:
    """Counts of one version and service in one window; fields as in `VersionOutcomes` of the protocol."""

    accepted: int = 0
    rejected: int = 0
    expired: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    aborted_requests: int = 0
    aborted_commits: int = 0
    lost: int = 0
    latency_counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS_MS) + 1))
    latency_sum_us: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A closed window.

    Attributes:
        unsettled: xApps whose instances or weights changed in it or in the window before, so that its requests were not all
            split alike.
    """

    sequence: int
    ended_unix_ms: int
    length_ms: int
    rows: Mapping[Key, Outcomes]
    unsettled: frozenset[str]


class OutcomeBook:
    """The current window and the latest closed ones. One event loop, no locks, no timer: windows close when looked at."""

    def __init__(self, pools: Mapping[str, Pool], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`pools`: of the RIC, by xApp. `clock`: seconds."""
        self.epoch = uuid4().hex[:12]
        self._pools = pools
        self._clock = clock
        self._rows: dict[Key, Outcomes] = {}
        self._began_s = clock()
        self._splits: dict[str, Split] = {}
        self._changed: frozenset[str] = frozenset()
        self._windows: deque[Window] = deque(maxlen=MOST_WINDOWS)
        self._latest = 0

    @property
    def latest(self) -> int:
        """Sequence of the last closed window, 0 before the first."""
        return self._latest

    @property
    def oldest(self) -> int:
        """Sequence of the first window that is still held, 0 if there is none."""
        return self._windows[0].sequence if self._windows else 0

    def answered(self, pending: Pending, outcome: str, cause: str) -> None:
        """An answer leaves: `outcome` is applied, rejected or default; `cause` a label, empty when applied."""
        if pending.instance is None:
            return
        row = self._row(pending.instance, pending.flow.service)
        if outcome == "applied":
            row.accepted += 1
        else:
            if outcome == "rejected":
                row.rejected += 1
            else:
                row.expired += 1
            row.causes[cause] = row.causes.get(cause, 0) + 1
        row.aborted_requests += pending.aborts > 0
        elapsed_us = (time.monotonic_ns() - pending.received_ns) // 1000
        row.latency_counts[bisect_left(LATENCY_BOUNDS_MS, elapsed_us / 1000)] += 1
        row.latency_sum_us += elapsed_us

    def aborted(self, pending: Pending) -> None:
        """A commit was aborted."""
        pending.aborts += 1
        if pending.instance is not None:
            self._row(pending.instance, pending.flow.service).aborted_commits += 1

    def lost(self, pending: Pending, instance: Instance) -> None:
        """An instance went away with a request that had been delivered to it."""
        self._row(instance, pending.flow.service).lost += 1

    def after(self, sequence: int, *, limit: int) -> list[Window]:
        """Up to `limit` closed windows after that one, oldest first."""
        self._close_if_due()
        skipped = max(0, sequence + 1 - self.oldest)
        return list(islice(self._windows, skipped, skipped + limit))

    def _row(self, instance: Instance, service: int) -> Outcomes:
        self._close_if_due()
        key = (instance.xapp_name, instance.version, service)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = Outcomes()
        return row

    def _close_if_due(self) -> None:
        now_s = self._clock()
        if now_s - self._began_s < WINDOW_S:
            return
        splits = {name: _split(pool.instances) for name, pool in self._pools.items()}
        changed = frozenset(name for name, split in splits.items() if split != self._splits.get(name))
        if self._rows:
            self._latest += 1
            length_ms = round(1000 * (now_s - self._began_s))
            unsettled = changed | self._changed
            self._windows.append(Window(self._latest, time.time_ns() // 1_000_000, length_ms, self._rows, unsettled))
            self._rows = {}
        # A window without answers keeps its change for the next one: what was split before it may be answered there.
        self._splits, self._changed = splits, changed
        self._began_s = now_s


def _split(instances: Sequence[Instance]) -> Split:
    return tuple((each.instance_id, each.version, each.weight, each.draining) for each in instances)
