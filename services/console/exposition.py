"""Prometheus' text format, as far as the console reads it: samples by name and label, increases over a window, quantiles."""

from __future__ import annotations

import math
import re
from collections import defaultdict, deque
from collections.abc import Mapping
from functools import lru_cache

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Values = Mapping[str, float]
"""Series as it stands in the text, with its labels -> value."""


def parse(text: str) -> dict[str, float]:
    """The samples of an exposition; comments and exemplars are left out."""
    values = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, _, value = line.partition(" # ")[0].rpartition(" ")
            values[series] = float(value)
    return values


class Samples:
    """Samples, to be asked by name and label."""

    def __init__(self, values: Values) -> None:
        self._rows: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for series, value in values.items():
            name, labels = _split(series)
            self._rows[name].append((labels, value))

    def sum(self, name: str, **only: str) -> float:
        """Sum over the series with these labels, 0 if there is none."""
        return sum(value for labels, value in self._rows.get(name, ()) if only.items() <= labels.items())

    def value(self, name: str, **only: str) -> float | None:
        """The value of a gauge; None if there is none with these labels."""
        return next((value for labels, value in self._rows.get(name, ()) if only.items() <= labels.items()), None)

    def by(self, name: str, label: str, **only: str) -> dict[str, float]:
        """Sums by the value of one label, in the order they were exposed."""
        sums: dict[str, float] = defaultdict(float)
        for labels, value in self._rows.get(name, ()):
            if label in labels and only.items() <= labels.items():
                sums[labels[label]] += value
        return dict(sums)

    def quantile(self, name: str, ratio: float, **only: str) -> float | None:
        """A quantile of a histogram, linear within its bucket; None while nothing was observed.

        Above the highest finite bound it is that bound, as with Prometheus' `histogram_quantile`.
        """
        buckets = sorted((float(bound), count) for bound, count in self.by(f"{name}_bucket", "le", **only).items())
        if not buckets or buckets[-1][1] <= 0:
            return None
        wanted, below, lower = ratio * buckets[-1][1], 0.0, 0.0
        for bound, count in buckets:
            if count >= wanted and count > below:
                return lower if math.isinf(bound) else lower + (bound - lower) * (wanted - below) / (count - below)
            below, lower = count, lower if math.isinf(bound) else bound
        return lower


class CounterWindow:
    """How much counters rose during the last so many seconds."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._kept: deque[tuple[float, Values]] = deque()

    def add(self, at_s: float, values: Values) -> None:
        """What was read at `at_s`, which never runs backwards. A counter that fell tells of a restart: all begins anew."""
        if self._kept and any(value < self._kept[-1][1].get(series, value) for series, value in _counters(values)):
            self._kept.clear()
        self._kept.append((at_s, values))
        while len(self._kept) > 2 and self._kept[1][0] <= at_s - self._window_s:
            self._kept.popleft()

    @property
    def span_s(self) -> float:
        """Seconds between the oldest and the newest reading; 0 with fewer than two."""
        return self._kept[-1][0] - self._kept[0][0] if self._kept else 0.0

    def increase(self) -> Samples:
        """The rise of every counter over `span_s`; a series that is new counts from 0."""
        if len(self._kept) < 2:
            return Samples({})
        before, now = self._kept[0][1], self._kept[-1][1]
        return Samples({series: value - before.get(series, 0.0) for series, value in _counters(now)})


def _counters(values: Values) -> list[tuple[str, float]]:
    return [(series, value) for series, value in values.items() if _is_counter(_split(series)[0])]


@lru_cache(maxsize=8192)
def _split(series: str) -> tuple[str, dict[str, str]]:
    name, _, labels = series.partition("{")
    return name, dict(_LABEL.findall(labels))


@lru_cache(maxsize=1024)
def _is_counter(name: str) -> bool:
    return name.endswith(("_total", "_bucket", "_count", "_sum"))
