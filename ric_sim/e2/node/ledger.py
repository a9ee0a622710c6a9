"""What became of every request of a day: exactly one final record each, whatever arrives twice, late or never."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import Cause
from ric_sim.network.traffic import Day


class Outcome(IntEnum):
    """The final record of a request; PENDING until there is one."""

    PENDING = 0
    APPLIED = 1
    REJECTED = 2
    DEFAULT = 3

    @property
    def label(self) -> str:
        """As it stands in metrics: accepted, rejected, default."""
        return "accepted" if self == Outcome.APPLIED else self.name.lower()


_APPLIED, _REJECTED = Outcome.APPLIED, Outcome.REJECTED
"""Looking a member up in its enum costs more than the rest of a comparison."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A final record.

    Attributes:
        outcome: anything but PENDING.
        cause: NONE for an applied route.
        latency_us: end-to-end latency of an applied route, else 0.
        n_links: links of an applied route, else 0.
        attempts: controls it took; 0 if no xApp answered.
        deliveries: instances it was delivered to.
        instance: who decided, `<xapp>/<version>/<instance id>`, empty if no xApp did.
        by_node: the node took its default action itself.
    """

    outcome: Outcome
    cause: Cause = Cause.NONE
    latency_us: int = 0
    n_links: int = 0
    attempts: int = 0
    deliveries: int = 0
    instance: str = ""
    by_node: bool = False

    @property
    def accepted(self) -> bool:
        """The flow is carried."""
        return self.outcome is _APPLIED

    @property
    def decided(self) -> bool:
        """An xApp decided it."""
        return self.outcome is _APPLIED or self.outcome is _REJECTED


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks: seconds of wall time since the day began to be played, emulated milliseconds."""

    wall_s: float
    emulated_ms: int


_NEVER = -1
_UNRAISED, _OPEN, _SETTLED_BY_RIC, _SETTLED_BY_NODE = range(4)


class Ledger:
    """Arrays [F], one row per flow of the day, in the order of the day.

    Attributes (columns of ledger.npz):
        outcome: int8, `Outcome`.
        cause: int8, `ric_sim.domain.flow.Cause`.
        latency_us: int64, end-to-end latency of an applied route, else 0.
        n_links: int16, links of an applied route, else 0.
        raised_us: int64, wall time since the day began, -1 if never raised.
        sent_us: int64, first sent to the RIC, -1 if never.
        answered_us: int64, wall time of the final record, -1 if none.
        answered_ms: int64, emulated time of it, -1 if none.
        attempts, deliveries: int16, as the RIC reported them.
        resent: bool, sent again after an association broke.
        by_node: bool, the node took its default action itself.
        instance: int16, row of `instances`, -1 if no xApp decided.
        displaced: bool, an applied route gave way to another flow later; there only if any did.
    """

    def __init__(self, day: Day, *, n_services: int) -> None:
        n = len(day)
        self.service = day.service
        self.outcome = np.zeros(n, np.int8)
        self.cause = np.zeros(n, np.int8)
        self.latency_us = np.zeros(n, np.int64)
        self.n_links = np.zeros(n, np.int16)
        self.raised_us = np.full(n, _NEVER, np.int64)
        self.sent_us = np.full(n, _NEVER, np.int64)
        self.answered_us = np.full(n, _NEVER, np.int64)
        self.answered_ms = np.full(n, _NEVER, np.int64)
        self.attempts = np.zeros(n, np.int16)
        self.deliveries = np.zeros(n, np.int16)
        self.resent = np.zeros(n, np.bool_)
        self.by_node = np.zeros(n, np.bool_)
        self.instance = np.full(n, _NEVER, np.int16)
        self.n_raised = 0
        self.n_settled = 0
        self.n_accepted = 0
        self.settled_by_service = [0] * n_services
        self.accepted_by_service = [0] * n_services
        self.answered_twice = 0
        self.late = 0
        self.unknown = 0
        self.displaced: set[int] = set()
        self._states = bytearray(n)  # what the columns say too, but quick to ask
        self._instances: dict[str, int] = {}

    def raised(self, index: int, wall_s: float) -> None:
        """Notes that the flow's request exists from now on; it needs one final record."""
        self._states[index] = _OPEN
        self.raised_us[index] = _us(wall_s)
        self.n_raised += 1

    def sent(self, index: int, wall_s: float) -> None:
        """Notes that the request went to the RIC, for the first time or again."""
        if self.sent_us[index] == _NEVER:
            self.sent_us[index] = _us(wall_s)
        else:
            self.resent[index] = True

    def settle(self, index: int, settlement: Settlement, at: Moment) -> bool:
        """Writes the final record; False, and only a count, if the request has one already or was never raised."""
        if not self._takes(index):
            return False
        self._states[index] = _SETTLED_BY_NODE if settlement.by_node else _SETTLED_BY_RIC
        self.outcome[index] = settlement.outcome
        self.cause[index] = settlement.cause
        self.latency_us[index] = settlement.latency_us
        self.n_links[index] = settlement.n_links
        self.attempts[index] = settlement.attempts
        self.deliveries[index] = settlement.deliveries
        self.by_node[index] = settlement.by_node
        self.answered_us[index] = _us(at.wall_s)
        self.answered_ms[index] = at.emulated_ms
        if settlement.instance:
            self.instance[index] = self._instances.setdefault(settlement.instance, len(self._instances))
        self._count(int(self.service[index]), accepted=settlement.accepted)
        return True

    def _count(self, service: int, *, accepted: bool) -> None:
        self.n_settled += 1
        self.n_accepted += accepted
        self.settled_by_service[service] += 1
        self.accepted_by_service[service] += accepted

    def is_settled(self, index: int) -> bool:
        """Whether the flow has its final record."""
        return self._states[index] >= _SETTLED_BY_RIC

    def displace(self, index: int) -> bool:
        """Notes that an accepted flow gave way to another; False if that is known or it is not carried."""
        if index in self.displaced or self.outcome[index] != Outcome.APPLIED:
            return False
        self.displaced.add(index)
        return True

    def displaced_flows(self) -> npt.NDArray[np.bool_]:
        """bool [F], true for accepted flows that gave way to others."""
        flows = np.zeros(len(self.outcome), np.bool_)
        flows[list(self.displaced)] = True
        return flows

    def _takes(self, index: int) -> bool:
        state = self._states[index] if 0 <= index < len(self._states) else _UNRAISED
        if state == _OPEN:
            return True
        if state == _UNRAISED:
            self.unknown += 1
        elif state == _SETTLED_BY_NODE:
            self.late += 1
        else:
            self.answered_twice += 1
        return False

    @property
    def instances(self) -> Sequence[str]:
        """Who decided: `<xapp>/<version>/<instance id>` per row of column `instance`."""
        return tuple(self._instances)

    def decision_us(self) -> npt.NDArray[np.int64]:
        """Wall time from first sent to answered, of the requests an xApp decided."""
        decided = np.isin(self.outcome, (Outcome.APPLIED, Outcome.REJECTED)) & (self.sent_us != _NEVER)
        return self.answered_us[decided] - self.sent_us[decided]

    def save(self, path: Path) -> None:
        """Writes every column, `service`, and `instances` as a compressed npz, at once (never half a file)."""
        part = path.with_suffix(".part")
        columns: dict[str, Any] = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        if self.displaced:
            columns["displaced"] = self.displaced_flows()
        with part.open("wb") as file:
            np.savez_compressed(file, instances=np.array(self.instances, np.str_), **columns)
        part.replace(path)


def _us(wall_s: float) -> int:
    return round(wall_s * 1e6)
