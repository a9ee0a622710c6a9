"""When the next requests of a day are due: as fast as answers come, in scaled emulated time, or at a fixed rate.

Wall times are seconds of one monotonic clock. A pace never decides what happens to a request, only when it exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ric_sim.network.traffic import Day

MAX_SKEW_MS = 60_000
"""At speed max no request is raised while one that arrived this much earlier (emulated) is still unanswered. About the
mean holding time of most services: a request held up by its xApp is answered while its flow would still be alive."""

_GROUPS = 3
"""`MaxPace` raises when a third of its window is free: a message costs several times what a request in it costs."""

PACED_OUTSTANDING = 4096
"""Most requests outstanding on a paced day; the next ones get the default action QUEUE_FULL."""


class Progress(NamedTuple):
    """Where the day stands: flows [0, raised) exist, flows [0, settled) all have their final record."""

    raised: int
    settled: int
    n_outstanding: int


class Pace(Protocol):
    """Emulated time and the flows due by it."""

    max_outstanding: int
    pauses: bool
    """The clock stands still while a request cannot be raised; otherwise requests queue up."""
    runs_on: bool
    """The clock goes on after the last flow of the day."""

    def start(self, wall_s: float) -> None:
        """The day begins now."""

    def due(self, progress: Progress, wall_s: float) -> int:
        """Flows [0, due) may be raised by now; at least `progress.raised`."""

    def emulated_ms(self, progress: Progress, wall_s: float) -> int:
        """Emulated time; never runs back."""

    def horizon_ms(self, progress: Progress, wall_s: float) -> int:
        """Emulated time up to which it is known what the city carries; never runs back."""

    def due_at_s(self, index: int) -> float | None:
        """Wall time at which flow `index` is due; None if that hangs on answers."""


class MaxPace:
    """As fast as answers come: at most `in_flight` requests outstanding, raised strictly in order of arrival.

    Emulated time is the arrival of the newest request raised, as on a clock that runs by itself. The others in the window
    are decided late by that clock, in a city that looks a little emptier than it was when they arrived: the price of
    playing hours in seconds, small while the window is (docs/results.md shows it by window). With a window of one, a live
    day equals the in-process evaluation. A pause of the RIC is a pause of the city.

    When one service gets no answers, the others go on until that service's requests fill the window or the oldest is
    `max_skew_ms` behind; then the day waits, at the longest for the time-to-wait of the oldest. Letting the others run
    further would gain little (at full speed a second of wall time is a quarter of an hour of the day) and would decide
    the held-up requests in a city of another hour.
    """

    pauses = True
    runs_on = False

    def __init__(self, day: Day, *, in_flight: int, max_skew_ms: int = MAX_SKEW_MS) -> None:
        self.max_outstanding = in_flight
        self._arrival_ms: list[int] = day.arrival_ms.tolist()
        self._max_skew_ms = max_skew_ms
        self._group = max(1, in_flight // _GROUPS)

    def start(self, wall_s: float) -> None:
        """Nothing to note: this clock is driven by answers."""

    def due(self, progress: Progress, wall_s: float) -> int:
        room = self.max_outstanding - progress.n_outstanding
        if room < self._group:
            return progress.raised
        room = min(room, len(self._arrival_ms) - progress.raised)
        due, end = progress.raised, progress.raised + room
        while due < end and self._arrival_ms[due] <= self._arrival_ms[progress.settled] + self._max_skew_ms:
            due += 1
        return due

    def emulated_ms(self, progress: Progress, wall_s: float) -> int:
        return self._arrival_ms[max(progress.raised - 1, 0)] if self._arrival_ms else 0

    def horizon_ms(self, progress: Progress, wall_s: float) -> int:
        if not self._arrival_ms:
            return 0
        return self._arrival_ms[min(progress.settled, max(progress.raised - 1, 0))]

    def due_at_s(self, index: int) -> float | None:
        return None


class SpeedPace:
    """`speed` emulated seconds per wall second, from the first arrival on; it goes on after the last."""

    pauses = False
    runs_on = True
    max_outstanding = PACED_OUTSTANDING

    def __init__(self, day: Day, *, speed: float) -> None:
        self._arrival_ms = day.arrival_ms
        self._first_ms = int(day.arrival_ms[0]) if len(day) else 0
        self._ms_per_s = 1000.0 * speed
        self._start_s = 0.0

    def start(self, wall_s: float) -> None:
        self._start_s = wall_s

    def due(self, progress: Progress, wall_s: float) -> int:
        arrived = int(np.searchsorted(self._arrival_ms, self.emulated_ms(progress, wall_s), side="right"))
        return max(progress.raised, arrived)

    def emulated_ms(self, progress: Progress, wall_s: float) -> int:
        return self._first_ms + max(0, int((wall_s - self._start_s) * self._ms_per_s))

    def horizon_ms(self, progress: Progress, wall_s: float) -> int:
        return self.emulated_ms(progress, wall_s)

    def due_at_s(self, index: int) -> float | None:
        return self._start_s + (int(self._arrival_ms[index]) - self._first_ms) / self._ms_per_s


class RatePace:
    """`rate` requests per wall second whatever their arrival times; emulated time jumps from arrival to arrival."""

    pauses = False
    runs_on = False
    max_outstanding = PACED_OUTSTANDING

    def __init__(self, day: Day, *, rate: float) -> None:
        self._arrival_ms: Sequence[int] = day.arrival_ms.tolist()
        self._rate = rate
        self._start_s = 0.0

    def start(self, wall_s: float) -> None:
        self._start_s = wall_s

    def due(self, progress: Progress, wall_s: float) -> int:
        elapsed = int((wall_s - self._start_s) * self._rate) + 1
        return max(progress.raised, min(elapsed, len(self._arrival_ms)))

    def emulated_ms(self, progress: Progress, wall_s: float) -> int:
        return self._arrival_ms[max(progress.raised - 1, 0)] if self._arrival_ms else 0

    def horizon_ms(self, progress: Progress, wall_s: float) -> int:
        return self.emulated_ms(progress, wall_s)

    def due_at_s(self, index: int) -> float | None:
        return self._start_s + index / self._rate
