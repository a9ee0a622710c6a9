"""Pauses grow, are forgiven, and reasons go when they are none any more."""

from services.manager.lifecycle.attempts import FIRST_PAUSE_S, FORGIVEN_AFTER_S, LONGEST_PAUSE_S, Attempts


def test_pauses_grow_up_to_a_limit_and_are_forgiven():
    clock = [100.0]
    attempts = Attempts(now=lambda: clock[0])
    assert not attempts.is_paused("a", "1.0.0")
    pauses_s = []
    for _ in range(9):
        pauses_s.append(attempts.failed("a", "1.0.0", "no such image"))
        assert attempts.is_paused("a", "1.0.0")
        clock[0] += pauses_s[-1]
        assert not attempts.is_paused("a", "1.0.0")
    assert pauses_s[:4] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, 8 * FIRST_PAUSE_S]
    assert pauses_s[-2:] == [LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert not attempts.is_paused("a", "2.0.0")
    clock[0] += FORGIVEN_AFTER_S
    assert attempts.failed("a", "1.0.0", "no such image") == FIRST_PAUSE_S


def test_a_reason_is_told_until_the_version_works_or_nobody_wants_it():
    attempts = Attempts(now=lambda: 0.0)
    for version in ("1.0.0", "2.0.0"):
        attempts.failed("a", version, f"why {version}")
    attempts.failed("b", "1.0.0", "why b")
    assert attempts.reason("a", "2.0.0") == "why 2.0.0"
    attempts.forget_others("a", ("2.0.0",))
    assert [attempts.reason("a", version) for version in ("1.0.0", "2.0.0")] == ["", "why 2.0.0"]
    attempts.works("a", "2.0.0")
    assert attempts.reason("a", "2.0.0") == ""
    assert attempts.reason("b", "1.0.0") == "why b"
    assert attempts.is_paused("a", "2.0.0")
