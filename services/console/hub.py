"""What the page shows, section by section, and who waits for news of it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

Section = dict[str, Any]

HISTORY_POINTS = 300
"""Of every sparkline: five minutes at one a second."""


class Hub:
    """Sections by name. A reader asks for what changed after the sequence number it has, so a slow one skips frames."""

    def __init__(self) -> None:
        self._seq = 0
        self._sections: dict[str, tuple[int, str]] = {}
        self._values: dict[str, Section] = {}
        self._news = asyncio.Event()
        self._history: deque[tuple[float, dict[str, float]]] = deque(maxlen=HISTORY_POINTS)
        self.closed = False

    def publish(self, name: str, section: Section) -> None:
        """Replaces a section; nothing happens if it is as it was. NaN and infinity are refused with `ValueError`."""
        text = json.dumps(section, separators=(",", ":"), allow_nan=False)
        if name in self._sections and self._sections[name][1] == text:
            return
        self._seq += 1
        self._sections[name] = (self._seq, text)
        self._values[name] = section
        self._wake()

    def get(self, name: str) -> Section:
        """The section as published; empty before that."""
        return self._values.get(name, {})

    def point(self, at_s: float, values: dict[str, float]) -> None:
        """Adds to the history what its series are at `at_s` (seconds since the epoch), and publishes it as `point`."""
        self._history.append((at_s, values))
        self.publish("point", {"at_s": round(at_s, 1), "values": values})

    def history(self) -> Section:
        """`at_s`: [P] and by series [P] values, None where there was none."""
        names = sorted({name for _, values in self._history for name in values})
        return {
            "at_s": [round(at_s, 1) for at_s, _ in self._history],
            "series": {name: [values.get(name) for _, values in self._history] for name in names},
        }

    def changes(self, after: int) -> tuple[int, str]:
        """The present sequence number, and a JSON object of the sections that changed after `after`; empty if none did."""
        changed = [f'"{name}":{text}' for name, (seq, text) in self._sections.items() if seq > after]
        return self._seq, f"{{{','.join(changed)}}}" if changed else ""

    async def wait(self, after: int, *, within_s: float) -> bool:
        """Whether something changed after `after`, or the hub closed, within the time."""
        try:
            async with asyncio.timeout(within_s):
                while self._seq <= after and not self.closed:
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Ends every stream."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
