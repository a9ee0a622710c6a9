"""How long the city went without answers, measured where it hurts: at the node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OUTAGE_S = 1.0
"""A service that got no answer for this long while requests were outstanding had an outage."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without answers.

    Attributes:
        what: `association`, or the key of the service.
        start_s: wall time since the day began.
        heal_s: until the first answer after it.
    """

    what: str
    start_s: float
    heal_s: float


class OutageTracker:
    """Times are wall seconds since the day began."""

    def __init__(self, services: Sequence[str]) -> None:
        self.outages: list[Outage] = []
        self.longest_gap_s = [0.0] * len(services)
        self._services = services
        self._outstanding = [0] * len(services)
        self._waiting_since_s = [0.0] * len(services)
        self._lost_at_s: float | None = None
        self._up_again = False

    def raised(self, service: int, at_s: float) -> None:
        """A request of the service began to wait."""
        if not self._outstanding[service]:
            self._waiting_since_s[service] = at_s
        self._outstanding[service] += 1

    def settled(self, service: int, at_s: float, *, by_ric: bool) -> None:
        """A request stopped waiting; only the RIC's answers end a gap."""
        self._outstanding[service] -= 1
        gap_s = at_s - self._waiting_since_s[service]
        self.longest_gap_s[service] = max(self.longest_gap_s[service], gap_s)
        if not by_ric:
            return
        if gap_s >= OUTAGE_S:
            self.outages.append(Outage(self._services[service], self._waiting_since_s[service], gap_s))
        self._waiting_since_s[service] = at_s
        if self._up_again and self._lost_at_s is not None:
            self.outages.append(Outage("association", self._lost_at_s, at_s - self._lost_at_s))
            self._lost_at_s, self._up_again = None, False

    def association_lost(self, at_s: float) -> None:
        """The stream to the RIC broke; several losses before the next answer are one outage."""
        if self._lost_at_s is None:
            self._lost_at_s = at_s
        self._up_again = False

    def association_up(self) -> None:
        """A new association is set up; the next answer ends the outage."""
        self._up_again = self._lost_at_s is not None
