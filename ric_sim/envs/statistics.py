"""Means with 95 % intervals over few repetitions, and paired differences: what a table of results needs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from ric_sim.domain.errors import InvalidInput, OutOfRange

_T_975 = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)
"""97.5 % quantiles of Student's t for 1 to 30 degrees of freedom."""

_Z_975 = 1.959964


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the half width of its two-sided 95 % confidence interval.

    Attributes:
        mean: of the repetitions.
        half_width: None for a single repetition, which tells nothing about spread.
        n: repetitions.
    """

    mean: float
    half_width: float | None
    n: int

    @property
    def excludes_zero(self) -> bool:
        """The interval lies on one side of 0: a difference that is more than chance."""
        return self.half_width is not None and abs(self.mean) > self.half_width


def t_quantile_975(degrees: int) -> float:
    """97.5 % quantile of Student's t: from a table up to 30 degrees of freedom, then by the first two terms of its expansion
    about the normal quantile (error below 1e-4).

    Raises:
        OutOfRange: no degree of freedom.
    """
    if degrees < 1:
        raise OutOfRange(f"Student's t with {degrees} degrees of freedom: expected at least 1")
    if degrees <= len(_T_975):
        return _T_975[degrees - 1]
    z = _Z_975
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean and Student's 95 % interval of independent repetitions.

    Raises:
        OutOfRange: no value, or one that is not finite.
    """
    if not values or not all(math.isfinite(value) for value in values):
        raise OutOfRange(f"{len(values)} values, of which all must be finite numbers: nothing to average")
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return Interval(mean, t_quantile_975(n - 1) * math.sqrt(variance / n), n)


def paired_difference(ours: Mapping[Hashable, float], theirs: Mapping[Hashable, float]) -> Interval:
    """Interval of `ours - theirs` over the repetitions (seed, day, ...) that both have; what they share cancels out.

    Raises:
        InvalidInput: no repetition in common.
    """
    common = [key for key in ours if key in theirs]
    if not common:
        raise InvalidInput("paired values have no repetition in common: play both on the same seeds or days")
    return mean_interval([ours[key] - theirs[key] for key in common])
