import pytest

from ric_sim.domain.reservation import Change, ChangeKind, CommitRequest
from ric_sim.store.replay import MAX_VIOLATIONS, Replay, ViolationKind

CREATE = Change(0, ChangeKind.CREATE, 0, "", -1, 0, 0, (), ())


def _commit(version, flow_id="a", now_ms=0, expiry_ms=10, entries=((0, 6),)):
    return Change(version, ChangeKind.COMMIT, now_ms, flow_id, 0, expiry_ms, 5, entries, (0,))


def _end(commit, version, kind=ChangeKind.EXPIRE, now_ms=10):
    return Change(version, kind, now_ms, commit.flow_id, 0, commit.expiry_ms, 5, commit.entries, commit.route)


def _replayed(*changes, limits=(10, 100)):
    replay = Replay(n_links=1, limits=limits)
    for change in changes:
        replay.apply(change)
    return replay


A = _commit(1)


@pytest.mark.parametrize("kind_and_now", [(ChangeKind.EXPIRE, 10), (ChangeKind.RELEASE, 9)])
def test_a_sound_log_replays_to_its_state(kind_and_now):
    kind, now_ms = kind_and_now
    replay = _replayed(CREATE, A, _commit(2, "b", entries=((0, 4), (1, 50))), _end(A, 3, kind, now_ms))
    assert replay.violations == []
    assert (replay.used, list(replay.live), replay.version, replay.now_ms) == ([4, 50], ["b"], 3, now_ms)
    assert (replay.peak_link_ratio, replay.peak_compute_ratio) == (1.0, 0.5)
    assert replay.counts == {ChangeKind.CREATE: 1, ChangeKind.COMMIT: 2, kind: 1, **_other(kind)}


def _other(kind):
    return {ChangeKind.RELEASE if kind == ChangeKind.EXPIRE else ChangeKind.EXPIRE: 0, ChangeKind.PREEMPT: 0}


@pytest.mark.parametrize(
    ("changes", "kind", "version"),
    [
        ([A], ViolationKind.VERSION, 1),
        ([CREATE, _commit(2)], ViolationKind.VERSION, 2),
        ([CREATE, A, _commit(1, "b", entries=((0, 1),))], ViolationKind.VERSION, 1),
        ([CREATE, CREATE], ViolationKind.VERSION, 0),
        ([CREATE, Change(1, ChangeKind.CREATE, 0, "", -1, 0, 0, (), ())], ViolationKind.VERSION, 1),
        ([CREATE, _commit(1, now_ms=5), _commit(2, "b", now_ms=4, entries=((0, 1),))], ViolationKind.CLOCK, 2),
        ([CREATE, A, _commit(2, "b", entries=((0, 5),))], ViolationKind.CAPACITY, 2),
        ([CREATE, _commit(1, entries=((2, 5),))], ViolationKind.CAPACITY, 1),
        ([CREATE, _commit(1, entries=((0, 0),))], ViolationKind.CAPACITY, 1),
        ([CREATE, A, _end(A, 2), _commit(3, now_ms=10, expiry_ms=20)], ViolationKind.REPEATED_COMMIT, 3),
        ([CREATE, _end(A, 1)], ViolationKind.UNMATCHED_END, 1),
        ([CREATE, A, _end(A, 2), _end(A, 3)], ViolationKind.UNMATCHED_END, 3),
        ([CREATE, A, _end(_commit(1, entries=((0, 5),)), 2)], ViolationKind.UNMATCHED_END, 2),
        ([CREATE, A, _end(A, 2, now_ms=9)], ViolationKind.EXPIRY_TIME, 2),
        ([CREATE, A, _end(A, 2, ChangeKind.RELEASE, now_ms=10)], ViolationKind.EXPIRY_TIME, 2),
    ],
)
def test_a_record_that_no_store_would_write_is_reported(changes, kind, version):
    replay = _replayed(*changes)
    assert [(violation.kind, violation.version) for violation in replay.violations] == [(kind, version)]


@pytest.mark.parametrize(
    ("propagation_us", "budget_us", "words"),
    [(3, 5, []), (4, 5, ["5 us is logged, the used amounts give 6 us", "6 us is over"]), (2, 5, ["give 4 us"])],
)
def test_a_latency_is_computed_again_from_the_load_before(propagation_us, budget_us, words):
    replay = _replayed(CREATE, _commit(1, "filler", entries=((1, 50),)))
    request = CommitRequest("a", 0, 10, budget_us, propagation_us, A.entries, ((1, 40_000, 1000),), (0,))
    replay.apply(_commit(2), request)
    assert [violation.kind for violation in replay.violations] == [ViolationKind.LATENCY] * len(words)
    for violation, word in zip(replay.violations, words, strict=True):
        assert word in violation.detail


def test_reports_are_bounded_but_counted():
    replay = _replayed(CREATE, *(_end(A, version) for version in range(1, MAX_VIOLATIONS + 50)))
    assert len(replay.violations) == MAX_VIOLATIONS
    assert replay.n_violations == MAX_VIOLATIONS + 49
    assert str(replay.violations[0]) == "version 1, flow a: unmatched_end: EXPIRE of a flow that was never committed"
