"""A resource store in plain Python: the model every other store is tested against, and the store of in-process evaluation."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ric_sim.domain.errors import CityMismatch, NotFound
from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import (
    Change,
    ChangeKind,
    CommitOutcome,
    CommitRequest,
    CommitStatus,
    Pressure,
    Snapshot,
    UsedAmounts,
)
from ric_sim.network.admission import host_processing_us
from ric_sim.store import congestion
from ric_sim.store.base import StoreLayout
from ric_sim.store.congestion import Refusal, Tally
from ric_sim.store.preemption import Holding, choose_victims, held_below
from ric_sim.store.validation import ResourceBounds, check_now, check_request


class MemoryStore:
    """`ResourceStore` in one process. The rules that `base.ResourceStore` leaves open are settled here:

    - Every verb that takes `now_ms` first expires what is due (`expiry_ms <= now`, the latest now seen), earliest expiry
      first and by flow id among equals; `release` of a flow that is due therefore finds nothing and answers False.
    - A commit is refused for the first of: the id was committed before (DUPLICATE or CONFLICT, whether or not its
      reservation still lives or was displaced); an entry that does not fit, in the order the entries are given, unless
      displacing makes room for all; the latency budget, reckoned as after the displacing.
    - An aborted commit leaves no trace: the same id may try again with another route.
    - RELEASE, EXPIRE and PREEMPT records repeat the entries, route, times and priority of the COMMIT they end; CREATE has
      service -1. The PREEMPT records of a displacing commit stand right before its COMMIT.
    - A batch with one malformed request is refused as a whole, before time advances.

    Args:
        congestion_signals: count refusals, and give snapshots the pressure.
    """

    def __init__(self, *, congestion_signals: bool = False) -> None:
        self._refusals: Counter[Tally] | None = Counter() if congestion_signals else None
        self._layout: StoreLayout | None = None
        self._bounds = ResourceBounds(0, ())
        self._used = np.zeros(0, dtype=np.uint32)
        self._now_ms = 0
        self._changes: list[Change] = []
        self._live: dict[str, CommitRequest] = {}
        self._expiries: list[tuple[int, str]] = []
        self._committed: dict[str, tuple[CommitRequest, CommitOutcome]] = {}

    def create(self, layout: StoreLayout) -> None:
        bounds = ResourceBounds.of(layout)
        if self._layout is None:
            self._layout, self._bounds = layout, bounds
            self._used = np.zeros(len(layout.limits), dtype=np.uint32)
            self._append(ChangeKind.CREATE, "", None, latency_us=0)
        elif not _same_layout(self._layout, layout):
            raise CityMismatch(
                f"the store holds city {self._layout.city_fingerprint[:12]}, not {layout.city_fingerprint[:12]}: use another one"
            )

    def snapshot(self) -> Snapshot:
        self._require_layout()
        used = self._used.copy()
        used.setflags(write=False)
        return Snapshot(version=self._version, now_ms=self._now_ms, used=used, pressure=self._pressure())

    def commit(self, requests: Sequence[CommitRequest], *, now_ms: int) -> list[CommitOutcome]:
        self._require_layout()
        check_now(now_ms)
        for request in requests:
            check_request(request, self._bounds)
        self.advance(now_ms)
        outcomes = [self._decide(request) for request in requests]
        if self._refusals is not None:
            self._count(congestion.refusals_of(requests, outcomes))
        return outcomes

    def release(self, flow_ids: Sequence[str], *, now_ms: int) -> list[bool]:
        self.advance(now_ms)
        return [self._end(flow_id, ChangeKind.RELEASE) for flow_id in flow_ids]

    def advance(self, now_ms: int) -> int:
        self._require_layout()
        check_now(now_ms)
        self._now_ms = max(self._now_ms, now_ms)
        expired = 0
        while self._expiries and self._expiries[0][0] <= self._now_ms:
            # An id is committed once, so an entry of the queue can only stand for a live flow or a released one.
            expired += self._end(heapq.heappop(self._expiries)[1], ChangeKind.EXPIRE)
        return expired

    def displaceable(self, priority: int) -> UsedAmounts:
        self._require_layout()
        return held_below(priority, self._live.values(), len(self._used))

    def publish_refusals(self, refusals: Sequence[Refusal], *, now_ms: int) -> None:
        congestion.require_signals(kept=self._refusals is not None)
        self.advance(now_ms)
        self._count(refusals)

    def lookup(self, flow_id: str) -> CommitOutcome | None:
        self._require_layout()
        known = self._committed.get(flow_id)
        return None if known is None else replace(known[1], status=CommitStatus.DUPLICATE)

    def changes(self, *, after_version: int = -1) -> Iterator[Change]:
        self._require_layout()
        yield from self._changes[max(after_version, -1) + 1 :]

    @property
    def _version(self) -> int:
        return len(self._changes) - 1

    def _require_layout(self) -> None:
        if self._layout is None:
            raise NotFound("the store holds no city yet: call create() first")

    def _decide(self, request: CommitRequest) -> CommitOutcome:
        known = self._committed.get(request.flow_id)
        if known is not None:
            status = CommitStatus.DUPLICATE if known[0] == request else CommitStatus.CONFLICT
            return replace(known[1], status=status)
        missing = self._missing(request)
        displaced: Sequence[Holding] = ()
        if missing:
            may_displace = request.displaces and request.priority > 0
            victims = choose_victims(missing, self._holdings(), request.priority) if may_displace else None
            if victims is None:
                return self._overfull(request, next(iter(missing)))
            displaced = victims
        latency_us = self._latency_us(request, displaced)
        if latency_us > request.budget_us:
            return CommitOutcome(request.flow_id, CommitStatus.ABORTED, self._version, latency_us, Cause.LATENCY_BUDGET)
        for victim in displaced:
            self._end(victim.flow_id, ChangeKind.PREEMPT, displaced_by=request.flow_id)
        return self._reserve(request, latency_us, displaced)

    def _missing(self, request: CommitRequest) -> dict[int, int]:
        """Resource -> amount that the request lacks, in the order of its entries."""
        limits, used = self._bounds.limits, self._used
        return {
            resource: lack
            for resource, amount in request.entries
            if (lack := int(used[resource]) + amount - limits[resource]) > 0
        }

    def _holdings(self) -> Iterator[Holding]:
        for flow_id, held in self._live.items():
            yield Holding(flow_id, held.priority, self._committed[flow_id][1].version, dict(held.entries))

    def _latency_us(self, request: CommitRequest, displaced: Sequence[Holding]) -> int:
        latency_us = request.propagation_us
        for resource, coefficient_ns, nominal_ucores in request.hosts:
            used = int(self._used[resource]) - sum(victim.amounts.get(resource, 0) for victim in displaced)
            latency_us += host_processing_us(used, coefficient_ns, nominal_ucores)
        return latency_us

    def _overfull(self, request: CommitRequest, resource: int) -> CommitOutcome:
        is_link = resource < self._bounds.n_links
        cause = Cause.LINK_CAPACITY if is_link else Cause.COMPUTE_CAPACITY
        used, limit = int(self._used[resource]), self._bounds.limits[resource]
        return CommitOutcome(request.flow_id, CommitStatus.ABORTED, self._version, 0, cause, resource, used, limit)

    def _reserve(self, request: CommitRequest, latency_us: int, displaced: Sequence[Holding]) -> CommitOutcome:
        for resource, amount in request.entries:
            self._used[resource] += amount
        self._live[request.flow_id] = request
        heapq.heappush(self._expiries, (request.expiry_ms, request.flow_id))
        self._append(ChangeKind.COMMIT, request.flow_id, request, latency_us=latency_us)
        outcome = CommitOutcome(request.flow_id, CommitStatus.COMMITTED, self._version, latency_us, route=request.route)
        self._committed[request.flow_id] = (request, outcome)
        return replace(outcome, displaced=tuple(victim.flow_id for victim in displaced)) if displaced else outcome

    def _end(self, flow_id: str, kind: ChangeKind, *, displaced_by: str = "") -> bool:
        request = self._live.pop(flow_id, None)
        if request is None:
            return False
        for resource, amount in request.entries:
            self._used[resource] -= amount
        self._append(kind, flow_id, request, latency_us=self._committed[flow_id][1].latency_us, displaced_by=displaced_by)
        return True

    def _pressure(self) -> Pressure | None:
        if self._refusals is None:
            return None
        return congestion.pressure(self._refusals, self._now_ms, len(self._used))

    def _count(self, refusals: Sequence[Refusal]) -> None:
        if self._refusals is not None:
            period = congestion.period_of(self._now_ms)
            self._refusals.update(Tally(period, refusal.resource, refusal.service) for refusal in refusals)

    def _append(
        self, kind: ChangeKind, flow_id: str, request: CommitRequest | None, *, latency_us: int, displaced_by: str = ""
    ) -> None:
        self._changes.append(
            Change(
                version=len(self._changes),
                kind=kind,
                now_ms=self._now_ms,
                flow_id=flow_id,
                service=request.service if request else -1,
                expiry_ms=request.expiry_ms if request else 0,
                latency_us=latency_us,
                entries=request.entries if request else (),
                route=request.route if request else (),
                priority=request.priority if request else 0,
                displaced_by=displaced_by,
            )
        )


def _same_layout(ours: StoreLayout, theirs: StoreLayout) -> bool:
    return (
        ours.city_fingerprint == theirs.city_fingerprint
        and (ours.n_links, ours.n_nodes) == (theirs.n_links, theirs.n_nodes)
        and np.array_equal(ours.limits, theirs.limits)
    )
