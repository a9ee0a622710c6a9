"""How soon a version that does not start, or keeps ending, is tried again, and why it does not work."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
FORGIVEN_AFTER_S = 60.0
"""A version that has had no trouble for so long begins anew with the shortest pause."""


class Attempts:
    """Pauses and reasons by xApp and version; nothing of it outlives the manager."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """`now`: seconds of a clock that is never set back."""
        self._now = now
        self._paused_until: dict[tuple[str, str], float] = {}
        self._failures: dict[tuple[str, str], int] = {}
        self._reasons: dict[tuple[str, str], str] = {}

    def failed(self, name: str, version: str, reason: str) -> float:
        """Notes a failure; returns the pause before the next attempt in seconds, twice as long as the one before."""
        now_s, key = self._now(), (name, version)
        is_again = now_s - self._paused_until.get(key, -FORGIVEN_AFTER_S) < FORGIVEN_AFTER_S
        count = self._failures.get(key, 0) + 1 if is_again else 1
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (count - 1))
        self._failures[key], self._paused_until[key], self._reasons[key] = count, now_s + pause_s, reason
        return pause_s

    def is_paused(self, name: str, version: str) -> bool:
        """Whether it is too early for another attempt."""
        return self._now() < self._paused_until.get((name, version), 0.0)

    def reason(self, name: str, version: str) -> str:
        """Why the last attempt failed; empty once the version works, or nobody wants it."""
        return self._reasons.get((name, version), "")

    def works(self, name: str, version: str) -> None:
        """There is nothing to tell any more; the pause stays what it is, should the version fail again soon."""
        self._reasons.pop((name, version), None)

    def forget_others(self, name: str, wanted: Collection[str]) -> None:
        """What nobody wants has no reason not to run."""
        for key in [key for key in self._reasons if key[0] == name and key[1] not in wanted]:
            del self._reasons[key]
