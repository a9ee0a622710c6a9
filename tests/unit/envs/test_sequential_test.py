"""The error rates that the test states are the ones it has, looked at after every block; and it finds what is there to find."""

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.sequential_test import PairedTest

BLOCK = 300
RUNS = 300


def _differences(rng, blocks, *, gain=0.0, refused=0.05, burst=1):
    """D_b of two policies with refusals of their own: independent requests, or bursts in which every other one is refused."""
    n_bursts = blocks * BLOCK // burst

    def refusals(share):
        return (rng.random(n_bursts) < share).reshape(blocks, -1).sum(axis=1) * burst

    return refusals(refused) - refusals(refused - gain)


def _run(differences):
    """Blocks until the test says something, looked at after each (0: never), and the sign of what it said."""
    test = PairedTest()
    for looks, difference in enumerate(differences.tolist(), start=1):
        test.add(difference, BLOCK)
        if test.excludes():
            return looks, 1 if test.is_above(0.0) else -1
    return 0, 0


@pytest.mark.parametrize("burst", [1, 20, 150])
def test_equal_policies_are_told_apart_in_at_most_five_runs_of_a_hundred(burst, record_property):
    rng = np.random.default_rng(burst)
    wrong = sum(_run(_differences(rng, 100, burst=burst))[0] > 0 for _ in range(RUNS))
    record_property(f"wrongly stopped, bursts of {burst}", float(wrong / RUNS))
    assert wrong / RUNS <= 0.05


@pytest.mark.parametrize("gain", [-0.03, 0.03])
def test_three_points_are_found_within_six_thousand_requests(gain, record_property):
    rng = np.random.default_rng(3)
    found = [_run(_differences(rng, 60, gain=gain)) for _ in range(100)]
    assert {sign for _, sign in found} == {1 if gain > 0 else -1}
    requests = BLOCK * np.quantile([looks for looks, _ in found], [0.5, 0.95])
    record_property("requests, median", float(requests[0]))
    record_property("requests, 95 %", float(requests[1]))
    assert requests[1] <= 6_000


def test_the_interval_holds_the_true_gain_at_every_look():
    rng, missed = np.random.default_rng(5), 0
    for _ in range(100):
        test = PairedTest()
        outside = False
        for difference in _differences(rng, 60, gain=0.02).tolist():
            test.add(difference, BLOCK)
            outside |= test.excludes(0.02)
        low, high = test.interval()
        assert low < test.gain < high
        missed += outside
    assert missed <= 5


def test_without_a_difference_there_is_no_evidence():
    test = PairedTest()
    assert (test.gain, test.excludes(), test.interval()) == (0.0, False, (-1.0, 1.0))
    for _ in range(1_000):
        test.add(0, BLOCK)
    assert (test.gain, test.log_evidence()) == (0.0, 0.0)
    assert not test.excludes()


def test_one_extreme_block_proves_nothing():
    test = PairedTest()
    for difference in (0, 0, 0, BLOCK, 0, 0):
        test.add(difference, BLOCK)
        assert not test.excludes()


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, float("nan")])
def test_an_error_rate_is_a_probability(alpha):
    with pytest.raises(OutOfRange, match="alpha"):
        PairedTest(alpha)


def test_a_block_has_no_more_differences_than_requests():
    with pytest.raises(OutOfRange, match="301"):
        PairedTest().add(-301, BLOCK)
