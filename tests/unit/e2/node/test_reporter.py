"""REPORTs: whole periods of emulated time, exact values, bounded in number."""

from __future__ import annotations

from ric_sim.e2.identity import nodes_of
from ric_sim.e2.node.carried import CarriedLoad
from ric_sim.e2.node.reporter import Reporter
from ric_sim.e2.node.subscriptions import ReportSubscription
from tests.unit.e2.node.two_sites import (
    AR_SLICE,
    DU_EAST_NAME,
    DU_WEST_NAME,
    IOT,
    IOT_SLICE,
    RU_WEST,
    UP_WEST,
    day_of,
    links_along,
    two_sites,
)

CITY = two_sites()
NAMES = ("RRU.PrbTotUl", "DRB.UEThpUl", "DRB.PdcpSduVolumeUL", "RRC.ConnMean", "VR.VCpuUsageMean")


def reporter(*, start_ms: int = 0, **options) -> tuple[CarriedLoad, Reporter]:
    load = CarriedLoad(CITY, nodes_of(CITY), start_ms=start_ms)
    return load, Reporter(load, **options)


def subscription(number: int = 1, *, period_ms: int = 1000, at=(DU_WEST_NAME,), names=NAMES) -> ReportSubscription:
    return ReportSubscription(number, at, names, period_ms)


def values(report) -> dict[tuple[str, str], float | None]:
    return {(v.name, v.label): v.real if v.WhichOneof("value") == "real" else None for v in report.values}


def test_known_answers_of_one_flow_over_two_periods():
    load, reports = reporter()
    reports.subscribe(subscription())
    # 100 Mbit/s of 10 users from 0.5 s to 1.75 s
    load.carry(day_of((IOT, RU_WEST, 500, 1250, 100_000, 10)).flow(0), links_along(CITY, UP_WEST))
    first, second = reports.advance(2000, now_s=0.0)
    assert (first.collection_start_ms, second.collection_start_ms) == (0, 1000)
    assert values(first) == {
        ("RRU.PrbTotUl", ""): 5.0,
        ("RRU.PrbTotUl", AR_SLICE): 0.0,
        ("RRU.PrbTotUl", IOT_SLICE): 5.0,
        ("DRB.UEThpUl", ""): 10_000.0,
        ("DRB.UEThpUl", AR_SLICE): None,
        ("DRB.UEThpUl", IOT_SLICE): 10_000.0,
        ("DRB.PdcpSduVolumeUL", ""): 50_000.0,
        ("DRB.PdcpSduVolumeUL", AR_SLICE): 0.0,
        ("DRB.PdcpSduVolumeUL", IOT_SLICE): 50_000.0,
        ("RRC.ConnMean", ""): 5.0,
        ("RRC.ConnMean", AR_SLICE): 0.0,
        ("RRC.ConnMean", IOT_SLICE): 5.0,
        ("VR.VCpuUsageMean", ""): 6.0,
        ("VR.VCpuUsageMean", AR_SLICE): 0.0,
        ("VR.VCpuUsageMean", IOT_SLICE): 6.0,
    }
    assert values(second)["DRB.PdcpSduVolumeUL", ""] == 75_000.0
    assert values(second)["RRU.PrbTotUl", ""] == 8.0  # 7.5 rounded
    assert values(second)["VR.VCpuUsageMean", ""] == 9.0


def test_a_report_says_whose_and_of_when_it_is():
    _, reports = reporter()
    reports.subscribe(subscription(7, at=(DU_WEST_NAME, DU_EAST_NAME)))
    west, east = reports.advance(1000, now_s=0.0)
    assert (west.subscription_id, west.granularity_period_ms, west.ran_name) == (7, 1000, DU_WEST_NAME)
    assert east.ran_name == DU_EAST_NAME
    assert west.sent_unix_ns > 0


def test_periods_begin_at_multiples_of_their_length():
    _, reports = reporter(start_ms=1500)
    reports.subscribe(subscription())
    assert reports.advance(2999, now_s=0.0) == []
    assert [report.collection_start_ms for report in reports.advance(4000, now_s=0.0)] == [2000, 3000]


def test_subscriptions_are_served_side_by_side():
    _, reports = reporter()
    reports.subscribe(subscription(1, period_ms=1000))
    reports.subscribe(subscription(2, period_ms=1500))
    ended = [(report.subscription_id, report.collection_start_ms) for report in reports.advance(3000, now_s=0.0)]
    assert sorted(ended) == [(1, 0), (1, 1000), (1, 2000), (2, 0), (2, 1500)]
    reports.unsubscribe(1)
    assert {report.subscription_id for report in reports.advance(6000, now_s=0.0)} == {2}
    reports.unsubscribe_all()
    assert reports.advance(9000, now_s=0.0) == []


def test_the_same_subscription_again_changes_nothing():
    load, reports = reporter()
    reports.subscribe(subscription())
    load.carry(day_of((IOT, RU_WEST, 0, 500, 100_000, 10)).flow(0), links_along(CITY, UP_WEST))
    reports.advance(900, now_s=0.0)
    reports.subscribe(subscription())
    (report,) = reports.advance(1000, now_s=0.0)
    assert values(report)["DRB.PdcpSduVolumeUL", ""] == 50_000.0


def test_reports_beyond_the_budget_are_left_out_and_counted_and_the_others_stay_exact():
    load, reports = reporter(reports_per_s=10)
    reports.subscribe(subscription(period_ms=10))
    load.carry(day_of((IOT, RU_WEST, 0, 10**6, 1000, 1)).flow(0), links_along(CITY, UP_WEST))
    assert len(reports.advance(100_000, now_s=0.0)) == 10
    assert reports.n_skipped == 9990
    assert reports.advance(100_010, now_s=0.0) == []
    (report,) = reports.advance(100_020, now_s=0.1)
    assert (report.collection_start_ms, values(report)["DRB.PdcpSduVolumeUL", ""]) == (100_010, 10.0)
    assert reports.n_sent == 11


def test_the_budget_allows_one_report_of_every_node():
    _, reports = reporter(reports_per_s=0.5)
    reports.subscribe(subscription(at=tuple(node.ran_name for node in nodes_of(CITY))))
    assert len(reports.advance(1000, now_s=0.0)) == 4
