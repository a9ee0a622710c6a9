"""Intervals against figures worked out by hand and from printed tables."""

import math

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange
from ric_sim.envs.statistics import Interval, mean_interval, paired_difference, t_quantile_975


@pytest.mark.parametrize(
    ("degrees", "printed"), [(1, 12.706), (4, 2.776), (9, 2.262), (30, 2.042), (31, 2.0395), (40, 2.021), (120, 1.980)]
)
def test_quantiles_are_those_of_printed_tables(degrees, printed):
    assert t_quantile_975(degrees) == pytest.approx(printed, abs=6e-4)


def test_quantiles_fall_towards_the_normal_one():
    quantiles = [t_quantile_975(degrees) for degrees in range(1, 200)]
    assert quantiles == sorted(quantiles, reverse=True)
    assert t_quantile_975(10**6) == pytest.approx(1.95996, abs=1e-5)
    with pytest.raises(OutOfRange):
        t_quantile_975(0)


def test_interval_of_five_values():
    interval = mean_interval([1, 2, 3, 4, 5])
    assert interval.mean == 3
    assert interval.half_width == pytest.approx(2.776 * math.sqrt(2.5 / 5), abs=1e-3)
    assert interval.n == 5


def test_one_value_has_no_interval_and_equal_values_have_one_of_no_width():
    assert mean_interval([0.98]) == Interval(0.98, None, 1)
    assert not mean_interval([0.98]).excludes_zero
    assert mean_interval([0.5, 0.5, 0.5]) == Interval(0.5, 0.0, 3)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_what_cannot_be_averaged_is_refused(values):
    with pytest.raises(OutOfRange):
        mean_interval(values)


def test_the_interval_covers_the_truth_19_times_in_20():
    rng = np.random.default_rng(3)
    draws = [mean_interval(rng.normal(7.0, 2.0, 5).tolist()) for _ in range(2000)]
    covered = np.mean([abs(draw.mean - 7.0) <= draw.half_width for draw in draws])
    assert covered == pytest.approx(0.95, abs=0.015)


def test_pairs_cancel_what_they_share():
    ours = {1: 0.99, 2: 0.95, 3: 0.97, 9: 0.1}
    theirs = {3: 0.96, 1: 0.98, 2: 0.94, 7: 0.5}
    difference = paired_difference(ours, theirs)
    assert difference.mean == pytest.approx(0.01)
    assert difference.half_width == pytest.approx(0.0, abs=1e-12)
    assert difference.n == 3
    assert difference.excludes_zero
    with pytest.raises(InvalidInput, match="in common"):
        paired_difference({1: 0.5}, {2: 0.5})
