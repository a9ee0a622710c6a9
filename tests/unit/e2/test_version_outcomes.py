"""Outcomes per version: every answer is counted once, in the window of its moment, for the version that held the request."""

from __future__ import annotations

import time

import pytest

from ric_sim.domain.flow import ANY_UPF, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.e2.delivery import Instance, Pending, Pool
from ric_sim.e2.version_outcomes import LATENCY_BOUNDS_MS, MOST_WINDOWS, OutcomeBook
from ricity.e2.v1.common_pb2 import ServiceRequest


class Nowhere:
    def push_answer(self, answer):
        raise AssertionError("outcomes answer nobody")


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool() -> Pool:
    pool = Pool("x", capacity=10)
    for version in ("1", "2"):
        pool.attach(Instance("x", version, f"i{version}", 100, 4, wake=lambda: None))
    return pool


@pytest.fixture
def book(pool, clock) -> OutcomeBook:
    return OutcomeBook({"x": pool}, clock=clock)


def held(pool: Pool, version: int, *, age_ms: float = 0.0) -> Pending:
    """A request that an instance holds."""
    flow = FlowRequest("flow", 3, Direction.UPLINK, 0, ANY_UPF, 1, 1, 0, 1)
    received_ns = time.monotonic_ns() - round(age_ms * 1e6)
    return Pending(flow, ServiceRequest(flow_id="flow"), Nowhere(), received_ns, instance=pool.instances[version - 1])


def test_answers_count_for_the_version_that_held_them(book, pool, clock):
    for _ in range(3):
        book.answered(held(pool, 1), "applied", "")
    book.answered(held(pool, 2), "rejected", "declined")
    book.answered(held(pool, 2), "default", "time_to_wait_expired")
    aborted = held(pool, 2, age_ms=30)
    book.aborted(aborted)
    book.aborted(aborted)
    book.answered(aborted, "applied", "")
    book.lost(aborted, pool.instances[0])
    assert book.after(0, limit=9) == []
    clock.now_s += 1
    (window,) = book.after(0, limit=9)
    one, two = window.rows["x", "1", 3], window.rows["x", "2", 3]
    assert (one.accepted, one.rejected, one.expired, one.lost) == (3, 0, 0, 1)
    assert (two.accepted, two.rejected, two.expired) == (1, 1, 1)
    assert two.causes == {"declined": 1, "time_to_wait_expired": 1}
    assert (two.aborted_requests, two.aborted_commits) == (1, 2)
    assert two.latency_counts[LATENCY_BOUNDS_MS.index(50.0)] == 1
    assert sum(two.latency_counts) == 3
    assert two.latency_sum_us >= 30_000


def test_a_request_that_nobody_held_counts_for_none(book, pool, clock):
    nobody = held(pool, 1)
    nobody.instance = None
    book.answered(nobody, "default", "no_subscriber")
    clock.now_s += 1
    assert book.after(0, limit=9) == []


def test_a_cursor_reads_every_window_once(book, pool, clock):
    for _ in range(5):
        book.answered(held(pool, 1), "applied", "")
        clock.now_s += 1
    first = book.after(0, limit=3)
    rest = book.after(first[-1].sequence, limit=9)
    assert [window.sequence for window in first + rest] == [1, 2, 3, 4, 5]
    assert book.after(5, limit=9) == []
    assert (book.oldest, book.latest) == (1, 5)


def test_old_windows_go_and_a_late_reader_gets_what_is_left(book, pool, clock):
    for _ in range(MOST_WINDOWS + 50):
        book.answered(held(pool, 1), "applied", "")
        clock.now_s += 1
    (window,) = book.after(0, limit=1)
    assert window.sequence == book.oldest == 51


def test_a_change_of_the_split_unsettles_its_window_and_the_next(book, pool, clock):
    def unsettled_after(change) -> bool:
        change()
        book.answered(held(pool, 1), "applied", "")
        clock.now_s += 1
        return "x" in book.after(book.latest, limit=9)[-1].unsettled

    def nothing() -> None:
        pass

    for change in (nothing, lambda: pool.set_weight("2", 5), lambda: pool.drain(pool.instances[1])):
        assert [unsettled_after(each) for each in (change, nothing, nothing)] == [True, True, False]
