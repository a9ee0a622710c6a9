"""The time in which a driver is silent is nobody's."""

from dataclasses import replace

from services.manager.lifecycle.model import Rollout, RolloutPlan, Step

ROLLOUT = Rollout("r1", "a", "1.0.0", "2.0.0", 1, RolloutPlan(ready_within_s=60.0), 5.0, Step.WAIT_READY, step_at=10.0)


def test_a_short_silence_leaves_no_event():
    waiting = ROLLOUT.waiting(20.0, "gone").waiting(50.0, "gone")
    assert (waiting.silent_since, waiting.waits_for, waiting.stalled, waiting.waiting_s(50.0)) == (20.0, "gone", False, 30.0)
    assert waiting.resumed(60.0) == replace(ROLLOUT, step_at=50.0, waited_s=40.0)


def test_a_long_one_is_told_once_and_a_second_one_adds_up():
    waiting = ROLLOUT.waiting(20.0, "gone").waiting(81.0, "gone").waiting(90.0, "gone")
    assert waiting.stalled
    assert [event.text for event in waiting.events] == ["has waited for the driver for more than 60 s: gone"]
    back = waiting.resumed(100.0)
    assert [event.text for event in back.events[1:]] == ["the driver answers again after 80.0 s"]
    assert (back.stalled, back.waits_for, back.silent_since, back.step_at) == (False, "", 0.0, 90.0)
    again = back.waiting(110.0, "gone").resumed(115.0)
    assert (again.waited_s, again.step_at) == (85.0, 95.0)


def test_without_a_silence_nothing_changes():
    assert ROLLOUT.resumed(100.0) is ROLLOUT


def test_a_clock_that_was_set_back_takes_no_time_away():
    assert ROLLOUT.waiting(20.0, "gone").resumed(15.0) == ROLLOUT
