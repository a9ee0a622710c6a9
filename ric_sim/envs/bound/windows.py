"""Windows of a day: the bound is taken over some of them, each from an empty network on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.network.city import IntArray
from ric_sim.network.traffic import DAY_MS, Day, selection

MINUTE_MS = 60_000
BUSY_SHARE = 1 / 3
"""Of the day's slots, by offered load, how many count as busy."""
BUSY_WINDOWS_SHARE = 2 / 3
"""Of the chosen windows, how many lie in busy slots."""


@dataclass(frozen=True, slots=True)
class Window:
    """The requests that arrive from `start_ms` up to, not including, `end_ms`; milliseconds of the day."""

    start_ms: int
    end_ms: int

    def __str__(self) -> str:
        return f"{_clock(self.start_ms)}-{_clock(self.end_ms)}"

    def day(self, day: Day) -> Day:
        """The window's requests as a day of their own, times unchanged.

        Raises:
            OutOfRange: none arrives in the window.
        """
        chosen = np.flatnonzero((day.arrival_ms >= self.start_ms) & (day.arrival_ms < self.end_ms))
        if not len(chosen):
            raise OutOfRange(f"day {day.name}: no request arrives in the window {self}; choose one with traffic")
        return selection(day, f"{day.name}-{_clock(self.start_ms)}", chosen)


def choose_windows(day: Day, n: int, *, minutes: int) -> tuple[Window, ...]:
    """At most n windows, most of them in the busiest third of the day, spread evenly over it; the others over the rest.

    The same day gives the same windows, in order of time. There are fewer if the day has fewer windows with requests.

    Raises:
        OutOfRange: n below 1, or minutes outside 1 to 1440.
    """
    if n < 1:
        raise OutOfRange(f"{n} windows: expected at least 1")
    width_ms = _width_ms(minutes)
    offered = np.bincount(day.arrival_ms // width_ms, day.bandwidth_kbps.astype(np.float64) * day.holding_ms)
    used = np.flatnonzero(offered)
    by_load = used[np.argsort(-offered[used], kind="stable")]
    n_busy = max(1, round(BUSY_SHARE * len(used)))
    wanted_busy = max(round(BUSY_WINDOWS_SHARE * n), n - (len(used) - n_busy))
    busy = _evenly(np.sort(by_load[:n_busy]), wanted_busy)
    slots = np.sort(np.concatenate([busy, _evenly(np.sort(by_load[n_busy:]), n - len(busy))]))
    return tuple(Window(slot * width_ms, (slot + 1) * width_ms) for slot in slots.tolist())


def windows_at(starts_ms: Sequence[int], *, minutes: int) -> tuple[Window, ...]:
    """Windows that begin at these milliseconds of the day.

    Raises:
        OutOfRange: a start outside the day, or minutes outside 1 to 1440.
    """
    width_ms = _width_ms(minutes)
    for start_ms in starts_ms:
        if not 0 <= start_ms < DAY_MS:
            raise OutOfRange(f"a window cannot start at {start_ms} ms: expected 0 to {DAY_MS - 1}")
    return tuple(Window(start_ms, start_ms + width_ms) for start_ms in dict.fromkeys(starts_ms))


def _evenly(slots: IntArray, n: int) -> IntArray:
    n = min(n, len(slots))
    return slots[((np.arange(n) + 0.5) * len(slots) / max(n, 1)).astype(np.int64)]


def _width_ms(minutes: int) -> int:
    if not 1 <= minutes * MINUTE_MS <= DAY_MS:
        raise OutOfRange(f"a window of {minutes} minutes: expected 1 to {DAY_MS // MINUTE_MS}")
    return minutes * MINUTE_MS


def _clock(time_ms: int) -> str:
    return f"{time_ms // (60 * MINUTE_MS):02d}:{time_ms // MINUTE_MS % 60:02d}"
