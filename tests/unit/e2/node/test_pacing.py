"""When requests are due, and what time it is in the city."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.e2.node.pacing import MaxPace, Progress, RatePace, SpeedPace
from tests.unit.e2.node.two_sites import uniform_day

DAY = uniform_day(100, spacing_ms=1000)


def at(raised: int, settled: int, n_outstanding: int) -> Progress:
    return Progress(raised=raised, settled=settled, n_outstanding=n_outstanding)


def test_at_speed_max_the_window_fills_at_once():
    pace = MaxPace(DAY, in_flight=8)
    assert pace.due(at(0, 0, 0), 0.0) == 8
    assert pace.due(at(8, 0, 8), 0.0) == 8


def test_at_speed_max_requests_are_raised_in_groups_of_a_third_of_the_window():
    pace = MaxPace(DAY, in_flight=8)
    assert pace.due(at(8, 1, 7), 0.0) == 8
    assert pace.due(at(8, 2, 6), 0.0) == 10
    assert MaxPace(DAY, in_flight=1).due(at(1, 1, 0), 0.0) == 2


def test_at_speed_max_the_end_of_the_day_is_the_end():
    assert MaxPace(DAY, in_flight=8).due(at(98, 98, 0), 0.0) == 100
    assert MaxPace(DAY, in_flight=8).due(at(100, 100, 0), 0.0) == 100


def test_at_speed_max_nothing_runs_further_ahead_than_the_skew():
    pace = MaxPace(DAY, in_flight=50, max_skew_ms=10_000)
    assert pace.due(at(0, 0, 0), 0.0) == 11
    assert pace.due(at(11, 0, 1), 0.0) == 11
    assert pace.due(at(11, 5, 1), 0.0) == 16


def test_at_speed_max_what_is_known_ends_at_the_oldest_unanswered_arrival():
    pace = MaxPace(DAY, in_flight=8)
    assert pace.horizon_ms(at(8, 3, 5), 0.0) == 3000
    assert pace.horizon_ms(at(8, 8, 0), 0.0) == 7000
    assert MaxPace(uniform_day(0), in_flight=8).horizon_ms(at(0, 0, 0), 0.0) == 0


def test_emulated_time_at_speed_max_is_the_newest_arrival():
    pace = MaxPace(DAY, in_flight=8)
    assert [pace.emulated_ms(at(raised, 0, raised), 0.0) for raised in (0, 1, 8)] == [0, 0, 7000]


@settings(deadline=None)
@given(st.lists(st.integers(0, 23), max_size=300))
def test_emulated_time_never_runs_back_nor_beyond_what_was_raised(order):
    pace = MaxPace(uniform_day(400), in_flight=24)
    raised, outstanding, settled, last_ms = 0, [], 0, 0
    for position in order:
        due = pace.due(at(raised, settled, len(outstanding)), 0.0)
        outstanding += range(raised, due)
        raised = due
        now_ms = pace.emulated_ms(at(raised, settled, len(outstanding)), 0.0)
        assert last_ms <= now_ms == (raised - 1) * 1000
        last_ms = now_ms
        outstanding.pop(min(position, len(outstanding) - 1))
        settled = outstanding[0] if outstanding else raised


def test_a_speed_scales_the_time_between_arrivals():
    pace = SpeedPace(uniform_day(10, spacing_ms=1000), speed=10)
    pace.start(50.0)
    assert pace.due(at(0, 0, 0), 50.0) == 1
    assert pace.due(at(1, 0, 1), 50.35) == 4
    assert pace.due(at(4, 0, 4), 50.35) == 4
    assert pace.due_at_s(5) == 50.5
    assert pace.emulated_ms(at(4, 0, 4), 50.35) == 3500
    assert pace.emulated_ms(at(10, 10, 0), 60.0) == 100_000


def test_a_speed_starts_with_the_first_arrival():
    afternoon = uniform_day(3)
    moved = SpeedPace(type(afternoon)(**{**vars(afternoon), "arrival_ms": afternoon.arrival_ms + 3_600_000}), speed=1)
    moved.start(7.0)
    assert moved.emulated_ms(at(0, 0, 0), 7.0) == 3_600_000
    assert moved.due_at_s(0) == 7.0


def test_a_rate_spaces_requests_evenly_whatever_their_arrival():
    pace = RatePace(DAY, rate=20)
    pace.start(5.0)
    assert [pace.due(at(0, 0, 0), 5.0 + wait_s) for wait_s in (0.0, 0.049, 0.051, 1.001, 1000.0)] == [1, 1, 2, 21, 100]
    assert pace.due_at_s(10) == 5.5
    assert pace.emulated_ms(at(21, 3, 18), 6.0) == 20_000
    assert pace.horizon_ms(at(21, 3, 18), 6.0) == 20_000
