"""The cross-entropy method: search by a normal distribution that is drawn towards the best of its own samples.

Rubinstein and Kroese, The Cross-Entropy Method (2004), for continuous optimisation: independent normal components,
smoothed updates, and a floor under the spread so that the search does not freeze early.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange

FloatArray = npt.NDArray[np.float64]

Objective = Callable[[FloatArray, int], float]
"""The score of a point (float64 [D]) in a generation, counted from 0. A noisy objective may draw the same noise for all
points of a generation, which then differ by merit only."""


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """A box and where the search starts in it. All float64 [D].

    Attributes:
        mean, sd: of the first generation.
        lower, upper: samples outside are moved to the edge.
    """

    mean: FloatArray
    sd: FloatArray
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, slots=True)
class CrossEntropyPlan:
    """How long and how greedily to search.

    Attributes:
        generations, population: samples are drawn `generations` times, `population` at a time, the mean being one of them.
        elite_ratio: share of a generation that the next is fitted to, at least two samples.
        smoothing: weight of the elite against the distribution so far, above 0 to 1.
        least_sd: the spread of a component never falls below this share of what it was at first.
    """

    generations: int
    population: int
    elite_ratio: float = 0.25
    smoothing: float = 0.7
    least_sd: float = 0.1

    def __post_init__(self) -> None:
        if self.generations < 1 or self.population < 4:
            raise OutOfRange(f"{self.generations} generations of {self.population} samples: expected at least 1 of at least 4")
        if not (0.0 < self.elite_ratio <= 0.5 and 0.0 < self.smoothing <= 1.0 and 0.0 <= self.least_sd <= 1.0):
            raise OutOfRange(
                f"elite_ratio {self.elite_ratio}, smoothing {self.smoothing}, least_sd {self.least_sd}: "
                "expected above 0 to 0.5, above 0 to 1, and 0 to 1"
            )

    @property
    def n_elite(self) -> int:
        return max(2, int(self.population * self.elite_ratio))


@dataclass(frozen=True, slots=True)
class Generation:
    """Scores of one generation: of the mean it was drawn around, of its best sample and, on average, of its elite."""

    mean_score: float
    best_score: float
    elite_score: float


@dataclass(frozen=True, eq=False)
class SearchResult:
    """Where the search ended.

    Attributes:
        mean, sd: float64 [D], of the distribution after the last generation; the mean is the answer.
        generations: how it went.
    """

    mean: FloatArray
    sd: FloatArray
    generations: tuple[Generation, ...]


def maximise(
    objective: Objective,
    space: SearchSpace,
    plan: CrossEntropyPlan,
    *,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> SearchResult:
    """Looks for the point of greatest score. Same arguments, same result.

    Args:
        progress: called after each evaluation with their number so far and the score.
    Raises:
        OutOfRange: the objective gave no finite score.
    """
    rng = np.random.default_rng(seed)
    mean, sd = space.mean.copy(), space.sd.copy()
    history: list[Generation] = []
    for generation in range(plan.generations):
        points = rng.normal(mean, sd, (plan.population, len(mean)))
        points[0] = mean
        np.clip(points, space.lower, space.upper, out=points)
        scores = np.empty(plan.population)
        for index, point in enumerate(points):
            scores[index] = _finite(objective(point, generation))
            if progress:
                progress(generation * plan.population + index + 1, float(scores[index]))
        best_first = np.argsort(-scores, kind="stable")
        elite = best_first[: plan.n_elite]
        mean += plan.smoothing * (points[elite].mean(axis=0) - mean)
        sd += plan.smoothing * (points[elite].std(axis=0) - sd)
        sd = np.maximum(sd, plan.least_sd * space.sd)
        history.append(Generation(float(scores[0]), float(scores[best_first[0]]), float(scores[elite].mean())))
    return SearchResult(mean, sd, tuple(history))


def _finite(score: float) -> float:
    if not np.isfinite(score):
        raise OutOfRange(f"the objective gave {score}: expected a finite score for every point of the search space")
    return score
