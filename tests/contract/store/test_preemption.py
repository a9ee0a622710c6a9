"""Displacing and congestion signals: every store does it alike, in one step, and the audit proves it."""

from __future__ import annotations

import hashlib
from contextlib import closing

import numpy as np
import pytest
import redis

from ric_sim.domain.errors import Conflict, OutOfRange
from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import ChangeKind, CommitStatus
from ric_sim.store import codec
from ric_sim.store.audit import ViolationKind, audit
from ric_sim.store.congestion import PERIOD_MS, WINDOW_PERIODS, Refusal
from ric_sim.store.keys import StoreKeys, refusals_key
from ric_sim.store.memory_store import MemoryStore
from ric_sim.store.redis_store import RedisStore
from tests.contract.store.stores import CU, DU, LAYOUT, UPF, BlockingAsyncStore, new_namespace, request


def holder(flow_id, amount, *, priority=0, resource=0, **changes):
    """A reservation of one resource only."""
    return request(flow_id, entries=((resource, amount),), hosts=(), priority=priority, **changes)


def ends(store):
    return [(c.kind, c.flow_id, c.displaced_by) for c in store.changes() if c.kind != ChangeKind.CREATE]


def test_a_higher_priority_displaces_just_enough_in_one_step(store):
    store.commit([holder("old", 40), holder("new", 40)], now_ms=5)
    (outcome,) = store.commit([holder("urgent", 50, priority=2)], now_ms=7)
    assert (outcome.status, outcome.displaced, outcome.version) == (CommitStatus.COMMITTED, ("new",), 4)
    assert store.snapshot().used[0] == 90
    change = list(store.changes())[3]
    assert (change.kind, change.flow_id, change.displaced_by, change.now_ms) == (ChangeKind.PREEMPT, "new", "urgent", 7)
    assert list(store.changes())[4].priority == 2
    report = audit(store, LAYOUT)
    assert report.ok, report.violations
    assert (report.preemptions, report.live) == (1, 2)
    assert report.as_dict()["preemptions"] == 1


@pytest.mark.parametrize(
    ("held", "asked", "displaced"),
    [
        ([("a", 50, 1), ("b", 50, 0)], 50, ("b",)),  # the lowest priority, though newer and older ones would do
        ([("a", 30, 0), ("b", 30, 0), ("c", 30, 0)], 40, ("c",)),  # the newest among equals
        ([("a", 60, 0), ("b", 20, 0), ("c", 20, 0)], 40, ("a",)),  # one instead of two
        ([("a", 45, 0), ("b", 25, 0), ("c", 25, 0)], 60, ("a", "c")),  # the largest first where none suffices alone
        ([("a", 60, 1), ("b", 30, 0)], 60, ("a",)),  # the lowest is spared when a higher one is needed and enough by itself
    ],
)
def test_who_is_displaced(store, held, asked, displaced):
    store.commit([holder(name, amount, priority=priority) for name, amount, priority in held], now_ms=0)
    (outcome,) = store.commit([holder("urgent", asked, priority=2)], now_ms=0)
    assert outcome.displaced == displaced
    assert audit(store, LAYOUT).ok


def test_one_victim_that_helps_on_two_resources_is_preferred_to_two(store):
    both = request("both", entries=((0, 50), (1, 50)), hosts=())
    store.commit([both, holder("first", 50), holder("second", 50, resource=1)], now_ms=0)
    (outcome,) = store.commit([request("urgent", entries=((0, 50), (1, 50)), hosts=(), priority=1)], now_ms=0)
    assert outcome.displaced == ("both",)


def test_equals_are_never_displaced_and_nobody_is_if_it_would_not_suffice(store):
    store.commit([holder("equal", 60, priority=1), holder("low", 30)], now_ms=0)
    before = store.snapshot()
    (outcome,) = store.commit([holder("urgent", 50, priority=1)], now_ms=0)
    assert (outcome.status, outcome.cause, outcome.resource, outcome.used) == (CommitStatus.ABORTED, Cause.LINK_CAPACITY, 0, 90)
    assert (outcome.limit, outcome.displaced, store.snapshot().version) == (100, (), before.version)
    (impossible,) = store.commit([holder("vast", 101, priority=7)], now_ms=0)
    assert (impossible.status, store.snapshot().version) == (CommitStatus.ABORTED, before.version)


def test_nobody_is_displaced_for_a_flow_that_would_be_too_slow_all_the_same(store):
    load = request("load", entries=((0, 100), (DU, 400)), hosts=())
    stays = request("stays", entries=((1, 1), (DU, 500)), hosts=(), priority=2)
    store.commit([load, stays], now_ms=0)
    slow = request("slow", entries=((0, 10),), hosts=((DU, 4000, 2),), propagation_us=100, budget_us=1099, priority=1)
    (outcome,) = store.commit([slow], now_ms=0)  # 100 us + 500 of the 900 that remain used x 4000 ns / 2 ucores
    assert (outcome.status, outcome.cause, outcome.latency_us) == (CommitStatus.ABORTED, Cause.LATENCY_BUDGET, 1100)
    assert store.snapshot().used[0] == 100
    (outcome,) = store.commit([request("slow", **{**_fields(slow), "budget_us": 1100})], now_ms=0)
    assert (outcome.status, outcome.latency_us, outcome.displaced) == (CommitStatus.COMMITTED, 1100, ("load",))
    assert audit(store, LAYOUT).ok


