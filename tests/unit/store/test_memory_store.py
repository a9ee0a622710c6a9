"""What the model in memory decides where the protocol leaves it open; what holds for every store is tested for all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.errors import NotFound, OutOfRange
from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import ChangeKind, CommitRequest, CommitStatus
from ric_sim.store.base import StoreLayout
from ric_sim.store.memory_store import MemoryStore

HOST = 2
"""The first compute resource: two links, two nodes."""


@pytest.fixture
def store():
    store = MemoryStore()
    store.create(StoreLayout(2, 2, np.array([100, 100, 1000, 1000], dtype=np.uint32), "ab" * 32))
    return store


def _request(flow_id, *, link=0, kbps=40, expiry_ms=1000, **changes):
    plain = CommitRequest(
        flow_id=flow_id,
        service=1,
        expiry_ms=expiry_ms,
        budget_us=900,
        propagation_us=500,
        entries=((link, kbps), (HOST, 10 * kbps)),
        hosts=((HOST, 1_000_000, 1000),),
        route=(link,),
    )
    return replace(plain, **changes)


def _log(store):
    return [(change.kind, change.flow_id, change.now_ms) for change in store.changes(after_version=0)]


def test_each_request_of_a_batch_sees_those_before_it(store):
    outcomes = store.commit([_request("a"), _request("b"), _request("c"), _request("d", link=1, kbps=1)], now_ms=0)
    assert [outcome.status.name for outcome in outcomes] == ["COMMITTED", "COMMITTED", "ABORTED", "ABORTED"]
    assert [outcome.cause for outcome in outcomes[2:]] == [Cause.LINK_CAPACITY, Cause.LATENCY_BUDGET]
    assert (outcomes[2].resource, outcomes[2].used, outcomes[2].limit) == (0, 80, 100)


def test_the_budget_is_judged_by_the_load_before_the_commit(store):
    first, at_budget = store.commit([_request("a"), _request("b")], now_ms=0)
    assert (first.latency_us, at_budget.latency_us) == (500, 900)
    assert at_budget.status == CommitStatus.COMMITTED
    (over,) = store.commit([_request("c", link=1, kbps=1)], now_ms=0)
    assert (over.status, over.cause, over.latency_us) == (CommitStatus.ABORTED, Cause.LATENCY_BUDGET, 500 + 800)


def test_what_is_due_expires_first_by_time_then_by_id(store):
    store.commit([_request("b", kbps=10), _request("c", kbps=10, expiry_ms=900), _request("a", kbps=10)], now_ms=0)
    assert store.advance(999) == 1
    (outcome,) = store.commit([_request("d", kbps=40)], now_ms=1000)
    assert outcome.status == CommitStatus.COMMITTED
    assert _log(store)[3:] == [
        (ChangeKind.EXPIRE, "c", 999),
        (ChangeKind.EXPIRE, "a", 1000),
        (ChangeKind.EXPIRE, "b", 1000),
        (ChangeKind.COMMIT, "d", 1000),
    ]


def test_time_never_runs_backwards(store):
    store.advance(2000)
    store.commit([_request("late", expiry_ms=1500)], now_ms=100)
    assert store.snapshot().now_ms == 2000
    assert store.advance(0) == 1
    assert store.snapshot().used.tolist() == [0, 0, 0, 0]


def test_a_released_flow_does_not_expire_again(store):
    store.commit([_request("a")], now_ms=0)
    assert store.release(["a", "a", "never"], now_ms=10) == [True, False, False]
    assert store.advance(5000) == 0
    assert [kind for kind, _, _ in _log(store)] == [ChangeKind.COMMIT, ChangeKind.RELEASE]


def test_a_due_flow_can_no_longer_be_released(store):
    store.commit([_request("a")], now_ms=0)
    assert store.release(["a"], now_ms=1000) == [False]
    assert [kind for kind, _, _ in _log(store)] == [ChangeKind.COMMIT, ChangeKind.EXPIRE]


def test_an_id_stays_taken_after_its_end_but_not_after_an_abort(store):
    (aborted,) = store.commit([_request("a", kbps=101)], now_ms=0)
    assert aborted.status == CommitStatus.ABORTED
    assert store.lookup("a") is None
    (first,) = store.commit([_request("a")], now_ms=0)
    store.release(["a"], now_ms=1)
    again, other = store.commit([_request("a"), _request("a", link=1)], now_ms=2)
    assert (again.status, other.status) == (CommitStatus.DUPLICATE, CommitStatus.CONFLICT)
    assert replace(again, status=first.status) == replace(other, status=first.status) == first
    assert store.snapshot().used.tolist() == [0, 0, 0, 0]


def test_a_malformed_request_stops_the_batch_before_anything_happens(store):
    store.commit([_request("a")], now_ms=0)
    with pytest.raises(OutOfRange):
        store.commit([_request("b", kbps=1), _request("c", kbps=0)], now_ms=5000)
    assert store.snapshot().now_ms == 0
    assert store.lookup("b") is None


def test_an_ended_reservation_leaves_exactly_what_was_before(store):
    rng = np.random.default_rng(1)
    for number in range(200):
        request = _request(f"flow-{number}", link=number % 2, kbps=int(rng.integers(1, 30)), expiry_ms=int(rng.integers(1, 400)))
        store.commit([request], now_ms=number)
        live = [change for change in store.changes() if change.kind == ChangeKind.COMMIT and change.expiry_ms > number]
        expected = np.zeros(4, dtype=np.int64)
        for change in live:
            for resource, amount in change.entries:
                expected[resource] += amount
        assert store.snapshot().used.tolist() == expected.tolist()
    store.advance(400)
    assert store.snapshot().used.tolist() == [0, 0, 0, 0]


def test_snapshots_are_copies(store):
    before = store.snapshot()
    store.commit([_request("a")], now_ms=0)
    assert before.used.tolist() == [0, 0, 0, 0]
    assert not before.used.flags.writeable


def test_the_log_is_read_from_any_version(store):
    store.commit([_request("a", kbps=1), _request("b", kbps=1)], now_ms=0)
    assert [change.version for change in store.changes()] == [0, 1, 2]
    assert [change.version for change in store.changes(after_version=1)] == [2]
    assert list(store.changes(after_version=2)) == []


def test_nothing_works_before_the_city_is_known():
    with pytest.raises(NotFound, match="create"):
        MemoryStore().snapshot()
