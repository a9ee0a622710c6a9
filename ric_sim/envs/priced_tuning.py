"""The search for the 24 numbers of the policy `priced`, on train days only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.cross_entropy import CrossEntropyPlan, FloatArray, Generation, SearchSpace, maximise
from ric_sim.envs.fast_day import FastDay
from ric_sim.network.city import City
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.montreal_traffic import SEEDS
from ric_sim.network.policies import near_host_ms
from ric_sim.network.policies.prices_tuned import NUMBER_NAMES
from ric_sim.network.profiles import find_profile
from ric_sim.network.scenario import Scenario

SEED_STEP = 1000
"""Between the seeds of two train days. The test day's seed follows the train day's own and would give the same noise."""

BUSY_LOAD = 1.29
"""The test day's mean load against the train day's (paper Tables 1 and 2): on the plain train day hardly anything is refused."""

_HIGHEST_MS = 30.0
_SPREAD = 0.4
_START_PACKING_MS = 1.0
"""On the train days of paper and stress `specialised` gains from packing hosts and loses by spreading load over them."""

NumberSet = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """What to search on.

    Attributes:
        search: generations and samples.
        seed: of the search.
        days: how many train days, by seed; the generations take turns with them, so that no single day is learnt by heart.
        load_ratio: factor on the holding times, and with them on the offered load, of these days.
    """

    search: CrossEntropyPlan
    seed: int = 1
    days: int = 3
    load_ratio: float = BUSY_LOAD

    def __post_init__(self) -> None:
        if not (1 <= self.days <= 100 and 0.0 < self.load_ratio <= 10.0):
            raise OutOfRange(f"{self.days} days at {self.load_ratio} of the load: expected 1 to 100 days, above 0 to 10")


@dataclass(frozen=True)
class Tuning:
    """The outcome. Ratios are means over the train days of the plan.

    Attributes:
        profile, plan: what was tuned and how.
        numbers: the set found, or the one the search started from if that was the better one.
        gos_ratio, start_gos_ratio: Grade of Service with the set and with the start, which is `specialised` with some packing.
        generations: how the search went.
        evaluations: days played. wall_s: all of it.
    """

    profile: str
    plan: TuningPlan
    numbers: NumberSet
    gos_ratio: float
    start_gos_ratio: float
    generations: tuple[Generation, ...]
    evaluations: int
    wall_s: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the numbers, and how they were found."""
        return {
            "numbers": self.numbers,
            "found": {
                "seed": self.plan.seed,
                "generations": self.plan.search.generations,
                "population": self.plan.search.population,
                "evaluations": self.evaluations,
                "split": "train",
                "day_seeds": day_seeds(self.plan.days),
                "load_ratio": self.plan.load_ratio,
                "gos_train": self.gos_ratio,
                "gos_train_at_start": self.start_gos_ratio,
                "gos_train_by_generation": [round(generation.mean_score, 6) for generation in self.generations],
                "wall_s": round(self.wall_s, 1),
            },
        }


def tune_priced(profile: str, plan: TuningPlan, *, progress: Callable[[int, float], None] | None = None) -> Tuning:
    """Searches the numbers of one profile of the built-in city. Same arguments, same numbers.

    Args:
        progress: called with the number of days played and the Grade of Service of the last.
    Raises:
        UnknownKey: no such profile.
    """
    started_s = time.perf_counter()
    city = build_city(profile)
    days = [FastDay(_train_scenario(city, seed, plan.load_ratio)) for seed in day_seeds(plan.days)]
    space = search_space(city)

    def gos_of(point: FloatArray, generation: int) -> float:
        return days[generation % len(days)].play(numbers_of(city, point)).gos_ratio

    result = maximise(gos_of, space, plan.search, seed=plan.seed, progress=progress)
    candidates = [numbers_of(city, point) for point in (space.mean, result.mean)]
    start, found = (float(np.mean([day.play(numbers).gos_ratio for day in days])) for numbers in candidates)
    return Tuning(
        profile=profile,
        plan=plan,
        numbers=candidates[1] if found >= start else candidates[0],
        gos_ratio=max(found, start),
        start_gos_ratio=start,
        generations=result.generations,
        evaluations=plan.search.generations * plan.search.population + 2 * len(days),
        wall_s=time.perf_counter() - started_s,
    )


def day_seeds(n_days: int) -> list[int]:
    """Seeds of the train days: the split's own and, well apart, further ones."""
    return [SEEDS["train"] + SEED_STEP * index for index in range(n_days)]


def search_space(city: City) -> SearchSpace:
    """Points are log(1 + |price in ms|) with the price's sign, [S * 4]: prices range over decades, and so around 0."""
    near_ms = near_host_ms(city)
    start_ms = np.array([[near_ms[spec.key], near_ms[spec.key], -_START_PACKING_MS, 0.0] for spec in city.services]).reshape(-1)
    mean = np.copysign(np.log1p(np.abs(start_ms)), start_ms)
    highest = np.full_like(mean, np.log1p(_HIGHEST_MS))
    may_be_negative = np.tile([False, False, True, True], len(city.services))
    return SearchSpace(mean, np.full_like(mean, _SPREAD), np.where(may_be_negative, -highest, 0.0), highest)


def numbers_of(city: City, point: FloatArray) -> NumberSet:
    """A point (float64 [S * 4]) of the search space as prices, rounded to a microsecond."""
    prices_ms = np.copysign(np.expm1(np.abs(point)), point).round(3) + 0.0  # no -0.0
    rows = prices_ms.reshape(len(city.services), len(NUMBER_NAMES)).tolist()
    return {spec.key: dict(zip(NUMBER_NAMES, row, strict=True)) for spec, row in zip(city.services, rows, strict=True)}


def _train_scenario(city: City, seed: int, load_ratio: float) -> Scenario:
    hold_scale = find_profile(city.profile).hold_scale * load_ratio
    return Scenario(city, generate_day(city, "train", profile=city.profile, seed=seed, hold_scale=hold_scale))
