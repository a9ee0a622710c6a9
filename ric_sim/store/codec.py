"""The store's wire and storage formats: pure functions between domain types and bytes.

All integers are big-endian and unsigned unless stated. Lua reads and writes the same layouts (lua/shared/layout.lua).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from itertools import chain
from struct import Struct, error
from typing import NamedTuple

import numpy as np

from ric_sim.domain.errors import OutOfRange, StoreCorrupt
from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import Change, ChangeKind, CommitOutcome, CommitRequest, CommitStatus, Snapshot, UsedAmounts

FORMAT_VERSION = 1
"""Of everything stored; a namespace of another format is refused."""

STATE_HEADER = Struct(">IIQQ40s8Q")
"""format, number of links, version, now_ms, chain hash of the last record (hex), `Counters`."""

REQUEST_HEADER = Struct(">BHQIIBBB")
"""Bytes of the flow id, service, expiry_ms, budget_us, propagation_us, number of entries, of hosts, of links of the route.

The priority stands in the three highest bits of the number of hosts; the highest bit of the number of links is set for a
request that displaces nobody.
Then the flow id, entries (resource u32, amount u32), hosts (resource, coefficient_ns, nominal_ucores: u32), links (u32).
"""

COMMITTED_HEADER = Struct(">QI")
"""version and latency_us of a commit; then the request."""

RECORD_HEADER = Struct(">QBQI")
"""version, `ChangeKind`, now_ms, latency_us of a log record; then the request, or `CREATE_BODY` for a CREATE.

After the request of a PREEMPT comes the flow id of the one that it made room for.
"""

PRIORITY_SHIFT = 5
SPARES_SHIFT = 7
_HOSTS_MASK = 2**PRIORITY_SHIFT - 1
_LINKS_MASK = 2**SPARES_SHIFT - 1

CREATE_BODY = Struct(">II64s40s")
"""number of links, number of nodes, city fingerprint (hex), sha1 of the packed limits (hex)."""

PLANNED = Struct(">Q")
"""Version that a request was planned on."""

UNPLANNED = 2**53 - 2
"""In place of a version that is not known: no change is later, so no refusal is put down to another commit."""

OUTCOME = Struct(">BQQBiII")
"""`CommitStatus`, version, latency_us, `Cause`, resource (signed, -1 for none), used, limit."""


class Reply(IntEnum):
    """First element of every script's reply."""

    OK = 0
    MORE_DUE = 1
    NOT_CREATED = 2
    INVALID = 3
    CORRUPT = 4
    OTHER_LAYOUT = 5
    LOST = 6
    WENT_BACK = 7


class Counters(NamedTuple):
    """What the store did since it was created; kept in the state, so they agree with the log at every version."""

    committed: int
    duplicate: int
    conflict: int
    aborted_link_capacity: int
    aborted_compute_capacity: int
    aborted_latency_budget: int
    released: int
    expired: int


class StateHeader(NamedTuple):
    """The state but for the used amounts."""

    n_links: int
    version: int
    now_ms: int
    chain: str
    counters: Counters


class Record(NamedTuple):
    """One log record as stored: what was hashed, and the hash it claims."""

    body: bytes
    chain: bytes


@dataclass(frozen=True, slots=True, eq=False)
class StoreImage:
    """Everything a namespace holds, at one moment, undecoded where tampering would hide in decoding.

    Attributes:
        n_nodes, city_fingerprint: from the description.
        limits, state: the packed values.
        live: flow id -> expiry_ms.
        commits: flow id -> `COMMITTED_HEADER` and request.
        records: the log in order; its stream ids are `record_ids`.
    """

    n_nodes: int
    city_fingerprint: str
    limits: bytes
    state: bytes
    live: dict[bytes, float]
    commits: dict[bytes, bytes]
    records: list[Record]
    record_ids: list[bytes]


_STATUSES = {int(status): status for status in CommitStatus}
_CAUSES = {int(cause): cause for cause in Cause}
_KINDS = {int(kind): kind for kind in ChangeKind}


@cache
def _request_struct(id_bytes: int, n_entries: int, n_hosts: int, n_links: int) -> Struct:
    return Struct(f"{REQUEST_HEADER.format}{id_bytes}s{2 * n_entries + 3 * n_hosts + n_links}I")


def encode_planned(planned: Sequence[int] | None, n_requests: int) -> list[bytes]:
    """For each request the version it was planned on, as the commit scripts take it; empty if there is nothing to log."""
    if planned is None:
        return []
    if len(planned) != n_requests or not all(0 <= version <= UNPLANNED for version in planned):
        raise OutOfRange(f"{len(planned)} versions planned on for {n_requests} requests: expected one each, 0 to {UNPLANNED}")
    return [PLANNED.pack(version) for version in planned]


def encode_request(request: CommitRequest) -> bytes:
    """A checked request as bytes; two requests are equal if and only if their bytes are."""
    flow_id = request.flow_id.encode("ascii")
    entries, hosts, route = request.entries, request.hosts, request.route
    shape = (len(flow_id), len(entries), len(hosts), len(route))
    try:
        return _request_struct(*shape).pack(
            shape[0],
            request.service,
            request.expiry_ms,
            request.budget_us,
            request.propagation_us,
            shape[1],
            shape[2] | request.priority << PRIORITY_SHIFT,
            shape[3] | (not request.displaces) << SPARES_SHIFT,
            flow_id,
            *chain.from_iterable(entries),
            *chain.from_iterable(hosts),
            *route,
        )
    except error as why:
        raise OutOfRange(f"flow {request.flow_id}: every number of a request is an integer in its range ({why})") from None


