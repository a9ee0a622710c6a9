"""The verbs of a store on a Redis-protocol server, without I/O.

Each verb is a generator: it yields what to ask the server, is sent the reply, and returns the verb's result. The
synchronous and the asynchronous store are two drivers of these same generators.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from ric_sim.domain.errors import (
    CityMismatch,
    InvalidInput,
    LogTrimmed,
    NotFound,
    StoreCorrupt,
    StoreWentBack,
    UnsupportedVersion,
)
from ric_sim.domain.reservation import Change, CommitOutcome, CommitRequest, CommitStatus, Snapshot, UsedAmounts
from ric_sim.store import codec, congestion
from ric_sim.store.base import StoreLayout
from ric_sim.store.codec import Counters, Record, Reply, StoreImage
from ric_sim.store.congestion import Refusal
from ric_sim.store.keys import StoreKeys, parameters_key, policies_key, refusals_key, service_owners_key
from ric_sim.store.preemption import held_below
from ric_sim.store.scripts import Script, load_script
from ric_sim.store.validation import ResourceBounds, check_now, check_request

MAX_COMMITS_PER_CALL = 64
"""One call of 64 commits holds the server for about 2 ms; larger batches are sent in pieces."""

MAX_RELEASES_PER_CALL = 256
LOG_PAGE_RECORDS = 2000
MAX_BLOCK_MS = 1000
"""Longest single wait for news of the log; longer ones are repeated, so a dead connection is noticed."""


class ScriptCall(NamedTuple):
    """A script to run: by its hash, or by its source where the server does not know the hash (yet, or any more)."""

    script: Script
    keys: tuple[str, ...]
    args: tuple[Any, ...]

    @property
    def by_hash(self) -> tuple[Any, ...]:
        """The EVALSHA command."""
        return ("EVALSHA", self.script.sha1, self.script.n_keys, *self.keys, *self.args)

    @property
    def by_source(self) -> tuple[Any, ...]:
        """The EVAL command, after which the server knows the hash."""
        return ("EVAL", self.script.source, self.script.n_keys, *self.keys, *self.args)


class Command(NamedTuple):
    """One plain command."""

    parts: tuple[Any, ...]


class Transaction(NamedTuple):
    """Plain commands that see one and the same moment; the reply is the list of theirs."""

    commands: tuple[tuple[Any, ...], ...]


Step = ScriptCall | Command | Transaction
T = TypeVar("T")
Procedure = Generator[Step, Any, T]


class StoreProcedures:
    """The verbs of one namespace. Remembers the layout, which never changes once it is created."""

    def __init__(self, namespace: str, *, congestion_signals: bool = False) -> None:
        self.namespace = namespace
        self.keys = StoreKeys.of(namespace)
        self._congestion_signals = congestion_signals
        self._holdings: dict[bytes, CommitRequest] = {}
        self._bounds: ResourceBounds | None = None

    def create(self, layout: StoreLayout) -> Procedure[None]:
        bounds = ResourceBounds.of(layout)
        args = (layout.n_links, layout.n_nodes, layout.city_fingerprint, codec.encode_amounts(layout.limits))
        reply = yield self._script("create", *args)
        if reply[0] == Reply.OTHER_LAYOUT:
            held = reply[1].decode("ascii", "replace")
            raise CityMismatch(
                f"namespace {self.namespace!r} holds city {held[:12]} and this is city {layout.city_fingerprint[:12]}"
                " or one with other limits: use another namespace or drop this one"
            )
        self._accepted(reply)
        self._bounds = bounds

    def layout(self) -> Procedure[StoreLayout]:
        n_nodes, fingerprint, found_format, limits = yield Transaction(
            (
                ("HGET", self.keys.meta, "n_nodes"),
                ("HGET", self.keys.meta, "city_fingerprint"),
                ("HGET", self.keys.meta, "format"),
                ("GET", self.keys.limits),
            )
        )
        if limits is None or n_nodes is None:
            raise self._not_created()
        if found_format != b"%d" % codec.FORMAT_VERSION:
            raise UnsupportedVersion(
                f"namespace {self.namespace!r} has format {found_format!r}, expected {codec.FORMAT_VERSION}: use its release"
            )
        amounts = codec.decode_amounts(limits)
        return StoreLayout(len(amounts) - int(n_nodes), int(n_nodes), amounts, fingerprint.decode("ascii", "replace"))

    def snapshot(self) -> Procedure[Snapshot]:
        state = yield Command(("GET", self.keys.state))
        if state is None:
            raise self._not_created()
        return (yield from self._with_pressure(codec.decode_snapshot(state)))

    def snapshot_at(self, now_ms: int, at_least: int = 0) -> Procedure[Snapshot]:
        check_now(now_ms)
        reply = yield from self._until_swept(self._script("snapshot", now_ms, at_least))
        return (yield from self._with_pressure(codec.decode_snapshot(reply[1])))

    def commit(
        self, requests: Sequence[CommitRequest], now_ms: int, planned: Sequence[int] | None = None, at_least: int = 0
    ) -> Procedure[list[CommitOutcome]]:
        check_now(now_ms)
        versions = codec.encode_planned(planned, len(requests))
        bounds = self._bounds or (yield from self._attach())
        packed = []
        for request in requests:
            check_request(request, bounds)
            packed.append(codec.encode_request(request))
        verb = "preempt" if any(request.priority and request.displaces for request in requests) else "commit"
        outcomes: list[CommitOutcome] = []
        for first in range(0, max(len(packed), 1), MAX_COMMITS_PER_CALL):
            piece = slice(first, first + MAX_COMMITS_PER_CALL)
            call = self._script(verb, now_ms, b"".join(packed[piece]), b"".join(versions[piece]), at_least)
            reply = yield from self._until_swept(call)
            if verb == "commit":
                outcomes += codec.decode_outcomes(requests[piece], reply[1], reply[2:])
            else:
                decided = codec.decode_outcomes(requests[piece], reply[1], reply[3:])
                outcomes += codec.with_displaced(decided, reply[2])
        if self._congestion_signals:
            yield from self._count(congestion.refusals_of(requests, outcomes), now_ms)
        return outcomes

    def release(self, flow_ids: Sequence[str], now_ms: int, at_least: int = 0) -> Procedure[list[bool]]:
        check_now(now_ms)
        released: list[bool] = []
        for first in range(0, max(len(flow_ids), 1), MAX_RELEASES_PER_CALL):
            piece = flow_ids[first : first + MAX_RELEASES_PER_CALL]
            reply = yield from self._until_swept(self._script("release", now_ms, at_least, *map(_id_bytes, piece)))
            released += [flag == ord("1") for flag in reply[1]]
        return released

    def advance(self, now_ms: int, at_least: int = 0) -> Procedure[int]:
        check_now(now_ms)
        expired = 0
        while True:
            reply = yield self._script("advance", now_ms, at_least)
            expired += self._accepted(reply)[1]
            if reply[0] == Reply.OK:
                return expired

    def check_writable(self) -> Procedure[None]:
        # Changes nothing, as the state never expires, but a server refuses it when it would refuse any write.
        yield Command(("PERSIST", self.keys.state))

    def displaceable(self, priority: int) -> Procedure[UsedAmounts]:
        bounds = self._bounds or (yield from self._attach())
        live = yield Command(("ZRANGE", self.keys.expiry, 0, -1))
        known = self._holdings
        unknown = [flow_id for flow_id in live if flow_id not in known]
        found = (yield Command(("HMGET", self.keys.commits, *unknown))) if unknown else []
        read = {flow_id: codec.decode_committed(value)[2] for flow_id, value in zip(unknown, found, strict=True) if value}
        # A commit never changes, so what was read once need not be read again while it lives.
        self._holdings = {flow_id: held for flow_id in live if (held := known.get(flow_id) or read.get(flow_id))}
        return held_below(priority, self._holdings.values(), len(bounds.limits))

    def publish_refusals(self, refusals: Sequence[Refusal], now_ms: int, at_least: int = 0) -> Procedure[None]:
        congestion.require_signals(kept=self._congestion_signals)
        yield from self.advance(now_ms, at_least)
        yield from self._count(refusals, now_ms)

    def lookup(self, flow_id: str) -> Procedure[CommitOutcome | None]:
        created, committed = yield Transaction((("EXISTS", self.keys.state), ("HGET", self.keys.commits, _id_bytes(flow_id))))
        if not created:
            raise self._not_created()
        if committed is None:
            return None
        version, latency_us, request = codec.decode_committed(committed)
        return CommitOutcome(request.flow_id, CommitStatus.DUPLICATE, version, latency_us, route=request.route)

    def counters(self) -> Procedure[Counters]:
        state = yield Command(("GETRANGE", self.keys.state, 0, codec.STATE_HEADER.size - 1))
        if not state:
            raise self._not_created()
        return codec.decode_state_header(state).counters

    def drop(self) -> Procedure[None]:
        self._bounds = None
        beside = (key(self.namespace) for key in (service_owners_key, refusals_key, policies_key, parameters_key))
        yield Command(("DEL", *self.keys.all, *beside))

    def changes_page(self, after_version: int, block_ms: int | None) -> Procedure[list[Change]]:
        """The next records, at most `LOG_PAGE_RECORDS`; none at the log's end, after waiting `block_ms` at most for one."""
        page = yield Command(("XRANGE", self.keys.log, f"{after_version + 2}-0", "+", "COUNT", LOG_PAGE_RECORDS))
        if not page:
            page = yield from self._wait_for_news(after_version, block_ms)
        changes = [codec.decode_change(_fields(self.namespace, fields)[0]) for _, fields in page]
        for expected, change in enumerate(changes, after_version + 1):
            if change.version != expected:
                raise self._trimmed(expected - 1, change.version)
        return changes

    def image(self) -> Procedure[StoreImage]:
        keys = self.keys
        limits, state, live, commits, meta, newest = yield Transaction(
            (
                ("GET", keys.limits),
                ("GET", keys.state),
                ("ZRANGE", keys.expiry, 0, -1, "WITHSCORES"),
                ("HGETALL", keys.commits),
                ("HMGET", keys.meta, "n_nodes", "city_fingerprint"),
                ("XREVRANGE", keys.log, "+", "-", "COUNT", 1),
            )
        )
        if state is None or limits is None or None in meta:
            raise self._not_created()
        ids, records = yield from self._log_until(newest[0][0] if newest else b"0-1")
        return StoreImage(
            n_nodes=int(meta[0]),
            city_fingerprint=meta[1].decode("ascii", "replace"),
            limits=limits,
            state=state,
            live={flow_id: float(score) for flow_id, score in _pairs(live)},
            commits=dict(_pairs(commits)),
            records=records,
            record_ids=ids,
        )

    def _with_pressure(self, snapshot: Snapshot) -> Procedure[Snapshot]:
        """Adds the pressure, if kept. It is a hint: that it is read a moment later than the amounts does no harm."""
        if not self._congestion_signals:
            return snapshot
        flat = yield Command(("HGETALL", refusals_key(self.namespace)))
        counts = {congestion.parse_tally(field): int(count) for field, count in _pairs(flat)}
        return replace(snapshot, pressure=congestion.pressure(counts, snapshot.now_ms, len(snapshot.used)))

    def _count(self, refusals: Sequence[Refusal], now_ms: int) -> Procedure[None]:
        """Adds refusals to the minute of the store's clock, and drops those that weigh nothing any more."""
        if not refusals:
            return
        key = refusals_key(self.namespace)
        state, fields = yield Transaction((("GETRANGE", self.keys.state, 0, codec.STATE_HEADER.size - 1), ("HKEYS", key)))
        if not state:
            raise self._not_created()
        latest_ms = max(now_ms, codec.decode_state_header(state).now_ms)
        forgotten = [field for field in fields if congestion.is_forgotten(congestion.parse_tally(field), latest_ms)]
        period = congestion.period_of(latest_ms)
        added = [("HINCRBY", key, f"{period}:{refusal.resource}:{refusal.service}", 1) for refusal in refusals]
        yield Transaction((*added, *((("HDEL", key, *forgotten),) if forgotten else ())))

    def _log_until(self, newest: bytes) -> Procedure[tuple[list[bytes], list[Record]]]:
        ids: list[bytes] = []
        records: list[Record] = []
        start = b"-"
        while True:
            page = yield Command(("XRANGE", self.keys.log, start, newest, "COUNT", LOG_PAGE_RECORDS))
            for record_id, fields in page:
                ids.append(record_id)
                records.append(Record(*_fields(self.namespace, fields)))
            if len(page) < LOG_PAGE_RECORDS:
                return ids, records
            start = b"(" + ids[-1]

    def _wait_for_news(self, after_version: int, block_ms: int | None) -> Procedure[list[Any]]:
        state = yield Command(("GETRANGE", self.keys.state, 0, codec.STATE_HEADER.size - 1))
        if not state:
            raise self._not_created()
        version = codec.decode_state_header(state).version
        if version > after_version:
            # Either a record came between the two commands, or those after `after_version` are gone.
            page = yield Command(("XRANGE", self.keys.log, f"{after_version + 2}-0", "+", "COUNT", LOG_PAGE_RECORDS))
            if not page:
                raise self._trimmed(after_version, version + 1)
            return page
        if not block_ms:
            return []
        wait_ms = min(block_ms, MAX_BLOCK_MS)
        reply = yield Command(
            ("XREAD", "COUNT", LOG_PAGE_RECORDS, "BLOCK", wait_ms, "STREAMS", self.keys.log, f"{after_version + 1}-0")
        )
        if reply:
            return reply[0][1]
        return (yield from self._wait_for_news(after_version, block_ms - wait_ms))

    def _attach(self) -> Procedure[ResourceBounds]:
        layout = yield from self.layout()
        self._bounds = ResourceBounds.of(layout)
        return self._bounds

    def _script(self, verb: str, *args: Any) -> ScriptCall:
        script = load_script(verb)
        return ScriptCall(script, self.keys.all[: script.n_keys], args)

    def _until_swept(self, call: ScriptCall) -> Procedure[list[Any]]:
        while True:
            reply = self._accepted((yield call))
            if reply[0] == Reply.OK:
                return reply

    def _accepted(self, reply: list[Any]) -> list[Any]:
        code = reply[0]
        if code in (Reply.OK, Reply.MORE_DUE):
            return reply
        if code == Reply.NOT_CREATED:
            raise self._not_created()
        if code == Reply.WENT_BACK:
            raise StoreWentBack(f"namespace {self.namespace!r} is at version {reply[1]}, before one that was acknowledged")
        why = reply[1].decode("utf-8", "replace")
        if code == Reply.INVALID:
            raise InvalidInput(f"the store refused the call: {why}")
        raise StoreCorrupt(f"namespace {self.namespace!r}: {why}; run the audit, then start from a new namespace")

    def _not_created(self) -> NotFound:
        return NotFound(f"namespace {self.namespace!r} holds no city yet: call create() first")

    def _trimmed(self, after_version: int, oldest: int) -> LogTrimmed:
        return LogTrimmed(
            f"namespace {self.namespace!r}: the log goes on with version {oldest}, not {after_version + 1}: "
            "take a new snapshot and follow from its version"
        )


def _id_bytes(flow_id: str) -> bytes:
    """Any text as a key: ids that could never have been committed name nothing, which is no error."""
    return flow_id.encode("utf-8", "surrogatepass")


def _fields(namespace: str, fields: list[bytes]) -> tuple[bytes, bytes]:
    if len(fields) != 4 or fields[0] != b"r" or fields[2] != b"h":
        raise StoreCorrupt(f"namespace {namespace!r}: a log entry has fields {fields[::2]!r:.80}, expected r and h")
    return fields[1], fields[3]


def _pairs(flat: list[Any]) -> zip[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)
