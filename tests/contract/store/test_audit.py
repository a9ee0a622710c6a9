"""An audit passes on every honest history and names the record that was tampered with."""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import redis

from ric_sim.domain.errors import AuditFailed
from ric_sim.store import codec
from ric_sim.store.audit import ViolationKind, audit, audit_changes, audit_image
from ric_sim.store.base import StoreLayout
from ric_sim.store.codec import Record
from ric_sim.store.keys import StoreKeys
from ric_sim.store.memory_store import MemoryStore
from ric_sim.store.redis_store import RedisStore
from tests.contract.store.stores import DU, LAYOUT, new_namespace, request

K = ViolationKind


@pytest.fixture
def raw(server):
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def keys(redis_store):
    return StoreKeys.of(redis_store.namespace)


@pytest.fixture
def history(redis_store):
    """Versions: 1-3 commit a, b, c; 4 release b; 5 expire a (at 20 ms); 6 commit d; c and d live."""
    redis_store.commit([request("a", expiry_ms=20), request("b"), request("c")], now_ms=5)
    redis_store.release(["b"], now_ms=7)
    redis_store.commit([request("d")], now_ms=20)
    assert audit(redis_store, LAYOUT).ok
    return redis_store


def _rewrite(raw, keys, change, *, rehash=False):
    """Replaces the log by `change(bodies)`; `rehash` chains it anew, as a tamperer who knows how would."""
    entries = raw.xrange(keys.log)
    bodies = change([fields[b"r"] for _, fields in entries])
    chains = [fields[b"h"] for _, fields in entries]
    raw.delete(keys.log)
    previous = b""
    for index, body in enumerate(bodies):
        is_new = rehash or index >= len(chains)
        previous = hashlib.sha1(previous + body).hexdigest().encode() if is_new else chains[index]
        raw.xadd(keys.log, {"r": body, "h": previous}, id=f"{index + 1}-0")


def _edited(index, edit):
    """Changes record `index` by `edit(head, request)`, both of which may come back changed."""

    def change(bodies):
        head = codec.RECORD_HEADER.unpack_from(bodies[index])
        head, body = edit(head, codec.decode_request(bodies[index][codec.RECORD_HEADER.size :]))
        return [*bodies[:index], codec.RECORD_HEADER.pack(*head) + codec.encode_request(body), *bodies[index + 1 :]]

    return change


def _amount(head, body):
    return head, replace(body, entries=((0, 29), *body.entries[1:]))


def _overflow(head, body):
    return head, replace(body, entries=((0, 101), *body.entries[1:]))


def _latency(head, body):
    return (*head[:3], head[3] - 100), body


def _budget(head, body):
    return head, replace(body, budget_us=10)


def _too_early(head, body):
    return (*head[:2], 19, head[3]), body


TAMPERED_RECORDS = {
    "an amount": (3, _amount, 3, "c", {K.CHAIN, K.COMMITS, K.USED}),
    "an amount over the limit": (2, _overflow, 2, "b", {K.CHAIN, K.CAPACITY, K.UNMATCHED_END}),
    "a latency": (3, _latency, 3, "c", {K.CHAIN, K.LATENCY}),
    "a budget": (3, _budget, 3, "c", {K.CHAIN, K.LATENCY}),
    "the entries of a release": (4, _amount, 4, "b", {K.CHAIN, K.UNMATCHED_END}),
    "the time of an expiry": (5, _too_early, 5, "a", {K.CHAIN, K.EXPIRY_TIME}),
}


@pytest.mark.parametrize("rehash", [False, True], ids=["crude", "chained anew"])
@pytest.mark.parametrize(("index", "edit", "version", "flow", "kinds"), TAMPERED_RECORDS.values(), ids=TAMPERED_RECORDS.keys())
def test_an_altered_record_is_found(history, raw, keys, index, edit, version, flow, kinds, rehash):
    _rewrite(raw, keys, _edited(index, edit), rehash=rehash)
    report = audit(history, LAYOUT)
    found = {violation.kind for violation in report.violations}
    assert not report.ok
    if rehash:  # the chain is whole again, but it no longer ends where the state says, and the contents give it away
        assert (found | {K.CHAIN}) >= kinds | {K.HEAD}
    else:
        assert found >= kinds
    named = [violation for violation in report.violations if violation.kind in kinds]
    assert (named[0].version, named[0].flow_id) == (version, flow)
    assert f"version {version}, flow {flow}" in str(named[0])


def _without(*indices):
    return lambda bodies: [body for index, body in enumerate(bodies) if index not in indices]


