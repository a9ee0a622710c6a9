"""What became of a live slicing network: bounded series and totals, written as slicing.json."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.radio.config import SLICES
from ric_sim.radio.shield import LIMITS
from ric_sim.radio.world import StepResult
from services.radio.metrics import CONTROL_RESULTS

MOST_WINDOWS = 240
"""Of the series; when they are full, each two become one, so that a run of any length keeps its shape in as much memory."""

_KEPT_ANSWERS = 20_000
_COLUMNS = (
    "reward",
    "all3",
    *(f"satisfied_{name}" for name in SLICES),
    "qos_embb_mbps",
    "qos_mmtc_mbps",
    "qos_urllc_ms",
    *(f"used_rbs_{name}" for name in SLICES),
    "fallback",
    "rule_reward",
    "rule_all3",
)
_LAST = ("policy_version", "policy_age_s")


class WindowedSeries:
    """Means of F columns over M O-DUs in windows of equally many frames, at most `MOST_WINDOWS` of them.

    Attributes:
        window_frames: frames per window; doubles whenever the windows are full.
    """

    def __init__(self, n_dus: int, n_columns: int, n_last: int) -> None:
        self.window_frames = 1
        self._sums = np.zeros((MOST_WINDOWS, n_dus, n_columns))
        self._last = np.zeros((MOST_WINDOWS, n_dus, n_last))
        self._counts = np.zeros(MOST_WINDOWS)
        self._used = 0

    def add(self, values: npt.NDArray[np.float64], last: npt.NDArray[np.float64]) -> None:
        """One frame: `values` [M, F] are averaged, of `last` [M, G] a window keeps the latest."""
        if not self._used or self._counts[self._used - 1] >= self.window_frames:
            if self._used == MOST_WINDOWS:
                self._halve()
            if not self._used or self._counts[self._used - 1] >= self.window_frames:
                self._used += 1
        index = self._used - 1
        self._sums[index] += values
        self._last[index] = last
        self._counts[index] += 1

    def _halve(self) -> None:
        half = MOST_WINDOWS // 2
        for array in (self._sums, self._counts):
            array[:half] = array[0::2] + array[1::2]
            array[half:] = 0.0
        self._last[:half] = self._last[1::2]
        self._used, self.window_frames = half, 2 * self.window_frames

    @property
    def frames(self) -> list[int]:
        """The frame each window ends with, counted from 1."""
        ends: list[int] = np.cumsum(self._counts[: self._used]).astype(np.int64).tolist()
        return ends

    def means(self) -> npt.NDArray[np.float64]:
        """[W, M, F]."""
        result: npt.NDArray[np.float64] = self._sums[: self._used] / self._counts[: self._used, None, None]
        return result

    def latest(self) -> npt.NDArray[np.float64]:
        """[W, M, G]."""
        return self._last[: self._used]


class SlicingRecord:
    """Collects frame after frame; `to_dict` is the content of slicing.json."""

    def __init__(self, n_dus: int, *, rule: str) -> None:
        self._n_dus, self._rule = n_dus, rule
        self._series = WindowedSeries(n_dus, len(_COLUMNS), len(_LAST))
        self._answers_s = np.zeros(_KEPT_ANSWERS, dtype=np.float32)
        self._n_answers = 0
        self._versions = np.zeros(n_dus, dtype=np.int64)
        self._since_s = np.full(n_dus, time.monotonic())
        self._activations = np.zeros(n_dus, dtype=np.int64)
        self.began_s = time.monotonic()
        self.frames = 0
        self.controls = {name: np.zeros(n_dus, dtype=np.int64) for name in CONTROL_RESULTS}
        self.interventions = {limit: np.zeros(n_dus, dtype=np.int64) for limit in LIMITS}

    @property
    def policy_age_s(self) -> npt.NDArray[np.float64]:
        """[M], since each O-DU's controls began to name the weights they name."""
        return time.monotonic() - self._since_s

    def decided_with(self, du: int, version: int) -> None:
        """A control of this O-DU named these weights."""
        if version != self._versions[du]:
            self._versions[du], self._since_s[du] = version, time.monotonic()
            self._activations[du] += 1

    def answered(self, seconds: float) -> None:
        """From sending a report to having its control."""
        self._answers_s[self._n_answers % _KEPT_ANSWERS] = seconds
        self._n_answers += 1

    def add(
        self,
        played: StepResult,
        ruled: StepResult,
        fallback: npt.NDArray[np.bool_],
        on_air: npt.NDArray[np.bool_],
    ) -> None:
        """One frame, as it was played and as the rule would have had it.

        Args:
            played, ruled: of one world each.
            fallback: bool [M], who was given the safe split.
            on_air: bool [M]; an O-DU that is not counts as the mean of the others, so that it changes no mean.
        """
        columns = (
            played.reward[0],
            played.all3[0],
            *played.satisfied[0].T,
            *played.qos[0].T,
            *played.used_rbs[0].T,
            fallback,
            ruled.reward[0],
            ruled.all3[0],
        )
        values = np.stack(columns, axis=1).astype(np.float64)
        values[~on_air] = values[on_air].mean(axis=0)
        self._series.add(values, np.stack((self._versions, self.policy_age_s), axis=1))
        self.frames += 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; ratios 0 to 1."""
        means, latest, wall_s = self._series.means(), self._series.latest(), time.monotonic() - self.began_s
        answers_ms = 1e3 * self._answers_s[: min(self._n_answers, _KEPT_ANSWERS)]
        return {
            "n_dus": self._n_dus,
            "frames": self.frames,
            "wall_s": round(wall_s, 3),
            "frames_per_s": round(self.frames / wall_s, 2) if wall_s > 0 else 0.0,
            "rule": self._rule,
            "answer_ms": {name: _quantile(answers_ms, q) for name, q in (("p50", 50), ("p99", 99))},
            "totals": _totals(means, self._series.frames),
            "dus": {f"du_{du}": self._du(du, means[:, du], latest[:, du]) for du in range(self._n_dus)},
            "series_frame": self._series.frames,
        }

    def _du(self, du: int, means: npt.NDArray[np.float64], latest: npt.NDArray[np.float64]) -> dict[str, Any]:
        return {
            **{name: int(counts[du]) for name, counts in self.controls.items()},
            "shield": {limit: int(counts[du]) for limit, counts in self.interventions.items()},
            "policy_version": int(self._versions[du]),
            "policy_age_s": round(float(self.policy_age_s[du]), 3),
            "activations": int(self._activations[du]),
            "series": {
                **{name: np.round(means[:, index], 4).tolist() for index, name in enumerate(_COLUMNS)},
                **{name: np.round(latest[:, index], 3).tolist() for index, name in enumerate(_LAST)},
            },
        }


def _totals(means: npt.NDArray[np.float64], ends: list[int]) -> dict[str, Any]:
    """Of all O-DUs: the whole run, its first and its last fifth."""
    if not ends:
        return {}
    weights = np.diff(ends, prepend=0)
    ends_at = np.asarray(ends) / ends[-1]
    spans = {
        "whole": np.ones(len(ends), dtype=np.bool_),
        "first_fifth": ends_at <= max(0.2, ends_at[0]),
        "last_fifth": ends_at > 0.8,
    }
    return {
        span: {
            name: round(float(np.average(means[chosen, :, index].mean(axis=1), weights=weights[chosen])), 4)
            for index, name in enumerate(_COLUMNS)
        }
        for span, chosen in spans.items()
    }


def _quantile(values: npt.NDArray[np.float32], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 3) if len(values) else None
