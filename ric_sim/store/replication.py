"""Semi-synchronous replication: what is acknowledged is on a replica as well, as long as there is one that keeps up."""

from __future__ import annotations

from typing import Any

import structlog

from ric_sim.telemetry import counter, gauge

REPLICATED_VERBS = ("create", "commit", "preempt", "release")
"""Verbs whose loss a client would notice; expiries and snapshots follow from emulated time and can be done again."""

WAIT_MS = 200
"""Longest that an answer waits for a replica, of which there was one until now."""

WAIT_WITHOUT_MS = 10
"""The same while there is none: enough for one that has come back to be noticed."""


class ReplicaWatch:
    """How long to wait for a replica, and whether one has what was written. Falls back to not having one, and says so."""

    def __init__(self) -> None:
        self._has_replica = True
        self._log: Any = structlog.get_logger()
        self._gauge = gauge("ricity_ric_replica_attached")
        self._gauge.set(1)

    @property
    def wait_ms(self) -> int:
        """For WAIT."""
        return WAIT_MS if self._has_replica else WAIT_WITHOUT_MS

    def note(self, copies: int) -> None:
        """Takes the reply of WAIT."""
        if copies == 0:
            counter("ricity_ric_unreplicated_writes_total").inc()
        if self._has_replica == (copies > 0):
            return
        self._has_replica = copies > 0
        self._gauge.set(int(self._has_replica))
        if self._has_replica:
            self._log.info("store.replicated")
        else:
            self._log.warning("store.unreplicated", waited_ms=WAIT_MS)
