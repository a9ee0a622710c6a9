"""Measurements as an agent sees them, and a bounded queue of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ricity.e2.v1 import common_pb2, xapp_pb2

MAX_QUEUED_REPORTS = 1024


@dataclass(frozen=True, slots=True)
class KpmValue:
    """One measurement of one report.

    Attributes:
        name: KPM name, e.g. `DRB.UEThpDl`; its unit is in the catalogue (`ricity kpm catalogue`).
        label: S-NSSAI as `<sst>-<sd>`; empty: the whole node.
        value: None when there was nothing to measure in the period, which is not 0.
    """

    name: str
    label: str
    value: float | None


@dataclass(frozen=True, slots=True)
class KpmReport:
    """What one node measured in one period.

    Attributes:
        subscription_id: as the RIC numbers it.
        ran_name: the E2 node.
        start_ms: emulated time at which the period began.
        period_ms: emulated length of the period.
        sent_unix_ns: wall time at which the node sent it.
    """

    subscription_id: int
    ran_name: str
    start_ms: int
    period_ms: int
    sent_unix_ns: int
    values: tuple[KpmValue, ...]


def report_from_proto(message: common_pb2.Report) -> KpmReport:
    """The report as an agent sees it; a value that is marked absent, or not there at all, is None."""
    return KpmReport(
        subscription_id=message.subscription_id,
        ran_name=message.ran_name,
        start_ms=message.collection_start_ms,
        period_ms=message.granularity_period_ms,
        sent_unix_ns=message.sent_unix_ns,
        values=tuple(
            KpmValue(value.name, value.label, value.real if value.WhichOneof("value") == "real" else None)
            for value in message.values
        ),
    )


class ReportQueue:
    """Reports between the stream and their reader. When it is full the oldest go: a late measurement is worth least."""

    def __init__(self, *, capacity: int = MAX_QUEUED_REPORTS, on_drop: Callable[[], None] = lambda: None) -> None:
        """`on_drop` is called for each report that went unread."""
        self._reports: deque[KpmReport] = deque()
        self._capacity = capacity
        self._on_drop = on_drop
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._reports)

    def put(self, indications: xapp_pb2.ReportIndications) -> None:
        """Takes what one message brought."""
        for message in indications.reports:
            if len(self._reports) >= self._capacity:
                self._reports.popleft()
                self._on_drop()
            self._reports.append(report_from_proto(message))
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[KpmReport]:
        """Every report, oldest first, for ever; gives way to the event loop after each run of reports."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._reports:
                yield self._reports.popleft()
