"""Memory of a set of processes, shared pages counted once."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil

_PERIOD_S = 2.0


class MemoryPeak:
    """The highest sum seen of the proportional set sizes (PSS) of a deployment."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._due_s = 0.0

    def sample(self, pids: Iterable[int]) -> None:
        """Looks at the processes, at most every two seconds: reading a PSS walks the page tables of its process."""
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + _PERIOD_S
            self.peak_mb = max(self.peak_mb, sum(_pss_mb(pid) for pid in pids))


def _pss_mb(pid: int) -> float:
    """0 for a process that has gone. Systems without PSS give the unique set size instead."""
    try:
        memory = psutil.Process(pid).memory_full_info()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0.0
    return float(getattr(memory, "pss", memory.uss)) / 1e6