TAMPERED_LOGS = {
    "a record in the middle dropped": (lambda raw, keys: raw.xdel(keys.log, "4-0"), 4, {K.VERSION, K.CHAIN}),
    "a record dropped and the rest moved up": (lambda raw, keys: _rewrite(raw, keys, _without(3)), 4, {K.VERSION, K.CHAIN}),
    "the first record dropped": (lambda raw, keys: raw.xdel(keys.log, "1-0"), 0, {K.LAYOUT}),
    "the tail dropped": (lambda raw, keys: raw.xdel(keys.log, "7-0"), 5, {K.HEAD, K.USED, K.RESERVATION, K.COMMITS, K.COUNTERS}),
    "two records exchanged": (
        lambda raw, keys: _rewrite(raw, keys, lambda bodies: [*bodies[:4], bodies[5], bodies[4], *bodies[6:]]),
        4,
        {K.VERSION, K.CHAIN},
    ),
    "a record repeated": (
        lambda raw, keys: _rewrite(raw, keys, lambda bodies: [*bodies[:5], bodies[4], *bodies[5:]], rehash=True),
        4,
        {K.VERSION, K.UNMATCHED_END, K.HEAD},
    ),
    "rubbish": (lambda raw, keys: _rewrite(raw, keys, lambda bodies: [*bodies[:3], b"?", *bodies[4:]]), 3, {K.UNREADABLE}),
    "everything": (lambda raw, keys: raw.delete(keys.log), 0, {K.LAYOUT, K.HEAD, K.USED}),
}


@pytest.mark.parametrize(("tamper", "version", "kinds"), TAMPERED_LOGS.values(), ids=TAMPERED_LOGS.keys())
def test_a_log_with_other_records_is_found(history, raw, keys, tamper, version, kinds):
    tamper(raw, keys)
    report = audit(history, LAYOUT)
    assert {violation.kind for violation in report.violations} >= kinds
    assert report.violations[0].version == version


def _with_counters(raw, keys):
    header = codec.STATE_HEADER
    values = list(header.unpack(raw.getrange(keys.state, 0, header.size - 1)))
    values[5] += 1
    raw.setrange(keys.state, 0, header.pack(*values))


TAMPERED_STATES = {
    "used": (lambda raw, keys: raw.setrange(keys.state, codec.STATE_HEADER.size, b"\0\0\0\1"), K.USED, 6, "", "resource 0"),
    "version": (lambda raw, keys: raw.setrange(keys.state, 8, b"\0" * 7 + b"\x05"), K.HEAD, 6, "", "version 5"),
    "hash": (lambda raw, keys: raw.setrange(keys.state, 24, b"0" * 40), K.HEAD, 6, "", "hash"),
    "clock": (lambda raw, keys: raw.setrange(keys.state, 16, b"\0" * 8), K.CLOCK, 6, "", "0 ms"),
    "counters": (_with_counters, K.COUNTERS, 6, "", "committed"),
    "limits": (lambda raw, keys: raw.setrange(keys.limits, 0, b"\0\0\xff\xff"), K.LAYOUT, 0, "", "CREATE"),
    "an injected reservation": (
        lambda raw, keys: raw.zadd(keys.expiry, {"ghost": 5}),
        K.RESERVATION,
        -1,
        "ghost",
        "not reserved",
    ),
    "a vanished reservation": (lambda raw, keys: raw.zrem(keys.expiry, "c"), K.RESERVATION, 3, "c", "reserved until None"),
    "a prolonged reservation": (lambda raw, keys: raw.zadd(keys.expiry, {"c": 2000}), K.RESERVATION, 3, "c", "2000"),
    "an injected outcome": (lambda raw, keys: raw.hset(keys.commits, "ghost", "x"), K.COMMITS, -1, "ghost", "outcome"),
    "a vanished outcome": (lambda raw, keys: raw.hdel(keys.commits, "d"), K.COMMITS, 6, "d", "outcome"),
    "a state of another format": (lambda raw, keys: raw.setrange(keys.state, 0, b"\0\0\0\x09"), K.UNREADABLE, -1, "", "format 9"),
    "a cut state": (lambda raw, keys: raw.set(keys.state, raw.getrange(keys.state, 0, 131)), K.USED, 6, "", "1 amounts"),
}


@pytest.mark.parametrize(("tamper", "kind", "version", "flow", "words"), TAMPERED_STATES.values(), ids=TAMPERED_STATES.keys())
def test_a_state_beside_the_log_is_found(history, raw, keys, tamper, kind, version, flow, words):
    tamper(raw, keys)
    report = audit(history)
    first = report.violations[0]
    assert (first.kind, first.version, first.flow_id) == (kind, version, flow)
    assert words in first.detail
    with pytest.raises(AuditFailed, match=rf"version {version}.*{kind}"):
        report.raise_if_failed()


@pytest.mark.parametrize(
    ("other", "words"),
    [({"city_fingerprint": "d1" * 32}, "expected d1d1"), ({"limits": LAYOUT.limits + np.uint32(1)}, "expected layout")],
)
def test_a_store_of_another_city_is_found(history, other, words):
    report = audit(history, replace(LAYOUT, **other))
    assert [violation.kind for violation in report.violations] == [K.LAYOUT]
    assert words in report.violations[0].detail


