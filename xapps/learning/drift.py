"""Notices that the traffic is no longer what it was: Page-Hinkley tests on demand, load and refusals.

Traffic changes with the hour every day, so what is tested is how far a quarter of an hour is from the same hour of the days
that the reference was taken from, in standard deviations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import InvalidInput, OutOfRange
from ric_sim.envs.disturbed import BIN_MS

FloatArray = npt.NDArray[np.float64]

_PER_HOUR = 3_600_000 // BIN_MS
TOLERANCE = 0.5
THRESHOLD = 20.0
"""In standard deviations. On independent normal values 12 would do for one false alarm in a million; the mean of an hour,
known from a few days only, is off by as much as they differ, for the whole hour."""
_LEAST_SPREAD = 0.3
"""Half the deviation of the root of a Poisson count (0.5), and a bit: a service that never was refused may be once."""


class PageHinkley:
    """Page-Hinkley tests (Page 1954, Hinkley 1971) on K standardised streams at a time, for a rise and for a fall."""

    def __init__(self, n_streams: int, *, tolerance: float = TOLERANCE, threshold: float = THRESHOLD) -> None:
        """
        Args:
            tolerance: shifts of up to twice as many standard deviations are no matter.
            threshold: of the accumulated deviations.
        Raises:
            OutOfRange: a negative tolerance, or a threshold that is not above 0.
        """
        if not (tolerance >= 0 and threshold > 0):
            raise OutOfRange(f"tolerance {tolerance} and threshold {threshold}: expected at least 0 and above 0")
        self._tolerance, self._threshold = tolerance, threshold
        self._sums = np.zeros((2, n_streams))

    def add(self, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Takes one value per stream; bool [K], which tests raise an alarm. These begin anew."""
        deviations = np.asarray(values, dtype=np.float64)
        self._sums = np.maximum(self._sums + np.stack([deviations, -deviations]) - self._tolerance, 0.0)
        alarms: npt.NDArray[np.bool_] = np.any(self._sums > self._threshold, axis=0)
        self._sums[:, alarms] = 0.0
        return alarms


def signals(requests: npt.NDArray[np.int64], bandwidth_kbps: npt.NDArray[np.int64], refused: npt.NDArray[np.int64]) -> FloatArray:
    """The streams that are tested: square roots, which spread alike at every level (Anscombe 1948), of counts per bin.

    Args:
        requests: int64 [B, S], per quarter of an hour and service. bandwidth_kbps, refused: int64 [B], asked for, and requests.
    Returns:
        float64 [B, S + 2]: requests of each service, bandwidth in Mbps, refusals.
    """
    return np.sqrt(np.column_stack([requests, bandwidth_kbps / 1000, refused]).astype(np.float64))


@dataclass(frozen=True)
class Regime:
    """What days are like: float64 [24, K], mean of each signal at each hour, and its standard deviation."""

    mean: FloatArray
    spread: FloatArray

    @staticmethod
    def of(days: Sequence[FloatArray]) -> Regime:
        """From the `signals` of some whole days.

        Raises:
            InvalidInput: fewer than two days, which do not tell how much days differ.
        """
        if len(days) < 2:
            raise InvalidInput(f"a regime is known from at least two days, got {len(days)}")
        values = np.stack(days)
        by_hour = values.reshape(len(days), 24, _PER_HOUR, -1).transpose(1, 0, 2, 3).reshape(24, len(days) * _PER_HOUR, -1)
        hourly = by_hour.std(axis=1, ddof=1)
        pooled = np.sqrt((hourly**2).mean(axis=0))
        return Regime(by_hour.mean(axis=1), np.maximum(np.maximum(hourly, pooled), _LEAST_SPREAD))


@dataclass(frozen=True, slots=True)
class Alarm:
    """When drift was noticed, in ms since midnight, and in what: names of signals."""

    at_ms: int
    signals: tuple[str, ...]


class DriftDetector:
    """Holds days against a regime, quarter of an hour by quarter of an hour. What it has gathered outlasts midnight."""

    def __init__(self, regime: Regime, services: Sequence[str]) -> None:
        """`services`: keys, in the order of their indices."""
        self._regime = regime
        self.names = (*services, "bandwidth", "refused")
        self._tests = PageHinkley(len(self.names))

    def add(self, place: int, values: FloatArray) -> Alarm | None:
        """Takes the signals of one quarter of an hour, the `place`-th of its day; an alarm at its end, or None."""
        hour = place // _PER_HOUR
        alarms = self._tests.add((values - self._regime.mean[hour]) / self._regime.spread[hour])
        if not alarms.any():
            return None
        named = tuple(name for name, raised in zip(self.names, alarms.tolist(), strict=True) if raised)
        return Alarm((place + 1) * BIN_MS, named)

    def watch(self, day: FloatArray) -> list[Alarm]:
        """All alarms of a day's signals."""
        found = [self.add(place, values) for place, values in enumerate(day)]
        return [alarm for alarm in found if alarm is not None]
