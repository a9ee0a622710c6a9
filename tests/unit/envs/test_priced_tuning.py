"""The search plays train days only, starts near `specialised` and is no worse than its start."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.envs.cross_entropy import CrossEntropyPlan
from ric_sim.envs.fast_day import FastDay
from ric_sim.envs.priced_tuning import TuningPlan, day_seeds, numbers_of, search_space, tune_priced
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.montreal_traffic import SEEDS
from ric_sim.network.policies import make_policy, near_host_ms
from ric_sim.network.policies.prices_tuned import NUMBER_NAMES
from ric_sim.network.scenario import Scenario

_PLAN = TuningPlan(CrossEntropyPlan(3, 6), seed=3, days=2, load_ratio=1.6)


@pytest.fixture(scope="module")
def tuning():
    return tune_priced("smoke", _PLAN)


def test_no_train_day_shares_its_seed_with_the_test_day():
    assert day_seeds(1) == [SEEDS["train"]]
    assert SEEDS["test"] not in day_seeds(100)
    assert len(set(day_seeds(100))) == 100


def test_the_search_starts_at_specialised_with_some_packing():
    city = build_city("paper")
    space = search_space(city)
    start = numbers_of(city, space.mean)
    for key, price_ms in near_host_ms(city).items():
        prices = {"near_du_ms": price_ms, "near_cu_ms": price_ms, "full_host_ms": -1.0, "full_link_ms": 0.0}
        assert start[key] == pytest.approx(prices)
    assert len(space.mean) == 24
    assert (space.lower <= space.mean).all()
    assert (space.mean <= space.upper).all()


def test_points_become_prices_in_order():
    city = build_city("paper")
    numbers = numbers_of(city, np.log1p(np.arange(24.0)))
    assert list(numbers) == [spec.key for spec in city.services]
    flat = [numbers[spec.key][name] for spec in city.services for name in NUMBER_NAMES]
    assert flat == pytest.approx(np.arange(24.0), abs=0.001)
    packing = numbers_of(city, -np.log1p(np.arange(24.0)))
    assert [packing[spec.key][name] for spec in city.services for name in NUMBER_NAMES] == pytest.approx(
        -np.arange(24.0), abs=0.001
    )


def test_only_prices_of_load_may_be_negative():
    space = search_space(build_city("paper"))
    assert [name for name, lower in zip(NUMBER_NAMES, space.lower, strict=False) if lower < 0] == ["full_host_ms", "full_link_ms"]
    assert (space.upper > 0).all()


def test_the_figures_are_those_of_the_numbers_on_the_train_days(tuning):
    city = build_city("smoke")
    days = [generate_day(city, "train", profile="smoke", seed=seed, hold_scale=1.6) for seed in day_seeds(2)]
    ratios = [FastDay(Scenario(city, day)).play(tuning.numbers).gos_ratio for day in days]
    assert tuning.gos_ratio == float(np.mean(ratios)) < 1.0
    assert tuning.gos_ratio >= tuning.start_gos_ratio
    assert tuning.evaluations == 3 * 6 + 2 * 2
    assert len(tuning.generations) == 3
    make_policy("priced", city, numbers=tuning.numbers)


def test_the_same_plan_finds_the_same_numbers(tuning):
    told = []
    again = tune_priced("smoke", _PLAN, progress=lambda done, gos: told.append(done))
    assert again.numbers == tuning.numbers
    assert told == list(range(1, 19))
    other = tune_priced("smoke", replace(_PLAN, seed=4))
    assert other.generations != tuning.generations


def test_the_record_says_how_the_numbers_were_found(tuning):
    told = json.loads(json.dumps(tuning.to_dict(), allow_nan=False))
    assert told["numbers"] == tuning.numbers
    found = told["found"]
    assert (found["seed"], found["generations"], found["population"], found["load_ratio"]) == (3, 3, 6, 1.6)
    assert (found["split"], found["day_seeds"], found["evaluations"]) == ("train", day_seeds(2), 22)
    assert found["gos_train"] == tuning.gos_ratio


def test_a_profile_that_does_not_exist_is_refused():
    with pytest.raises(UnknownKey):
        tune_priced("papr", _PLAN)


@pytest.mark.parametrize("wrong", [{"days": 0}, {"days": 101}, {"load_ratio": 0.0}, {"load_ratio": float("nan")}])
def test_days_that_make_no_sense_are_refused(wrong):
    with pytest.raises(OutOfRange):
        TuningPlan(CrossEntropyPlan(1, 4), **wrong)