def test_the_changes_of_any_store_can_be_audited():
    store = MemoryStore()
    store.create(LAYOUT)
    store.commit([request("a", expiry_ms=20), request("b")], now_ms=5)
    store.release(["b"], now_ms=7)
    changes, snapshot = list(store.changes()), store.snapshot()
    assert audit(store, LAYOUT).as_dict() == audit_changes(changes, LAYOUT, snapshot).as_dict()
    assert audit(store, LAYOUT).as_dict() == {
        "ok": True,
        "violations": [],
        "n_violations": 0,
        "records": 4,
        "commits": 2,
        "releases": 1,
        "expiries": 0,
        "live": 1,
        "peak_link_ratio": 0.6,
        "peak_compute_ratio": 0.2,
    }
    with pytest.raises(AuditFailed, match="layout"):
        audit(store)
    late = audit_changes(changes[:-1], LAYOUT, snapshot)
    assert {violation.kind for violation in late.violations} == {K.HEAD, K.USED}
    assert audit_changes([changes[0], changes[2]], LAYOUT).violations[0].kind == K.VERSION


def test_an_audit_during_commits_sees_one_moment(server, redis_store):
    """Whatever commits between the reads of an image, the image is of one version."""
    redis_store.commit([request("a", entries=((DU, 1),))], now_ms=0)
    with closing(RedisStore(server.url, redis_store.namespace)) as other:
        procedure = redis_store._procedures.image()
        step = next(procedure)
        serial = 0
        while True:
            reply = redis_store._perform(step)
            other.commit([request(f"later-{serial}", entries=((DU, 1),))], now_ms=0)
            serial += 1
            try:
                step = procedure.send(reply)
            except StopIteration as done:
                image = done.value
                break
    report = audit_image(image, LAYOUT)
    assert report.ok, report.violations
    assert serial >= 2
    assert report.records == 2


def test_a_whole_day_would_be_audited_in_seconds():
    """A quarter of a day's log, built in memory, within a quarter of 5 s; CPU time, so that neighbours do not count."""
    n_flows, n_resources = 47_061 // 4, 1269
    limits = np.full(n_resources, 2**31, dtype=np.uint32)
    layout = StoreLayout(908, 361, limits, "ab" * 32)
    builder = _LogBuilder(layout)
    rng = np.random.default_rng(1)
    links = rng.permuted(np.tile(np.arange(908), (500, 1)), axis=1)[:, :11]
    live = []
    for i in range(n_flows):
        entries = tuple((int(link), 700) for link in links[i % 500]) + tuple((908 + (i + k) % 361, 9000) for k in range(4))
        live.append(request(f"day-{i:06d}", entries=entries, hosts=(), expiry_ms=i + 400, route=()))
        if i >= 400:
            builder.append(3, i, live[i - 400])
        builder.append(1, i, live[i])
    image = builder.image(live[n_flows - 400 :])
    seconds = []
    for _ in range(3):
        started = time.process_time()
        report = audit_image(image, layout)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 5.0 / 4
    assert report.ok, report.violations[:3]
    assert (report.records, report.commits, report.live) == (2 * n_flows - 400 + 1, n_flows, 400)
    assert report.peak_link_ratio > 0


class _LogBuilder:
    """Writes the records that a store would have written."""

    def __init__(self, layout):
        self._layout = layout
        self._limits = codec.encode_amounts(layout.limits)
        digest = hashlib.sha1(self._limits).hexdigest().encode()
        create = codec.CREATE_BODY.pack(layout.n_links, layout.n_nodes, layout.city_fingerprint.encode(), digest)
        self._records, self._chain, self._commits, self._now_ms = [], "", {}, 0
        self._used = np.zeros(len(layout.limits), dtype=np.int64)
        self._add(codec.RECORD_HEADER.pack(0, 0, 0, 0) + create)

    def _add(self, body):
        self._chain = hashlib.sha1(self._chain.encode() + body).hexdigest()
        self._records.append(Record(body, self._chain.encode()))

    def append(self, kind, now_ms, flow):
        version, packed, sign = len(self._records), codec.encode_request(flow), 1 if kind == 1 else -1
        for resource, amount in flow.entries:
            self._used[resource] += sign * amount
        if kind == 1:
            self._commits[flow.flow_id.encode()] = codec.COMMITTED_HEADER.pack(version, flow.propagation_us) + packed
        self._add(codec.RECORD_HEADER.pack(version, kind, now_ms, flow.propagation_us) + packed)
        self._now_ms = now_ms

    def image(self, live):
        n = len(self._records)
        counters = (len(self._commits), 0, 0, 0, 0, 0, 0, n - 1 - len(self._commits))
        head = (codec.FORMAT_VERSION, self._layout.n_links, n - 1, self._now_ms, self._chain.encode(), *counters)
        return codec.StoreImage(
            n_nodes=self._layout.n_nodes,
            city_fingerprint=self._layout.city_fingerprint,
            limits=self._limits,
            state=codec.STATE_HEADER.pack(*head) + codec.encode_amounts(self._used),
            live={flow.flow_id.encode(): float(flow.expiry_ms) for flow in live},
            commits=self._commits,
            records=self._records,
            record_ids=[b"%d-0" % (i + 1) for i in range(n)],
        )


def test_an_image_of_a_new_namespace_is_sound(server):
    with RedisStore(server.url, new_namespace()) as store:
        store.create(LAYOUT)
        report = audit(store, LAYOUT)
        assert report.ok
        assert (report.records, report.live, report.peak_link_ratio) == (1, 0, 0.0)
