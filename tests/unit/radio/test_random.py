"""Random numbers by key: their distributions, and that neighbours have nothing to do with each other."""

import numpy as np

from ric_sim.radio.kernels_random import fill_exponential, poisson, split, uniform
from tests.unit.radio import loop_world


def test_the_integers_are_those_of_the_published_generator():
    # First outputs of SplitMix64 from state 1234567.
    assert [int(split(np.uint64(1234567), index)) for index in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_uniform_numbers_fill_the_interval_evenly():
    numbers = np.array([uniform(np.uint64(9), index) for index in range(20_000)])
    counts = np.histogram(numbers, bins=20, range=(0.0, 1.0))[0]
    assert counts.sum() == 20_000
    assert np.abs(counts - 1000).max() < 150


def test_poisson_numbers_have_their_mean_and_variance():
    for mean in (0.1, 0.9, 4.3):
        numbers = np.array([poisson(np.uint64(3), index, mean) for index in range(20_000)])
        assert abs(numbers.mean() - mean) < 0.03 * max(mean, 1)
        assert abs(numbers.var() - mean) < 0.06 * max(mean, 1)
    assert poisson(np.uint64(3), 0, 0.0) == 0


def test_fading_is_exponential_and_white():
    drawn = np.empty((2_000, 150), dtype=np.float32)
    for key in range(len(drawn)):
        fill_exponential(np.uint64(split(np.uint64(11), key)), drawn[key])
    ordered = np.sort(drawn.ravel().astype(np.float64))
    steps = np.arange(1, ordered.size + 1) / ordered.size
    assert np.abs(-np.expm1(-ordered) - steps).max() < 1.7 / np.sqrt(ordered.size)
    for one, other in ((drawn[:, :-1], drawn[:, 1:]), (drawn[:-1], drawn[1:])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.01


def test_fading_equals_the_logarithm_to_single_precision():
    drawn = np.empty(2_000, dtype=np.float32)
    key = np.uint64(split(np.uint64(4), 7))
    fill_exponential(key, drawn)
    expected = [loop_world.exponential(int(key), index) for index in range(drawn.size)]
    np.testing.assert_allclose(drawn, expected, rtol=2e-6, atol=1e-6)
