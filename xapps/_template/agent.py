"""What the xApp does: here it looks at measurements and says what it sees. Put your own thought in."""

from __future__ import annotations

from typing import Any

import structlog

from xapps._template.features import LatestValues
from xapps._template.settings import TemplateSettings
from xapps.sdk.report import KpmReport


class TemplateAgent:
    """A `ReportAgent` (xapps/sdk/agent.py) that takes its settings live (xapps/sdk/live_config.py).

    To decide requests as well, add `decide` and make it an `InsertAgent`.
    """

    def __init__(self, *, summary_reports: int, log: Any = None) -> None:
        """`summary_reports`: reports between two summaries."""
        self.latest = LatestValues()
        self._summary_reports = summary_reports
        self._reports = 0
        self._log = log or structlog.get_logger()

    def check_settings(self, settings: TemplateSettings) -> None:
        """Raise a `RicityError` here for values that only the running agent can tell to be wrong."""

    def take_settings(self, settings: TemplateSettings) -> None:
        self._summary_reports = settings.summary_reports

    def on_report(self, report: KpmReport) -> None:
        self.latest.take(report)
        self._reports += 1
        if self._reports % self._summary_reports == 0:
            facts = {"reports": self._reports, "emulated_ms": report.start_ms, "means": self.latest.means()}
            self._log.info("template.summary", **facts)