def _fields(commit):
    return {name: getattr(commit, name) for name in commit.__slots__ if name != "flow_id"}


def test_a_flow_of_the_same_batch_may_be_displaced_and_its_id_is_spent(store):
    outcomes = store.commit([holder("low", 80), holder("urgent", 80, priority=3), holder("low", 80)], now_ms=0)
    assert [o.status for o in outcomes] == [CommitStatus.COMMITTED, CommitStatus.COMMITTED, CommitStatus.DUPLICATE]
    assert [o.displaced for o in outcomes] == [(), ("low",), ()]
    assert store.release(["low", "urgent"], now_ms=0) == [False, True]
    assert store.snapshot().used[0] == 0
    assert store.advance(5000) == 0
    assert audit(store, LAYOUT).ok


def test_a_duplicate_displaces_nobody_again(store):
    urgent = holder("urgent", 80, priority=1)
    store.commit([holder("low", 80)], now_ms=0)
    assert store.commit([urgent], now_ms=0)[0].displaced == ("low",)
    (again,) = store.commit([urgent], now_ms=0)
    assert (again.status, again.displaced) == (CommitStatus.DUPLICATE, ())
    assert store.lookup("urgent").displaced == ()
    (other,) = store.commit([holder("urgent", 80, priority=2)], now_ms=0)
    assert other.status == CommitStatus.CONFLICT


def test_without_a_priority_nobody_is_displaced(store):
    store.commit([holder("first", 80)], now_ms=0)
    assert store.commit([holder("second", 80)], now_ms=0)[0].status == CommitStatus.ABORTED


def test_who_spares_others_holds_its_priority_all_the_same(store):
    store.commit([holder("low", 80)], now_ms=0)
    spared = holder("spares", 80, priority=2, displaces=False)
    assert store.commit([spared, holder("x", 1, resource=1, priority=3)], now_ms=0)[0].status == CommitStatus.ABORTED
    store.release(["low"], now_ms=0)
    (outcome, weaker) = store.commit([spared, holder("weaker", 80, priority=1)], now_ms=0)
    assert (outcome.status, weaker.status) == (CommitStatus.COMMITTED, CommitStatus.ABORTED)
    assert store.commit([spared], now_ms=0)[0].status == CommitStatus.DUPLICATE
    assert store.commit([holder("higher", 80, priority=3)], now_ms=0)[0].displaced == ("spares",)
    assert audit(store, LAYOUT).ok


def test_many_batches_and_more_live_reservations_than_one_read(store):
    low = [holder(f"low-{i}", 1, resource=CU) for i in range(1000)]
    store.commit(low, now_ms=0)
    store.commit([holder(f"more-{i}", 1, resource=DU) for i in range(50)], now_ms=0)
    (outcome,) = store.commit([holder("urgent", 3, resource=CU, priority=1)], now_ms=0)
    assert outcome.displaced == ("low-999", "low-998", "low-997")
    assert audit(store, LAYOUT).ok


def test_what_could_be_displaced_is_what_lower_ones_hold(store):
    store.commit([holder("a", 10), holder("b", 20, priority=1), holder("c", 30, priority=2)], now_ms=0)
    assert [int(store.displaceable(p)[0]) for p in range(4)] == [0, 10, 30, 60]
    store.release(["b"], now_ms=0)
    assert [int(store.displaceable(p)[0]) for p in range(4)] == [0, 10, 10, 40]
    assert store.displaceable(3).dtype == np.uint32


@pytest.mark.parametrize("priority", [-1, 8, 1.5])
def test_a_priority_that_cannot_be_is_refused(store, priority):
    with pytest.raises(OutOfRange, match="priority"):
        store.commit([holder("flow", 1, priority=priority)], now_ms=0)


def test_flows_without_a_priority_are_stored_to_the_byte_as_ever(redis_store):
    redis_store.commit([request("plain")], now_ms=0)
    packed = redis_store.image().commits[b"plain"][codec.COMMITTED_HEADER.size :]
    hosts_byte = codec.REQUEST_HEADER.size - 2
    assert packed[hosts_byte] == 2
    assert packed == codec.encode_request(request("plain"))


def _tampered(server, store, change):
    """The report on the log with record bodies changed and chained anew."""
    with redis.Redis.from_url(server.url) as raw:
        log = StoreKeys.of(store.namespace).log
        bodies = change([fields[b"r"] for _, fields in raw.xrange(log)])
        raw.delete(log)
        previous = b""
        for index, body in enumerate(bodies):
            previous = hashlib.sha1(previous + body).hexdigest().encode()
            raw.xadd(log, {"r": body, "h": previous}, id=f"{index + 1}-0")
    return {(violation.kind, violation.version) for violation in audit(store, LAYOUT).violations}


