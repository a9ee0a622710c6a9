"""REPORT indications: one per node and period of emulated time, for every REPORT subscription."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ric_sim.e2 import kpm
from ric_sim.e2.node.carried import CarriedLoad
from ric_sim.e2.node.subscriptions import ReportSubscription
from ric_sim.telemetry import counter
from ricity.e2.v1 import common_pb2

REPORTS_PER_S = 500
"""Default bound on REPORT indications per wall second. At speed max a day has thousands of periods a second."""


class _Schedule:
    """One subscription: the period being collected and the integrals at its start (None: it began before the subscription)."""

    def __init__(self, subscription: ReportSubscription, rows: Sequence[int]) -> None:
        self.subscription = subscription
        self.rows = rows
        self.start_ms = -1
        self.before: kpm.IntegralArray | None = None

    @property
    def due_ms(self) -> int:
        return self.start_ms + self.subscription.period_ms

    def collect_from(self, start_ms: int, integrals: kpm.IntegralArray) -> None:
        self.start_ms, self.before = start_ms, integrals


class Reporter:
    """Collects periods as emulated time passes. Periods begin at multiples of their length since midnight.

    Reporting never holds the traffic up: when more reports are due than `reports_per_s` allows, whole periods are left
    out for all nodes of the subscription, and counted; those that are sent are exact.
    """

    def __init__(self, load: CarriedLoad, *, reports_per_s: float = REPORTS_PER_S) -> None:
        self._load = load
        self._row_of = {node.ran_name: row for row, node in enumerate(load.nodes)}
        self._capacities = [load.capacity(row) for row in range(len(load.nodes))]
        self._schedules: dict[int, _Schedule] = {}
        self._reports_per_s = reports_per_s
        self._most_at_once = max(reports_per_s, len(load.nodes))
        self._budget = self._most_at_once
        self._refilled_s: float | None = None
        self.n_sent = 0
        self.n_skipped = 0

    def subscribe(self, subscription: ReportSubscription) -> None:
        """Reports from the next whole period on; the same subscription again changes nothing."""
        if subscription.subscription_id in self._schedules:
            return
        rows = [self._row_of[ran_name] for ran_name in subscription.ran_names]
        schedule = _Schedule(subscription, rows)
        now_ms, period_ms = self._load.now_ms, subscription.period_ms
        if now_ms % period_ms == 0:
            schedule.collect_from(now_ms, self._load.integrals())
        else:
            schedule.start_ms = now_ms // period_ms * period_ms
        self._schedules[subscription.subscription_id] = schedule

    def unsubscribe(self, subscription_id: int) -> None:
        """No further reports; an id without a subscription changes nothing."""
        self._schedules.pop(subscription_id, None)

    def unsubscribe_all(self) -> None:
        """The association broke."""
        self._schedules.clear()

    def advance(self, to_ms: int, now_s: float) -> list[common_pb2.Report]:
        """Moves the carried load on to emulated time `to_ms` and returns the reports of the periods that ended."""
        reports: list[common_pb2.Report] = []
        self._refill(now_s)
        while (schedule := min(self._schedules.values(), key=_due_ms, default=None)) and schedule.due_ms <= to_ms:
            if self._budget >= len(schedule.rows):
                reports += self._report(schedule)
            else:
                self._skip(schedule, to_ms)
        self._load.advance(to_ms)
        return reports

    def _report(self, schedule: _Schedule) -> list[common_pb2.Report]:
        due_ms, before = schedule.due_ms, schedule.before
        self._load.advance(due_ms)
        after = self._load.integrals()
        reports = [] if before is None else [self._message(schedule, row, after - before) for row in schedule.rows]
        schedule.collect_from(due_ms, after)
        self._budget -= len(reports)
        self.n_sent += len(reports)
        counter("ricity_nodes_reports_total").inc(len(reports))
        return reports

    def _skip(self, schedule: _Schedule, to_ms: int) -> None:
        """Gives up every period that has ended and collects the present one."""
        period_ms = schedule.subscription.period_ms
        start_ms = to_ms // period_ms * period_ms
        skipped = (start_ms - schedule.start_ms) // period_ms * len(schedule.rows)
        self._load.advance(start_ms)
        schedule.collect_from(start_ms, self._load.integrals())
        self.n_skipped += skipped
        counter("ricity_nodes_skipped_reports_total").inc(skipped)

    def _message(self, schedule: _Schedule, row: int, change: kpm.IntegralArray) -> common_pb2.Report:
        period_ms = schedule.subscription.period_ms
        load = self._load.period_load(row, change, period_ms)
        report = common_pb2.Report(
            subscription_id=schedule.subscription.subscription_id,
            ran_name=self._load.nodes[row].ran_name,
            collection_start_ms=schedule.start_ms,
            granularity_period_ms=period_ms,
            sent_unix_ns=time.time_ns(),
        )
        for name in schedule.subscription.measurements:
            value = kpm.measure(name, load, self._capacities[row])
            report.values.append(_value_message(name, "", value.node))
            report.values.extend(
                _value_message(name, label, real) for label, real in zip(self._load.slices, value.slices, strict=True)
            )
        return report

    def _refill(self, now_s: float) -> None:
        if self._refilled_s is not None:
            earned = (now_s - self._refilled_s) * self._reports_per_s
            self._budget = min(self._most_at_once, self._budget + earned)
        self._refilled_s = now_s


def _due_ms(schedule: _Schedule) -> int:
    return schedule.due_ms


def _value_message(name: str, label: str, real: float | None) -> common_pb2.MeasurementValue:
    if real is None:
        return common_pb2.MeasurementValue(name=name, label=label, no_value=True)
    return common_pb2.MeasurementValue(name=name, label=label, real=real)
