"""Pauses between attempts."""

from xapps.sdk.backoff import Backoff


def test_pauses_double_up_to_the_longest_and_are_never_in_step():
    backoff = Backoff(first_s=0.1, longest_s=1.0)
    for full_s in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
        assert full_s / 2 <= backoff.pause_s() <= full_s
    pauses = {Backoff(first_s=0.1, longest_s=1.0).pause_s() for _ in range(20)}
    assert len(pauses) > 1


def test_after_a_success_the_first_pause_is_short_again():
    backoff = Backoff(first_s=0.1, longest_s=1.0)
    for _ in range(5):
        backoff.pause_s()
    backoff.reset()
    assert backoff.pause_s() <= 0.1
