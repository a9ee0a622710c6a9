"""One association's work: takes what the RIC sends, lets the agents deal with it, sends what they decide."""

from __future__ import annotations

import asyncio
from typing import Any

from ricity.e2.v1 import xapp_pb2
from xapps.sdk.agent import ReportAgent
from xapps.sdk.agent_errors import AgentErrorLog
from xapps.sdk.e2_client import E2Client
from xapps.sdk.insert_session import InsertSession, limits_of
from xapps.sdk.live_config import LiveConfig
from xapps.sdk.metrics import XappMetrics
from xapps.sdk.report import ReportQueue


class Worker:
    """A `Listener` whose agents run in the event loop's thread, a small group of decisions at a time."""

    def __init__(
        self,
        session: InsertSession | None,
        report_agent: ReportAgent | None,
        config: LiveConfig[Any],
        *,
        metrics: XappMetrics,
        log: Any,
    ) -> None:
        self._session = session
        self._config = config
        self._report_agent = report_agent
        self._reports = ReportQueue(on_drop=metrics.dropped["reports"].inc)
        self._metrics = metrics
        self._errors = AgentErrorLog(log)
        self._has_work = asyncio.Event()

    @property
    def held(self) -> int:
        """Requests without a final outcome."""
        return self._session.held if self._session else 0

    def on_inserts(self, message: xapp_pb2.InsertIndications) -> None:
        if self._session is not None:
            self._session.on_inserts(message)
            self._has_work.set()

    def on_outcomes(self, batch: xapp_pb2.ControlOutcomeBatch) -> None:
        if self._session is not None:
            self._session.on_outcomes(batch)
            if self._session.has_work:
                self._has_work.set()

    def on_steering(self, notice: xapp_pb2.SteeringNotice) -> None:
        if self._session is not None:
            self._session.on_steering(notice)

    def on_config(self, notice: xapp_pb2.ConfigNotice) -> xapp_pb2.ConfigAnswer:
        answer = self._config.take(notice)
        if self._session is not None:
            self._session.limits = limits_of(self._config.settings)
        return answer

    def on_reports(self, message: xapp_pb2.ReportIndications) -> None:
        self._reports.put(message)

    async def decide(self, client: E2Client) -> None:
        """Answers requests until cancelled; keep-alives, outcomes and new snapshots come in between groups."""
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while self._session is not None and self._session.has_work:
                client.send_controls(self._session.decide_group())
                if self._session.has_work:
                    await asyncio.sleep(0)

    async def report(self) -> None:
        """Hands reports to the agent until cancelled."""
        async for report in self._reports:
            if self._report_agent is None:
                continue
            self._metrics.reports.inc()
            try:
                self._report_agent.on_report(report)
            except Exception as error:  # an agent's defect costs this report, not the process
                self._metrics.report_errors.inc()
                self._errors.add(error, ran_name=report.ran_name)
            await asyncio.sleep(0)
