"""Proves from the log that nothing was ever oversubscribed, lost or given back twice, or names the first record that is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ric_sim.domain.errors import AuditFailed, StoreCorrupt
from ric_sim.domain.reservation import Change, ChangeKind, CommitRequest, Snapshot
from ric_sim.store import codec
from ric_sim.store.base import ResourceStore, StoreLayout
from ric_sim.store.replay import Replay, Violation, ViolationKind

__all__ = ["AuditReport", "Violation", "ViolationKind", "audit", "audit_changes", "audit_image"]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found.

    Attributes:
        violations: the first hundred, earliest first; empty when the log proves the invariants.
        n_violations: all of them.
        records: log records replayed, of which commits, releases, expiries, preemptions (reservations displaced).
        live: reservations held after the last record.
        peak_link_ratio, peak_compute_ratio: highest used / limit of any link or host at any time.
        counters: the store's own, None when it keeps none.
    """

    violations: tuple[Violation, ...]
    n_violations: int
    records: int
    commits: int
    releases: int
    expiries: int
    preemptions: int
    live: int
    peak_link_ratio: float
    peak_compute_ratio: float
    counters: codec.Counters | None = None

    @property
    def ok(self) -> bool:
        return self.n_violations == 0

    def raise_if_failed(self) -> None:
        """Raises `AuditFailed` naming the first violation."""
        if not self.ok:
            raise AuditFailed(
                f"the log does not prove the invariants, {self.n_violations} violations; first: {self.violations[0]}"
            )

    def as_dict(self) -> dict[str, Any]:
        """For JSON output."""
        return {
            "ok": self.ok,
            "violations": [str(violation) for violation in self.violations],
            "n_violations": self.n_violations,
            "records": self.records,
            "commits": self.commits,
            "releases": self.releases,
            "expiries": self.expiries,
            **({"preemptions": self.preemptions} if self.preemptions else {}),
            "live": self.live,
            "peak_link_ratio": round(self.peak_link_ratio, 6),
            "peak_compute_ratio": round(self.peak_compute_ratio, 6),
        }


@runtime_checkable
class _HasImage(Protocol):
    def image(self) -> codec.StoreImage: ...


def audit(store: ResourceStore, layout: StoreLayout | None = None) -> AuditReport:
    """Audits a store: everything a Redis store holds, or the changes and the snapshot of any other.

    Args:
        layout: what the store should have been created for; a Redis store knows its own, others need it.
    Raises:
        AuditFailed: the store keeps no layout and none is given.
    """
    if isinstance(store, _HasImage):
        return audit_image(store.image(), layout)
    if layout is None:
        raise AuditFailed("this store does not keep its layout: give the one it was created with")
    return audit_changes(store.changes(), layout, store.snapshot())


def audit_changes(changes: Iterable[Change], layout: StoreLayout, snapshot: Snapshot | None = None) -> AuditReport:
    """Audits a log in its public form; with a `snapshot` also that the used amounts are what the log implies.

    Public records carry no latency budget and no hash, so latencies and the chain are not proven here.
    """
    replay = Replay(layout.n_links, layout.limits.tolist())
    for change in changes:
        replay.apply(change)
    replay.finish()
    if snapshot is not None:
        if snapshot.version != replay.version:
            replay.report(ViolationKind.HEAD, snapshot.version, "", f"the log ends with version {replay.version}")
        _check_used(replay, snapshot.used)
    return _report(replay)


def audit_image(image: codec.StoreImage, layout: StoreLayout | None = None) -> AuditReport:
    """Audits everything a namespace of a Redis store holds, to the byte.

    Args:
        layout: what the namespace should have been created for, for example of the city at hand.
    """
    limits = codec.decode_amounts(image.limits)
    n_links = len(limits) - image.n_nodes
    replay = Replay(n_links, limits.tolist())
    expected: dict[bytes, bytes] = {}
    _check_layout(replay, image, layout)
    _replay_records(replay, image, expected)
    header = _check_state(replay, image)
    _check_live(replay, image.live)
    _check_commits(replay, expected, image.commits)
    if header is not None:
        _check_counters(replay, header.counters)
    return _report(replay, header.counters if header else None)


def _replay_records(replay: Replay, image: codec.StoreImage, expected: dict[bytes, bytes]) -> None:
    """Replays all records; fills `expected` with what the commits hash must hold."""
    previous = b""
    for record_id, (body, chain) in zip(image.record_ids, image.records, strict=True):
        try:
            change, request = _decode(body)
        except StoreCorrupt as why:
            replay.report(ViolationKind.UNREADABLE, replay.version + 1, "", str(why))
            previous = chain
            continue
        if hashlib.sha1(previous + body, usedforsecurity=False).hexdigest().encode() != chain:
            replay.report(ViolationKind.CHAIN, change.version, change.flow_id, "the hash does not follow from the record before")
        if record_id != b"%d-0" % (change.version + 1):
            replay.report(ViolationKind.VERSION, change.version, change.flow_id, f"stands at log id {record_id.decode()}")
        previous = chain
        replay.apply(change, request)
        if change.kind == ChangeKind.COMMIT:
            committed = codec.COMMITTED_HEADER.pack(change.version, change.latency_us)
            expected[change.flow_id.encode()] = committed + body[codec.RECORD_HEADER.size :]
    replay.finish()


