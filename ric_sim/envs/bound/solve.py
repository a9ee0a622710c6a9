"""The bound of one window: solve, find the rows that the solution breaks, add them, solve again."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.bound.columns import columns_of
from ric_sim.envs.bound.program import PackingProgram
from ric_sim.envs.bound.rows import RowFinder
from ric_sim.envs.bound.windows import Window
from ric_sim.network.city import City
from ric_sim.network.traffic import Day, selection

WEIGHTLESS_KBPS = 20_000
"""Bundles up to this size (a third of the requests, a hundredth of the load) count as carried and take nothing."""

ROUNDING = 1e-6
"""Requests; a bound this little below a whole number stands for it."""


@dataclass(frozen=True, slots=True)
class WindowBound:
    """No way to carry the window's requests, whatever is known beforehand, carries more than `accepted_at_most`.

    Attributes:
        requests: that arrive in the window.
        accepted_at_most: whole requests; the bound.
        relaxed_accepted: bound of the linear program by itself, before it is rounded down to whole requests.
        history: that bound after each solution, never rising.
        rows: added to the program.
        complete: no row is missing. A bound with rows missing holds, but a longer search could lower it.
        wall_s: of the search.
    """

    window: Window
    requests: int
    accepted_at_most: int
    relaxed_accepted: float
    history: tuple[float, ...]
    rows: int
    complete: bool
    wall_s: float

    @property
    def gos_ratio(self) -> float:
        """0-1, upper bound on the Grade of Service."""
        return self.accepted_at_most / self.requests


def bound_window(city: City, day: Day, window: Window, *, time_limit_s: float) -> WindowBound:
    """The upper bound of one window of a day, from an empty network on.

    Args:
        time_limit_s: after it the best bound so far is given, with `complete` False.
    Raises:
        OutOfRange: no request arrives in the window, or the time limit is not positive.
    """
    if not time_limit_s > 0:
        raise OutOfRange(f"time limit {time_limit_s} s: expected more than 0")
    started_s = time.perf_counter()
    requests = window.day(day)
    heavy = np.flatnonzero(requests.bandwidth_kbps > WEIGHTLESS_KBPS)
    n_weightless = len(requests) - len(heavy)
    columns = columns_of(city, selection(requests, requests.name, heavy))
    program = PackingProgram(columns)
    history = [float(len(np.unique(columns.flow)))]
    complete = columns.n_columns == 0
    finder = RowFinder(columns)
    while not complete and (left_s := started_s + time_limit_s - time.perf_counter()) > 0:
        x = program.solve(time_limit_s=left_s)
        if x is None:
            break
        history.append(min(history[-1], program.certified_bound()))
        broken = finder.broken(x)
        program.add(broken)
        complete = not broken
    return WindowBound(
        window=window,
        requests=len(requests),
        accepted_at_most=n_weightless + math.floor(history[-1] + ROUNDING),
        relaxed_accepted=n_weightless + history[-1],
        history=tuple(n_weightless + bound for bound in history),
        rows=program.n_rows,
        complete=complete,
        wall_s=time.perf_counter() - started_s,
    )
