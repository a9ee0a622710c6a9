"""The xApp's metrics (declared in ric_sim/telemetry/registry.yaml), bound to its name and version once."""

from __future__ import annotations

from ric_sim.telemetry import counter, gauge, histogram
from ricity.e2.v1 import xapp_pb2

_PREFIX = "CONTROL_STATUS_"
STATUS_LABELS: dict[int, str] = {
    number: name.removeprefix(_PREFIX).lower() for name, number in xapp_pb2.ControlStatus.items() if number
}
"""Control status number -> label value, e.g. `applied`."""


class XappMetrics:
    """Every series exists from the start, so that a dashboard shows 0 and not a gap."""

    def __init__(self, xapp: str, version: str) -> None:
        both = {"xapp": xapp, "version": version}
        self.requests = counter("ricity_xapp_requests_total").labels(**both)
        decisions = counter("ricity_xapp_decisions_total")
        self.decisions = {outcome: decisions.labels(**both, outcome=outcome) for outcome in ("route", "reject", "error")}
        self.decision_seconds = histogram("ricity_xapp_decision_seconds").labels(**both)
        self.replans = counter("ricity_xapp_replans_total").labels(**both)
        outcomes = counter("ricity_xapp_outcomes_total")
        self.outcomes = {number: outcomes.labels(**both, status=label) for number, label in STATUS_LABELS.items()}
        self.batch_requests = histogram("ricity_xapp_batch_requests").labels(xapp=xapp)
        self.held = gauge("ricity_xapp_held_requests").labels(xapp=xapp)
        self.reports = counter("ricity_xapp_reports_total").labels(xapp=xapp)
        self.report_errors = counter("ricity_xapp_report_errors_total").labels(xapp=xapp)
        self.attached = gauge("ricity_xapp_attached").labels(xapp=xapp)
        self.reconnects = counter("ricity_xapp_reconnects_total").labels(xapp=xapp)
        self.connect_failures = counter("ricity_xapp_connect_failures_total").labels(xapp=xapp)
        dropped = counter("ricity_xapp_dropped_total")
        self.dropped = {queue: dropped.labels(xapp=xapp, queue=queue) for queue in ("inserts", "expired", "reports")}
