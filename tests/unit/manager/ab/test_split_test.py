"""The test of two versions that share the requests: its error rate, its power, its arithmetic."""

import math

import numpy as np
import pytest
from scipy import stats

from ric_sim.domain.errors import OutOfRange
from services.manager.ab.split_test import LOG_ODDS, SplitTest

ALPHA = 0.05


def test_a_window_is_weighed_by_the_exact_distributions():
    """One window against scipy's distributions, averaged over the same weights."""
    test = SplitTest()
    test.add((40, 10), (3, 4))
    for log_odds in (-1.0, 0.5, 2.0):
        tilted = stats.nchypergeom_fisher(50, 10, 7, math.exp(log_odds)).pmf(4)
        plain = stats.hypergeom(50, 10, 7).pmf(4)
        index = round(log_odds / LOG_ODDS[0]) + len(test.log_ratios) // 2
        assert test.log_ratios[index] == pytest.approx(math.log(tilted / plain), abs=1e-9)
    assert test.log_evidence_more > 0 > test.log_evidence_fewer


def test_windows_that_cannot_tell_change_nothing():
    test = SplitTest()
    for requests, events in (((0, 0), (0, 0)), ((10, 0), (3, 0)), ((0, 5), (0, 5)), ((10, 10), (0, 0)), ((10, 10), (10, 10))):
        test.add(requests, events)
    assert not test.log_ratios.any()
    assert (test.requests, test.events) == ([30, 25], [13, 15])


def test_more_events_than_requests_are_refused():
    with pytest.raises(OutOfRange, match="no more events"):
        SplitTest().add((5, 5), (1, 6))


def test_the_interval_narrows_around_the_difference():
    rng = np.random.default_rng(1)
    test = SplitTest()
    widths = []
    for _ in range(200):
        test.add((100, 100), (int(rng.binomial(100, 0.1)), int(rng.binomial(100, 0.2))))
        low, high = test.interval(ALPHA)
        widths.append(high - low)
        assert -1 <= low <= 0.1 <= high <= 1
    assert widths[-1] < 0.04 < widths[20]


def ended_wrongly(rng: np.random.Generator, percent: float, *, bursts: bool) -> bool:
    """A/A: 100 windows of two equal versions, looked at after each."""
    test = SplitTest()
    for _ in range(100):
        n = int(rng.poisson(80))
        own = int(rng.binomial(n, percent / 100))
        rate = min(0.15 * (rng.gamma(0.3, 1 / 0.3) if bursts else 1.0), 1.0)
        events = int(rng.binomial(n, rate))
        candidates = int(rng.hypergeometric(own, n - own, events)) if n else 0
        test.add((n - own, own), (events - candidates, candidates))
        if test.is_more(ALPHA / 2) or test.is_fewer(ALPHA / 2):
            return True
    return False


@pytest.mark.parametrize(("percent", "bursts"), [(5, False), (50, True)])
def test_equal_versions_are_told_apart_in_at_most_five_percent_of_runs(percent, bursts, record_property):
    rng = np.random.default_rng(20_260_301)
    runs = 200
    wrong = sum(ended_wrongly(rng, percent, bursts=bursts) for _ in range(runs))
    record_property(f"wrong stops at {percent} %, bursts {bursts}", float(wrong / runs))
    assert wrong / runs <= ALPHA
