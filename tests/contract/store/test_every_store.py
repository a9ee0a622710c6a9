"""What holds for every store: the model in memory, and Redis behind both clients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.errors import CityMismatch, InvalidInput, NotFound, OutOfRange
from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import Change, ChangeKind, CommitOutcome, CommitStatus
from ric_sim.store.audit import audit
from ric_sim.store.base import StoreLayout
from tests.contract.store.stores import CU, DU, LAYOUT, UPF, request


def _commit(store, *requests, now_ms=0):
    return store.commit(requests, now_ms=now_ms)


def _used(store):
    return store.snapshot().used.tolist()


def test_a_new_store_is_empty_at_version_0(store):
    snapshot = store.snapshot()
    assert (snapshot.version, snapshot.now_ms) == (0, 0)
    assert snapshot.used.tolist() == [0] * 7
    assert snapshot.used.dtype == np.uint32
    assert not snapshot.used.flags.writeable
    assert list(store.changes()) == [Change(0, ChangeKind.CREATE, 0, "", -1, 0, 0, (), ())]


def test_creating_again_changes_nothing(store):
    _commit(store, request())
    store.create(LAYOUT)
    assert store.snapshot().version == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(LAYOUT, city_fingerprint="d1" * 32),
        replace(LAYOUT, limits=LAYOUT.limits + np.uint32(1)),
        replace(LAYOUT, n_links=3, n_nodes=4),
    ],
)
def test_a_store_belongs_to_one_city(store, other):
    with pytest.raises(CityMismatch):
        store.create(other)
    assert store.snapshot().version == 0


def test_a_layout_needs_one_limit_for_each_resource(empty_store):
    with pytest.raises(OutOfRange):
        empty_store.create(replace(LAYOUT, limits=LAYOUT.limits[:-1]))


@pytest.mark.parametrize(
    "verb",
    [
        lambda store: store.snapshot(),
        lambda store: store.commit([request()], now_ms=0),
        lambda store: store.release(["flow-1"], now_ms=0),
        lambda store: store.advance(0),
        lambda store: store.lookup("flow-1"),
        lambda store: list(store.changes()),
    ],
)
def test_a_store_without_a_city_says_so(empty_store, verb):
    with pytest.raises(NotFound, match="create"):
        verb(empty_store)


def test_a_commit_reserves_all_its_entries_and_reports_its_latency(store):
    first, second = _commit(store, request("a"), request("b"))
    assert first == CommitOutcome("a", CommitStatus.COMMITTED, 1, 300, route=(0, 1))
    # 100 micro-cores used on each host: floor(100*4000/2e6) = 0 and floor(100*3000/2e6) = 0 microseconds more
    assert second == CommitOutcome("b", CommitStatus.COMMITTED, 2, 300, route=(0, 1))
    assert _used(store) == [60, 60, 0, 0, 200, 200, 0]
    assert store.snapshot().version == 2


def test_processing_is_that_of_the_load_before_the_commit_rounded_down(store):
    hosts = ((DU, 2_999_999, 1000),)
    (before,) = _commit(store, request("a", entries=((DU, 1),), hosts=hosts))
    (after,) = _commit(store, request("b", entries=((DU, 1),), hosts=hosts))
    assert (before.latency_us, after.latency_us) == (300, 302)


@pytest.mark.parametrize(
    ("entries", "cause", "resource", "used", "limit"),
    [
        (((0, 30), (1, 71), (2, 101)), Cause.LINK_CAPACITY, 1, 30, 100),
        (((0, 70), (DU, 901), (1, 71)), Cause.COMPUTE_CAPACITY, DU, 100, 1000),
        (((2, 100), (UPF, 51)), Cause.COMPUTE_CAPACITY, UPF, 0, 50),
        (((3, 2**32 - 1),), Cause.LINK_CAPACITY, 3, 0, 10),
    ],
)
def test_the_first_entry_that_does_not_fit_aborts_and_is_named(store, entries, cause, resource, used, limit):
    _commit(store, request("a"))
    before = store.snapshot()
    (outcome,) = _commit(store, request("b", entries=entries))
    assert outcome == CommitOutcome("b", CommitStatus.ABORTED, 1, 0, cause, resource, used, limit)
    assert store.snapshot().used.tolist() == before.used.tolist()
    assert len(list(store.changes())) == 2
    assert store.lookup("b") is None


def test_a_limit_may_be_used_to_the_last_unit(store):
    first, second = _commit(store, request("a", entries=((3, 10),)), request("b", entries=((3, 1),)))
    assert (first.status, second.status) == (CommitStatus.COMMITTED, CommitStatus.ABORTED)


@pytest.mark.parametrize(("budget_us", "status"), [(300, CommitStatus.COMMITTED), (299, CommitStatus.ABORTED)])
def test_the_latency_budget_is_inclusive(store, budget_us, status):
    (outcome,) = _commit(store, request(budget_us=budget_us))
    assert (outcome.status, outcome.latency_us) == (status, 300)
    if status == CommitStatus.ABORTED:
        assert outcome == CommitOutcome("flow-1", status, 0, 300, Cause.LATENCY_BUDGET)
        assert _used(store) == [0] * 7


def test_capacity_comes_before_latency(store):
    (outcome,) = _commit(store, request(entries=((0, 101),), budget_us=0))
    assert outcome.cause == Cause.LINK_CAPACITY


def test_an_aborted_flow_may_try_again_on_another_route(store):
    _commit(store, request("b", entries=((3, 11),)))
    (outcome,) = _commit(store, request("b"))
    assert outcome.status == CommitStatus.COMMITTED


def test_every_request_of_a_batch_is_decided_on_its_own_in_order(store):
    batch = [request("a", entries=((0, 60),)), request("b", entries=((0, 60),)), request("c", entries=((0, 40),))]
    outcomes = _commit(store, *batch)
    assert [outcome.status for outcome in outcomes] == [CommitStatus.COMMITTED, CommitStatus.ABORTED, CommitStatus.COMMITTED]
    assert [outcome.version for outcome in outcomes] == [1, 1, 2]
    assert outcomes[1].used == 60
    assert _used(store)[0] == 100


def test_an_empty_batch_only_moves_time(store):
    _commit(store, request(expiry_ms=10))
    assert _commit(store, now_ms=10) == []
    assert _used(store) == [0] * 7


@pytest.mark.parametrize("ended", ["live", "released", "expired", "same batch"])
def test_a_flow_id_is_committed_once_for_ever(store, ended):
    again = [request(), request(route=(1, 0)), request(expiry_ms=1001)]
    if ended == "same batch":
        outcomes = _commit(store, request(), *again)[1:]
    else:
        _commit(store, request())
        if ended == "released":
            store.release(["flow-1"], now_ms=5)
        if ended == "expired":
            store.advance(1000)
        outcomes = _commit(store, *again)
    assert [outcome.status for outcome in outcomes] == [CommitStatus.DUPLICATE, CommitStatus.CONFLICT, CommitStatus.CONFLICT]
    assert {(outcome.version, outcome.latency_us, outcome.route) for outcome in outcomes} == {(1, 300, (0, 1))}
    assert store.lookup("flow-1") == outcomes[0]
    assert _used(store)[0] == (30 if ended in ("live", "same batch") else 0)


def test_a_release_gives_back_once(store):
    _commit(store, request("a"), request("b"))
    assert store.release(["a", "a", "never"], now_ms=1) == [True, False, False]
    assert store.release(["a"], now_ms=1) == [False]
    assert _used(store) == [30, 30, 0, 0, 100, 100, 0]
    assert store.release([], now_ms=1) == []


@pytest.mark.parametrize("flow_id", ["", "x" * 500, "ü", "a\nb", "\ud800"])
def test_an_id_that_cannot_exist_holds_nothing(store, flow_id):
    assert store.release([flow_id], now_ms=0) == [False]
    assert store.lookup(flow_id) is None


def test_reservations_expire_at_their_time_earliest_first_then_by_id(store):
    _commit(store, request("b", expiry_ms=20), request("c", expiry_ms=10), request("a", expiry_ms=20))
    assert store.advance(9) == 0
    assert store.advance(20) == 3
    assert store.advance(10**9) == 0
    ends = [(change.kind, change.now_ms, change.flow_id) for change in store.changes(after_version=3)]
    assert ends == [(ChangeKind.EXPIRE, 20, flow_id) for flow_id in "cab"]
    assert _used(store) == [0] * 7


def test_a_commit_expires_first_so_a_full_link_is_free_again(store):
    _commit(store, request("a", entries=((0, 100),), expiry_ms=10))
    (outcome,) = _commit(store, request("b", entries=((0, 100),)), now_ms=10)
    assert outcome.status == CommitStatus.COMMITTED


def test_a_release_of_a_flow_that_is_due_finds_it_expired(store):
    _commit(store, request(expiry_ms=10))
    assert store.release(["flow-1"], now_ms=10) == [False]
    assert [change.kind for change in store.changes()][-1] == ChangeKind.EXPIRE


def test_time_never_runs_backwards(store):
    store.advance(50)
    _commit(store, request(expiry_ms=60), now_ms=3)
    store.release(["flow-1"], now_ms=4)
    assert [change.now_ms for change in store.changes()] == [0, 50, 50]
    assert store.snapshot().now_ms == 50


def test_more_expiries_than_one_call_takes_are_all_made_before_anything_is_decided(store):
    flows = [request(f"flow-{i:04d}", entries=((DU, 1),), hosts=(), expiry_ms=10) for i in range(700)]
    assert all(outcome.status == CommitStatus.COMMITTED for outcome in _commit(store, *flows))
    (outcome,) = _commit(store, request("last", entries=((DU, 1000),)), now_ms=10)
    assert (outcome.status, outcome.version) == (CommitStatus.COMMITTED, 1401)
    assert audit(store, LAYOUT).ok


def test_advancing_counts_every_expiry(store):
    _commit(store, *(request(f"flow-{i:04d}", entries=((DU, 1),), hosts=(), expiry_ms=10) for i in range(600)))
    assert store.advance(10) == 600
    assert store.advance(10) == 0


@pytest.mark.parametrize("n_entries", [1, 4, 5, 40])
def test_amounts_are_right_whether_little_or_much_changes(empty_store, n_entries):
    layout = StoreLayout(64, 8, np.arange(1000, 1072, dtype=np.uint32), "f0" * 32)
    empty_store.create(layout)
    entries = tuple((7 * i % 72, i + 1) for i in range(n_entries))
    for flow_id in "ab":
        assert _commit(empty_store, request(flow_id, entries=entries, hosts=()))[0].status == CommitStatus.COMMITTED
    expected = np.zeros(72, dtype=np.uint32)
    for resource, amount in entries:
        expected[resource] = 2 * amount
    assert _used(empty_store) == expected.tolist()
    assert empty_store.release(["a"], now_ms=0) == [True]
    assert _used(empty_store) == (expected // 2).tolist()
    assert audit(empty_store, layout).ok


def test_changes_tell_everything_in_order(store):
    _commit(store, request("a"), request("b", expiry_ms=20), now_ms=5)
    store.release(["a"], now_ms=7)
    store.advance(20)
    entries, route = request().entries, (0, 1)
    assert list(store.changes(after_version=0)) == [
        Change(1, ChangeKind.COMMIT, 5, "a", 2, 1000, 300, entries, route),
        Change(2, ChangeKind.COMMIT, 5, "b", 2, 20, 300, entries, route),
        Change(3, ChangeKind.RELEASE, 7, "a", 2, 1000, 300, entries, route),
        Change(4, ChangeKind.EXPIRE, 20, "b", 2, 20, 300, entries, route),
    ]
    assert [change.version for change in store.changes(after_version=2)] == [3, 4]
    assert list(store.changes(after_version=4)) == []
    assert list(store.changes(after_version=99)) == []


BAD_REQUESTS = {
    "no flow id": {"flow_id": ""},
    "long flow id": {"flow_id": "x" * 129},
    "flow id not ASCII": {"flow_id": "fl\u00f6w"},
    "flow id not printable": {"flow_id": "a\tb"},
    "no entries": {"entries": ()},
    "unknown resource": {"entries": ((7, 1),)},
    "negative resource": {"entries": ((-1, 1),)},
    "zero amount": {"entries": ((0, 0),)},
    "negative amount": {"entries": ((0, -5),)},
    "overflowing amount": {"entries": ((0, 2**32),)},
    "amount not a number": {"entries": ((0, float("nan")),)},
    "infinite amount": {"entries": ((0, float("inf")),)},
    "resource twice": {"entries": ((0, 1), (1, 1), (0, 1))},
    "host that is a link": {"hosts": ((0, 1, 1),)},
    "unknown host": {"hosts": ((7, 1, 1),)},
    "host without compute": {"hosts": ((DU, 1, 0),)},
    "negative coefficient": {"hosts": ((CU, -1, 1),)},
    "unknown link in the route": {"route": (0, 4)},
    "negative link in the route": {"route": (-1,)},
    "long route": {"route": (0,) * 65},
    "negative expiry": {"expiry_ms": -1},
    "expiry beyond 2^53": {"expiry_ms": 2**53},
    "negative budget": {"budget_us": -1},
    "negative propagation": {"propagation_us": -1},
    "negative service": {"service": -1},
}


@pytest.mark.parametrize("changes", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_a_request_that_cannot_be_meant_refuses_the_batch_before_anything_happens(store, changes):
    _commit(store, request("old", expiry_ms=10))
    bad = replace(request("bad"), **changes)
    with pytest.raises(InvalidInput):
        _commit(store, request("good"), bad, now_ms=10)
    assert (store.snapshot().version, store.snapshot().now_ms) == (1, 0)
    assert store.lookup("good") is None


@pytest.mark.parametrize("now_ms", [-1, 2**53, float("nan"), 2**64])
def test_a_time_that_cannot_be_is_refused(store, now_ms):
    for verb in (store.advance, lambda now_ms: _commit(store, now_ms=now_ms), lambda now_ms: store.release([], now_ms=now_ms)):
        with pytest.raises(OutOfRange):
            verb(now_ms)
    assert store.snapshot().now_ms == 0


def test_the_audit_passes_after_everything_at_once(store):
    _commit(store, request("a"), request("b", expiry_ms=20), request("c", entries=((0, 99),)), request("a"))
    store.release(["a"], now_ms=7)
    store.advance(20)
    _commit(store, request("d"), now_ms=21)
    report = audit(store, LAYOUT)
    assert report.ok, report.violations
    assert (report.records, report.commits, report.releases, report.expiries, report.live) == (6, 3, 1, 1, 1)
    assert (report.peak_link_ratio, report.peak_compute_ratio) == (0.6, 0.2)
