"""The search finds known optima, also at the edge of its box, and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.cross_entropy import CrossEntropyPlan, SearchSpace, maximise

_PATIENT = CrossEntropyPlan(60, 40, smoothing=0.4, least_sd=0.02)
_TARGET = np.array([1.0, -0.5, 0.25, 2.0])


def _space(lower=-3.0, upper=3.0):
    return SearchSpace(np.zeros(4), np.ones(4), np.full(4, lower), np.full(4, upper))


def _quadratic(point, _generation):
    return -float(np.sum((point - _TARGET) ** 2))


def test_the_top_of_a_quadratic_is_found():
    result = maximise(_quadratic, _space(), _PATIENT, seed=1)
    assert result.mean == pytest.approx(_TARGET, abs=0.02)
    assert (result.sd < 0.1).all()
    first, last = result.generations[0], result.generations[-1]
    assert first.mean_score == _quadratic(np.zeros(4), 0)
    assert last.mean_score > -0.01 > first.best_score
    assert all(one.best_score >= one.elite_score and one.best_score >= one.mean_score for one in result.generations)


def test_an_optimum_outside_the_box_is_sought_at_its_edge():
    result = maximise(_quadratic, _space(lower=0.0, upper=1.5), _PATIENT, seed=1)
    assert result.mean == pytest.approx(np.clip(_TARGET, 0.0, 1.5), abs=0.05)


def test_the_spread_keeps_its_floor():
    result = maximise(_quadratic, _space(), CrossEntropyPlan(40, 20, least_sd=0.2), seed=1)
    assert (result.sd >= 0.2).all()


def test_equal_seeds_give_equal_searches():
    plan = CrossEntropyPlan(3, 10)
    first, again, other = (maximise(_quadratic, _space(), plan, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.mean, again.mean)
    assert first.generations == again.generations
    assert not np.array_equal(first.mean, other.mean)


def test_noise_that_a_generation_shares_does_not_mislead():
    noise = np.random.default_rng(0).normal(0.0, 100.0, _PATIENT.generations)
    clean = maximise(_quadratic, _space(), _PATIENT, seed=1)
    noisy = maximise(lambda point, generation: _quadratic(point, generation) + noise[generation], _space(), _PATIENT, seed=1)
    assert noisy.mean == pytest.approx(clean.mean, abs=1e-6)


def test_each_evaluation_is_told_with_its_score():
    told = []
    maximise(
        lambda point, generation: float(generation),
        _space(),
        CrossEntropyPlan(2, 4),
        seed=1,
        progress=lambda *at: told.append(at),
    )
    assert told == [(number, 0.0) for number in range(1, 5)] + [(number, 1.0) for number in range(5, 9)]


def test_the_start_is_left_as_it_was():
    space = _space()
    maximise(_quadratic, space, CrossEntropyPlan(2, 4), seed=1)
    assert not space.mean.any()
    assert (space.sd == 1.0).all()


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(score):
    with pytest.raises(OutOfRange, match="finite"):
        maximise(lambda point, generation: score, _space(), CrossEntropyPlan(1, 4), seed=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"generations": 0},
        {"population": 3},
        {"elite_ratio": 0.0},
        {"elite_ratio": 0.6},
        {"smoothing": 0.0},
        {"smoothing": float("nan")},
        {"least_sd": -0.1},
    ],
)
def test_a_plan_that_cannot_be_searched_is_refused(wrong):
    with pytest.raises(OutOfRange):
        CrossEntropyPlan(**({"generations": 2, "population": 8} | wrong))
