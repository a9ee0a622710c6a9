"""Pauses between attempts to reach a peer."""

from __future__ import annotations

import random


class Backoff:
    """Doubles from `first_s` to `longest_s`; each pause is shortened at random by up to half, so that the xApps that lost
    the same RIC do not come back in step."""

    def __init__(self, *, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def reset(self) -> None:
        """The peer was reached: begin anew next time."""
        self._next_s = self._first_s

    def pause_s(self) -> float:
        """How long to wait before the next attempt."""
        pause_s = self._next_s * random.uniform(0.5, 1.0)
        self._next_s = min(2 * self._next_s, self._longest_s)
        return pause_s
