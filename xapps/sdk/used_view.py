"""The used amounts an agent plans on: the RIC's snapshot plus its own routes that are not in it yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ric_sim.domain.errors import OversizeMessage
from ric_sim.domain.reservation import CommitRequest, Snapshot
from ricity.e2.v1 import common_pb2

_UINT32 = 0xFFFF_FFFF

_Entries = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _OwnRoute:
    entries: _Entries
    expiry_ms: int
    version: int | None = None  # of the commit, once known

    def is_missing_in(self, snapshot: common_pb2.StoreSnapshot) -> bool:
        """The flow has not ended by then, and its commit, if there was one, came later."""
        return self.expiry_ms > snapshot.now_ms and (self.version is None or self.version > snapshot.version)


class UsedView:
    """Keeps decisions of one agent from colliding with each other.

    A route is added when it is decided and stays until a snapshot contains it (its commit's version is not above the
    snapshot's), the flow's end has passed, or its commit is known to have failed. Commits of other xApps are only seen
    with the next snapshot.
    """

    def __init__(self, n_resources: int) -> None:
        self._used = np.zeros(n_resources, dtype=np.uint32)
        self._cells = self._used.data  # item access is several times as fast as through numpy
        self._readonly = self._used.view()
        self._readonly.setflags(write=False)
        self._own: dict[str, _OwnRoute] = {}
        self.snapshot = Snapshot(version=0, now_ms=0, used=self._readonly)

    def refresh(self, message: common_pb2.StoreSnapshot) -> None:
        """Takes the RIC's newest snapshot.

        Raises:
            OversizeMessage: it has another number of resources than the city. Nothing changed.
        """
        if len(message.used) != self._used.nbytes:
            raise OversizeMessage(
                f"snapshot of {len(message.used)} bytes: the city has {len(self._used)} resources of 4 bytes each"
            )
        self._used[:] = np.frombuffer(message.used, dtype="<u4")
        pressure = np.frombuffer(message.pressure, dtype="<f4") if len(message.pressure) == self._used.nbytes else None
        self.snapshot = Snapshot(message.version, message.now_ms, self._readonly, pressure)
        self._own = {flow_id: own for flow_id, own in self._own.items() if own.is_missing_in(message)}
        for own in self._own.values():
            self._add(own.entries, sign=1)

    def add(self, reservation: CommitRequest) -> None:
        """Counts a route that has been decided and whose commit is not known yet."""
        self.forget(reservation.flow_id)
        self._own[reservation.flow_id] = _OwnRoute(reservation.entries, reservation.expiry_ms)
        self._add(reservation.entries, sign=1)

    def committed(self, flow_id: str, version: int) -> None:
        """The route holds from `version` on: the next snapshot that is as new contains it."""
        own = self._own.get(flow_id)
        if own is None:
            return
        if version <= self.snapshot.version:
            self.forget(flow_id)
        else:
            own.version = version

    def forget(self, flow_id: str) -> None:
        """The route does not hold (or is in the snapshot already): it is not counted any more."""
        own = self._own.pop(flow_id, None)
        if own is not None:
            self._add(own.entries, sign=-1)

    def _add(self, entries: _Entries, *, sign: int) -> None:
        # Modulo 2^32: what was added is taken away exactly, even if a sum ever passed the end of the range.
        cells = self._cells
        for resource, amount in entries:
            cells[resource] = (cells[resource] + sign * amount) & _UINT32