def test_the_audit_names_a_victim_without_a_winner(server, redis_store):
    redis_store.commit([holder("low", 80), holder("urgent", 80, priority=1)], now_ms=0)
    assert audit(redis_store, LAYOUT).ok
    found = _tampered(
        server, redis_store, lambda bodies: [body.replace(b"urgent", b"nobody") for body in bodies[:3]] + bodies[3:]
    )
    assert (ViolationKind.PREEMPTION, 2) in found


def test_the_audit_names_a_log_that_ends_between_victim_and_winner(server, redis_store):
    redis_store.commit([holder("low", 80), holder("urgent", 80, priority=1)], now_ms=0)
    assert (ViolationKind.PREEMPTION, 2) in _tampered(server, redis_store, lambda bodies: bodies[:-1])


def test_the_audit_names_a_needless_victim(server, redis_store):
    redis_store.commit([holder("low", 80), holder("urgent", 80, priority=1)], now_ms=0)

    def smaller(bodies):
        packed = codec.encode_request(holder("urgent", 20, priority=1))
        return [*bodies[:3], bodies[3][: codec.RECORD_HEADER.size] + packed]

    assert (ViolationKind.PREEMPTION, 2) in _tampered(server, redis_store, smaller)


def test_the_audit_names_a_winner_of_no_higher_priority(server, redis_store):
    redis_store.commit([holder("low", 80), holder("urgent", 80, priority=1)], now_ms=0)

    def humble(bodies):
        packed = codec.encode_request(holder("urgent", 80))
        return [*bodies[:3], bodies[3][: codec.RECORD_HEADER.size] + packed]

    assert (ViolationKind.PREEMPTION, 2) in _tampered(server, redis_store, humble)


# --- congestion signals ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "redis", "async"])
def signalling_store(request, server):
    if request.param == "memory":
        store = MemoryStore(congestion_signals=True)
        store.create(LAYOUT)
        yield store
        return
    kind = RedisStore if request.param == "redis" else BlockingAsyncStore
    with closing(kind(server.url, new_namespace(), congestion_signals=True)) as store:
        store.create(LAYOUT)
        yield store


def test_a_store_keeps_no_signals_unless_asked(store):
    assert store.snapshot().pressure is None
    with pytest.raises(Conflict, match="congestion_signals"):
        store.publish_refusals([Refusal(0, 1)], now_ms=0)


def test_published_refusals_press_on_their_resource_and_fade(signalling_store):
    store = signalling_store
    assert store.snapshot().pressure.tolist() == [0.0] * 7
    store.publish_refusals([Refusal(0, UPF), Refusal(1, UPF), Refusal(1, 2)], now_ms=0)
    first = store.snapshot().pressure
    assert first.dtype == np.float32
    assert np.flatnonzero(first).tolist() == [2, UPF]
    assert first[UPF] == 2 * first[2]
    store.advance(10 * PERIOD_MS)
    later = store.snapshot().pressure
    assert later[UPF] == pytest.approx(first[UPF] / 2)
    store.advance(WINDOW_PERIODS * PERIOD_MS)
    assert store.snapshot().pressure.tolist() == [0.0] * 7


def test_a_steady_refusal_a_minute_is_a_pressure_of_one(signalling_store):
    for minute in range(WINDOW_PERIODS):
        signalling_store.publish_refusals([Refusal(0, 1)], now_ms=minute * PERIOD_MS)
    assert signalling_store.snapshot().pressure[1] == pytest.approx(1.0, abs=0.02)


def test_an_abort_publishes_itself_but_a_latency_abort_names_no_resource(signalling_store):
    store = signalling_store
    store.commit([holder("first", 100), holder("second", 1), request("slow", budget_us=0, entries=((1, 1),))], now_ms=0)
    assert np.flatnonzero(store.snapshot().pressure).tolist() == [0]


def test_what_is_forgotten_is_deleted_and_a_dropped_namespace_leaves_nothing(server):
    namespace = new_namespace()
    with (
        closing(RedisStore(server.url, namespace, congestion_signals=True)) as store,
        redis.Redis.from_url(server.url) as raw,
    ):
        store.create(LAYOUT)
        store.publish_refusals([Refusal(0, 1)], now_ms=0)
        store.publish_refusals([Refusal(3, 2)], now_ms=WINDOW_PERIODS * PERIOD_MS)
        assert raw.hgetall(refusals_key(namespace)) == {b"%d:2:3" % WINDOW_PERIODS: b"1"}
        assert store.snapshot_at(0).pressure[2] > 0
        assert audit(store, LAYOUT).ok
        store.drop()
        assert raw.exists(refusals_key(namespace)) == 0
