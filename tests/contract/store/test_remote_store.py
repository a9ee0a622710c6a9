"""What only stores on a server promise: attaching, counters, following the log, and typed errors of the wire."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from dataclasses import replace

import pytest
import redis

from ric_sim.domain.errors import (
    InvalidInput,
    LogTrimmed,
    NotFound,
    OutOfRange,
    OversizeMessage,
    StoreCorrupt,
    StoreUnreachable,
    UnsupportedVersion,
)
from ric_sim.domain.reservation import CommitStatus
from ric_sim.store.audit import audit
from ric_sim.store.codec import Counters
from ric_sim.store.keys import StoreKeys
from ric_sim.store.redis_store import RedisStore
from tests.contract.store.stores import CU, DU, LAYOUT, BlockingAsyncStore, new_namespace, request


@pytest.fixture
def raw(server):
    with redis.Redis.from_url(server.url) as client:
        yield client


def test_a_second_client_attaches_without_the_layout(server, redis_store):
    with RedisStore(server.url, redis_store.namespace) as other:
        (outcome,) = other.commit([request()], now_ms=0)
        assert outcome.status == CommitStatus.COMMITTED
        assert other.layout().city_fingerprint == LAYOUT.city_fingerprint
        assert other.layout().limits.tolist() == LAYOUT.limits.tolist()
        with pytest.raises(OutOfRange):
            other.commit([request("b", entries=((7, 1),))], now_ms=0)
    assert redis_store.snapshot().version == 1


def test_namespaces_know_nothing_of_each_other(server, redis_store):
    with RedisStore(server.url, new_namespace()) as other:
        other.create(LAYOUT)
        other.commit([request()], now_ms=7)
        assert redis_store.snapshot().version == 0
        other.drop()
        with pytest.raises(NotFound):
            other.snapshot()
    assert redis_store.snapshot().used.tolist() == [0] * 7


def test_a_namespace_is_all_in_its_keys_and_one_hash_slot(redis_store, raw):
    redis_store.commit([request(), request("late", service=1, entries=((0, 80),))], now_ms=0, planned=[0, 0])
    keys = StoreKeys.of(redis_store.namespace).all
    tag = f"{{{redis_store.namespace}}}"
    assert set(raw.keys(f"*{tag}*")) == {key.encode() for key in keys}
    assert all(tag in key for key in keys)


def test_a_snapshot_at_a_time_counts_nothing_that_is_due(remote_store):
    remote_store.commit([request("a", expiry_ms=10), request("b", expiry_ms=11)], now_ms=0)
    snapshot = remote_store.snapshot_at(10)
    assert (snapshot.version, snapshot.now_ms, snapshot.used.tolist()) == (3, 10, [30, 30, 0, 0, 100, 100, 0])
    assert remote_store.snapshot_at(0).now_ms == 10
    with pytest.raises(OutOfRange):
        remote_store.snapshot_at(-1)


def test_counters_agree_with_what_happened(remote_store):
    remote_store.commit([request("a"), request("b", expiry_ms=5), request("a"), request("a", service=1)], now_ms=0)
    bad = [request("x", entries=((3, 11),)), request("y", entries=((DU, 1001),)), request("z", budget_us=0)]
    remote_store.commit(bad, now_ms=0)
    remote_store.release(["a", "a"], now_ms=1)
    remote_store.advance(5)
    assert remote_store.counters() == Counters(2, 1, 1, 1, 1, 1, 1, 1)


def test_a_batch_larger_than_one_call_is_decided_as_one(remote_store):
    flows = [request(f"flow-{i}", entries=((0, 1),), hosts=()) for i in range(150)]
    outcomes = remote_store.commit([*flows, flows[0]], now_ms=0)
    assert [outcome.status for outcome in outcomes[:100]] == [CommitStatus.COMMITTED] * 100
    assert [outcome.status for outcome in outcomes[100:150]] == [CommitStatus.ABORTED] * 50
    assert outcomes[150].status == CommitStatus.DUPLICATE
    assert remote_store.release([flow.flow_id for flow in flows] * 3, now_ms=0).count(True) == 100


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"entries": tuple((i % 7, 1) for i in range(129))}, OversizeMessage),
        ({"hosts": ((CU, 1, 1),) * 17}, OversizeMessage),
        ({"service": 2**16}, OutOfRange),
        ({"budget_us": 2**32}, OutOfRange),
        ({"propagation_us": 2**32}, OutOfRange),
        ({"hosts": ((DU, 2**53 // 1000 + 1, 1000),)}, OutOfRange),
        ({"hosts": ((DU, 1, 2**32),)}, OutOfRange),
        ({"entries": ((0, 1.5),)}, OutOfRange),
        ({"expiry_ms": 10.25}, OutOfRange),
        ({"route": (1.0,)}, OutOfRange),
    ],
)
def test_what_does_not_fit_the_wire_is_refused(remote_store, changes, error):
    with pytest.raises(error):
        remote_store.commit([replace(request(), **changes)], now_ms=0)
    assert remote_store.snapshot().version == 0


def test_following_the_log_ends_after_the_wait_and_goes_on_with_news(server, remote_store):
    remote_store.commit([request("a")], now_ms=0)
    assert [change.version for change in remote_store.changes(block_ms=1)] == [0, 1]
    with RedisStore(server.url, remote_store.namespace) as other:
        writer = threading.Timer(0.05, lambda: other.commit([request("b")], now_ms=1))
        writer.start()
        assert [change.flow_id for change in remote_store.changes(after_version=1, block_ms=3000)] == ["b"]
        writer.join()


def test_a_trimmed_log_is_an_error_that_says_what_to_do(remote_store, raw):
    remote_store.commit([request("a"), request("b"), request("c")], now_ms=0)
    log = StoreKeys.of(remote_store.namespace).log
    raw.xtrim(log, minid="3-0", approximate=False)
    with pytest.raises(LogTrimmed, match=r"version 2, not 0.*snapshot"):
        list(remote_store.changes())
    assert [change.version for change in remote_store.changes(after_version=1)] == [2, 3]
    raw.xdel(log, "3-0")
    with pytest.raises(LogTrimmed, match="version 3, not 2"):
        list(remote_store.changes(after_version=1))
    raw.xtrim(log, maxlen=0, approximate=False)
    with pytest.raises(LogTrimmed):
        list(remote_store.changes(after_version=1))
    assert list(remote_store.changes(after_version=3)) == []


def test_a_server_that_forgot_the_scripts_is_taught_again(remote_store, raw):
    remote_store.commit([request("a")], now_ms=0)
    raw.script_flush()
    assert remote_store.commit([request("b")], now_ms=0)[0].status == CommitStatus.COMMITTED
    raw.script_flush()
    assert remote_store.advance(5) == 0


@pytest.mark.parametrize("kind", [RedisStore, BlockingAsyncStore])
@pytest.mark.parametrize("address", ["unix:///nowhere/store.sock", "redis://127.0.0.1:{port}/0"])
def test_a_server_that_is_not_there_is_unreachable(kind, address):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = address.format(port=unused.getsockname()[1])
        with closing(kind(url, "x", patience_s=0.05)) as store, pytest.raises(StoreUnreachable, match="repeat the call"):
            store.snapshot()


@pytest.mark.parametrize("url", ["", "embedded", "http://host", "redis://", "unix://", "redis://host:notaport", "redis://host:0"])
def test_a_url_that_names_no_store_is_refused(url):
    for kind in (RedisStore, BlockingAsyncStore):
        with pytest.raises(InvalidInput, match="expected redis://"):
            kind(url, "x")


def test_the_password_stays_out_of_messages(server):
    with (
        closing(RedisStore("redis://user:hush@127.0.0.1:1/0", "x", patience_s=0)) as store,
        pytest.raises(StoreUnreachable) as caught,
    ):
        store.snapshot()
    assert "hush" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


FOREIGN_VALUES = {
    "state": lambda raw, keys: raw.delete(keys.state) and raw.hset(keys.state, "a", "b"),
    "short state": lambda raw, keys: raw.set(keys.state, b"\0" * 20),
    "state of another format": lambda raw, keys: raw.setrange(keys.state, 0, b"\0\0\0\x09"),
    "limits": lambda raw, keys: raw.set(keys.limits, b"\0" * 12),
    "expiry": lambda raw, keys: raw.set(keys.expiry, "a"),
    "commits": lambda raw, keys: raw.set(keys.commits, "a"),
    "log": lambda raw, keys: raw.set(keys.log, "a"),
    "log ahead of the state": lambda raw, keys: raw.xadd(keys.log, {"r": "a"}, id="99-0"),
}


@pytest.mark.parametrize("spoil", FOREIGN_VALUES.values(), ids=FOREIGN_VALUES.keys())
def test_a_spoilt_namespace_refuses_a_commit_and_is_left_as_it_is(remote_store, raw, spoil):
    keys = StoreKeys.of(remote_store.namespace)
    remote_store.commit([request("a", expiry_ms=5)], now_ms=0)
    spoil(raw, keys)
    before = {key: raw.dump(key) for key in keys.all}
    with pytest.raises(StoreCorrupt):
        remote_store.commit([request("b")], now_ms=10)
    assert {key: raw.dump(key) for key in keys.all} == before


def test_a_reservation_that_cannot_be_given_back_stops_the_store(remote_store, raw):
    keys = StoreKeys.of(remote_store.namespace)
    remote_store.commit([request("a", expiry_ms=5)], now_ms=0)
    raw.setrange(keys.state, 128, b"\0\0\0\x1d")  # 29 kbps of link 0; the reservation holds 30
    with pytest.raises(StoreCorrupt, match="a holds more of resource 0"):
        remote_store.advance(5)
    assert remote_store.snapshot().version == 1
    raw.hdel(keys.commits, "a")
    for verb in (remote_store.advance, remote_store.snapshot_at, lambda now_ms: remote_store.release(["a"], now_ms=now_ms)):
        with pytest.raises(StoreCorrupt, match="a has no commit"):
            verb(5)


def test_half_a_namespace_is_not_opened(empty_remote_store, raw):
    raw.hset(StoreKeys.of(empty_remote_store.namespace).commits, "a", "b")
    with pytest.raises(StoreCorrupt, match="state is missing"):
        empty_remote_store.create(LAYOUT)


def test_a_namespace_of_another_release_is_not_attached_to(server, redis_store, raw):
    raw.hset(StoreKeys.of(redis_store.namespace).meta, "format", 9)
    with RedisStore(server.url, redis_store.namespace) as other, pytest.raises(UnsupportedVersion):
        other.commit([request()], now_ms=0)


def test_a_server_that_refuses_writes_is_unreachable_and_keeps_its_state(redis_store, raw):
    redis_store.commit([request("a")], now_ms=0)
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnreachable):
            redis_store.commit([request("b")], now_ms=0)
    finally:
        raw.config_set("maxmemory", 0)
    assert redis_store.lookup("b") is None
    assert audit(redis_store, LAYOUT).ok