def _decode(body: bytes) -> tuple[Change, CommitRequest | None]:
    change = codec.decode_change(body)
    is_commit = change.kind == ChangeKind.COMMIT
    return change, codec.decode_request(body[codec.RECORD_HEADER.size :]) if is_commit else None


def _check_layout(replay: Replay, image: codec.StoreImage, layout: StoreLayout | None) -> None:
    n_links = len(image.limits) // 4 - image.n_nodes
    digest = hashlib.sha1(image.limits, usedforsecurity=False).hexdigest()
    stored = codec.CREATE_BODY.pack(n_links, image.n_nodes, image.city_fingerprint.encode(), digest.encode())
    first = image.records[0].body[codec.RECORD_HEADER.size :] if image.records else b""
    if first != stored:
        replay.report(ViolationKind.LAYOUT, 0, "", "limits, sizes or city are not those of the CREATE record")
    if layout is None:
        return
    if layout.city_fingerprint != image.city_fingerprint:
        detail = f"the store holds city {image.city_fingerprint[:12]}, expected {layout.city_fingerprint[:12]}"
        replay.report(ViolationKind.LAYOUT, 0, "", detail)
    elif (layout.n_links, layout.n_nodes) != (n_links, image.n_nodes) or codec.encode_amounts(layout.limits) != image.limits:
        replay.report(ViolationKind.LAYOUT, 0, "", "the limits are not those of the expected layout")


def _check_state(replay: Replay, image: codec.StoreImage) -> codec.StateHeader | None:
    try:
        header = codec.decode_state_header(image.state)
    except StoreCorrupt as why:
        replay.report(ViolationKind.UNREADABLE, -1, "", str(why))
        return None
    if header.version != replay.version:
        replay.report(ViolationKind.HEAD, replay.version, "", f"the log ends here, the state is at version {header.version}")
    elif not image.records or header.chain.encode() != image.records[-1].chain:
        replay.report(ViolationKind.HEAD, replay.version, "", "the state's hash is not that of the last record")
    if header.now_ms < replay.now_ms:
        replay.report(
            ViolationKind.CLOCK, replay.version, "", f"the state is at {header.now_ms} ms, the log at {replay.now_ms} ms"
        )
    _check_used(replay, codec.decode_amounts(image.state, codec.STATE_HEADER.size))
    return header


def _check_used(replay: Replay, used: codec.UsedAmounts) -> None:
    if len(used) != len(replay.used):
        replay.report(ViolationKind.USED, replay.version, "", f"{len(used)} amounts for {len(replay.used)} resources")
        return
    for resource in np.flatnonzero(used.astype(np.int64) != np.array(replay.used, dtype=np.int64)).tolist():
        detail = f"resource {resource} is used {used[resource]}, the live reservations sum to {replay.used[resource]}"
        replay.report(ViolationKind.USED, replay.version, "", detail)


def _check_live(replay: Replay, live: dict[bytes, float]) -> None:
    expected = {flow_id.encode(): float(commit.expiry_ms) for flow_id, commit in replay.live.items()}
    for flow_id in sorted(live.keys() | expected.keys()):
        if live.get(flow_id) != expected.get(flow_id):
            detail = f"reserved until {live.get(flow_id)} ms, the log says {expected.get(flow_id)} (None: not reserved)"
            replay.report(ViolationKind.RESERVATION, _version_of(replay, flow_id), flow_id.decode("ascii", "replace"), detail)


def _check_commits(replay: Replay, expected: dict[bytes, bytes], commits: dict[bytes, bytes]) -> None:
    for flow_id in sorted(commits.keys() | expected.keys()):
        if commits.get(flow_id) != expected.get(flow_id):
            detail = "its remembered outcome is not that of the log"
            replay.report(ViolationKind.COMMITS, _version_of(replay, flow_id), flow_id.decode("ascii", "replace"), detail)


def _version_of(replay: Replay, flow_id: bytes) -> int:
    commit = replay.live.get(flow_id.decode("ascii", "replace"))
    return commit.version if commit else -1


def _check_counters(replay: Replay, counters: codec.Counters) -> None:
    counted = (counters.committed, counters.released, counters.expired)
    logged = tuple(replay.counts[kind] for kind in (ChangeKind.COMMIT, ChangeKind.RELEASE, ChangeKind.EXPIRE))
    if counted != logged:
        detail = f"committed, released, expired count {counted}, the log has {logged}"
        replay.report(ViolationKind.COUNTERS, replay.version, "", detail)


def _report(replay: Replay, counters: codec.Counters | None = None) -> AuditReport:
    return AuditReport(
        violations=tuple(sorted(replay.violations, key=lambda violation: (violation.version < 0, violation.version))),
        n_violations=replay.n_violations,
        records=sum(replay.counts.values()),
        commits=replay.counts[ChangeKind.COMMIT],
        releases=replay.counts[ChangeKind.RELEASE],
        expiries=replay.counts[ChangeKind.EXPIRE],
        preemptions=replay.counts[ChangeKind.PREEMPT],
        live=len(replay.live),
        peak_link_ratio=replay.peak_link_ratio,
        peak_compute_ratio=replay.peak_compute_ratio,
        counters=counters,
    )