def decode_request(packed: bytes) -> CommitRequest:
    """Inverse of `encode_request`; raises `StoreCorrupt` if `packed` is cut off or too long."""
    try:
        id_bytes, service, expiry_ms, budget_us, propagation_us, n_entries, hosts, links = REQUEST_HEADER.unpack_from(packed)
        values = _request_struct(id_bytes, n_entries, hosts & _HOSTS_MASK, links & _LINKS_MASK).unpack(packed)
        flow_id = values[8].decode("ascii")
    except (error, UnicodeDecodeError) as why:
        raise StoreCorrupt(f"a stored request does not decode ({why}): the namespace was written by something else") from None
    hosts_at = 9 + 2 * n_entries
    route_at = hosts_at + 3 * (hosts & _HOSTS_MASK)
    return CommitRequest(
        flow_id=flow_id,
        service=service,
        expiry_ms=expiry_ms,
        budget_us=budget_us,
        propagation_us=propagation_us,
        entries=tuple(zip(values[9:hosts_at:2], values[10:hosts_at:2], strict=True)),
        hosts=tuple(
            zip(
                values[hosts_at:route_at:3], values[hosts_at + 1 : route_at : 3], values[hosts_at + 2 : route_at : 3], strict=True
            )
        ),
        route=values[route_at:],
        priority=hosts >> PRIORITY_SHIFT,
        displaces=not links >> SPARES_SHIFT,
    )


def decode_outcomes(requests: Sequence[CommitRequest], packed: bytes, holders: Iterable[bytes]) -> list[CommitOutcome]:
    """Outcomes of a batch.

    Args:
        packed: one `OUTCOME` per request.
        holders: for each CONFLICT in order, the stored request that holds the flow id.
    """
    holders = iter(holders)
    outcomes = []
    for request, (status, version, latency_us, cause, resource, used, limit) in zip(
        requests, OUTCOME.iter_unpack(packed), strict=True
    ):
        route = request.route
        if status == CommitStatus.ABORTED:
            route = ()
        elif status == CommitStatus.CONFLICT:
            route = decode_request(next(holders)).route
        outcomes.append(
            CommitOutcome(request.flow_id, _STATUSES[status], version, latency_us, _CAUSES[cause], resource, used, limit, route)
        )
    return outcomes


def with_displaced(outcomes: Sequence[CommitOutcome], displaced: Sequence[bytes]) -> list[CommitOutcome]:
    """The outcomes of a batch with the flow ids that each displaced, given as one line an id."""
    return [
        replace(outcome, displaced=tuple(victims.decode("ascii").split("\n"))) if victims else outcome
        for outcome, victims in zip(outcomes, displaced, strict=True)
    ]


def decode_committed(packed: bytes) -> tuple[int, int, CommitRequest]:
    """Version, latency_us and request of a value of the commits hash."""
    version, latency_us = COMMITTED_HEADER.unpack_from(packed)
    return version, latency_us, decode_request(packed[COMMITTED_HEADER.size :])


def decode_state_header(state: bytes) -> StateHeader:
    """Raises `StoreCorrupt` when `state` is no state of this format."""
    if len(state) < STATE_HEADER.size:
        raise StoreCorrupt(f"the state has {len(state)} bytes, fewer than its header")
    found, n_links, version, now_ms, head, *counters = STATE_HEADER.unpack_from(state)
    if found != FORMAT_VERSION:
        raise StoreCorrupt(f"the state has format {found}, this release reads {FORMAT_VERSION}: use the release that wrote it")
    return StateHeader(n_links, version, now_ms, head.decode("ascii", "replace"), Counters(*counters))


def decode_amounts(packed: bytes, offset: int = 0) -> UsedAmounts:
    """Packed u32 from `offset` as a read-only array in native byte order."""
    amounts = np.frombuffer(packed, dtype=">u4", offset=offset).astype(np.uint32)
    amounts.setflags(write=False)
    return amounts


def encode_amounts(amounts: UsedAmounts) -> bytes:
    """Inverse of `decode_amounts`."""
    return amounts.astype(">u4").tobytes()


def decode_snapshot(state: bytes) -> Snapshot:
    """Used amounts and version out of the one value that holds both."""
    header = decode_state_header(state)
    return Snapshot(header.version, header.now_ms, decode_amounts(state, STATE_HEADER.size))


def decode_change(body: bytes) -> Change:
    """The public form of a log record; raises `StoreCorrupt` when it is none."""
    try:
        version, kind_code, now_ms, latency_us = RECORD_HEADER.unpack_from(body)
        kind = _KINDS[kind_code]
    except (error, KeyError):
        raise StoreCorrupt("a log record does not decode: the log was written by something else") from None
    if kind == ChangeKind.CREATE:
        return Change(version, kind, now_ms, "", -1, 0, latency_us, (), ())
    packed, winner = body[RECORD_HEADER.size :], ""
    if kind == ChangeKind.PREEMPT:
        packed, winner = _split_winner(packed)
    request = decode_request(packed)
    return Change(
        version,
        kind,
        now_ms,
        request.flow_id,
        request.service,
        request.expiry_ms,
        latency_us,
        request.entries,
        request.route,
        request.priority,
        winner,
    )


def _split_winner(packed: bytes) -> tuple[bytes, str]:
    """The request of a PREEMPT record and the flow id behind it."""
    try:
        id_bytes, _, _, _, _, n_entries, hosts, links = REQUEST_HEADER.unpack_from(packed)
        size = _request_struct(id_bytes, n_entries, hosts & _HOSTS_MASK, links & _LINKS_MASK).size
        return packed[:size], packed[size:].decode("ascii")
    except (error, UnicodeDecodeError) as why:
        raise StoreCorrupt(f"a log record does not decode ({why}): the log was written by something else") from None
