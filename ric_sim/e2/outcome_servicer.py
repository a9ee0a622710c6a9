"""`VersionOutcomeService`: what the manager's A/B tests read."""

from __future__ import annotations

from typing import Any

from ric_sim.e2.version_outcomes import LATENCY_BOUNDS_MS, OutcomeBook, Outcomes, Window
from ric_sim.network.city import City
from ricity.e2.v1 import outcomes_pb2, outcomes_pb2_grpc

MOST_WINDOWS_PER_ANSWER = 100


class OutcomeServicer(outcomes_pb2_grpc.VersionOutcomeServiceServicer):
    """Nothing is decided here."""

    def __init__(self, city: City, book: OutcomeBook) -> None:
        self._keys = [spec.key for spec in city.services]
        self._book = book

    async def ListOutcomes(self, request: outcomes_pb2.ListOutcomesRequest, context: Any) -> outcomes_pb2.ListOutcomesResponse:
        limit = min(request.limit or MOST_WINDOWS_PER_ANSWER, MOST_WINDOWS_PER_ANSWER)
        windows = [self._window(window, request.xapp_name) for window in self._book.after(request.after, limit=limit)]
        return outcomes_pb2.ListOutcomesResponse(
            epoch=self._book.epoch,
            oldest=self._book.oldest,
            latest=self._book.latest,
            windows=windows,
            latency_bounds_ms=LATENCY_BOUNDS_MS,
        )

    def _window(self, window: Window, xapp_name: str) -> outcomes_pb2.OutcomeWindow:
        return outcomes_pb2.OutcomeWindow(
            sequence=window.sequence,
            ended_unix_ms=window.ended_unix_ms,
            length_ms=window.length_ms,
            versions=[self._row(*key, row) for key, row in window.rows.items() if xapp_name in ("", key[0])],
            unsettled_xapps=[name for name in sorted(window.unsettled) if xapp_name in ("", name)],
        )

    def _row(self, xapp_name: str, version: str, service: int, row: Outcomes) -> outcomes_pb2.VersionOutcomes:
        return outcomes_pb2.VersionOutcomes(
            xapp_name=xapp_name,
            xapp_version=version,
            service=self._keys[service],
            accepted=row.accepted,
            rejected=row.rejected,
            expired=row.expired,
            causes=row.causes,
            aborted_requests=row.aborted_requests,
            aborted_commits=row.aborted_commits,
            lost=row.lost,
            latency_counts=row.latency_counts,
            latency_sum_us=row.latency_sum_us,
        )
