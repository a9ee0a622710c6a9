"""REPORT and INSERT subscriptions over the wire: admitted, refused with what is offered, and what the reports say."""

from __future__ import annotations

import pytest

from ric_sim.e2 import kpm
from ric_sim.e2.node.pacing import SpeedPace
from ricity.e2.v1 import common_pb2
from tests.contract.nodes.scripted_ric import applied, insert_subscription, report_subscription
from tests.harness import eventually
from tests.unit.e2.node.two_sites import (
    AR_SLICE,
    CU_EAST_NAME,
    DU_EAST_NAME,
    IOT_SLICE,
    route_of,
    two_sites,
    uniform_day,
)

CITY = two_sites()
EVERY_NAME = [spec.name for spec in kpm.CATALOGUE]


def carry(request):
    return applied(request, route_of(CITY, request.service))


def values(report) -> dict[tuple[str, str], float | None]:
    return {(v.name, v.label): v.real if v.WhichOneof("value") == "real" else None for v in report.values}


async def test_a_report_of_a_known_day(ric, play):
    ric.answer = carry
    ric.subscriptions.append(report_subscription(2, EVERY_NAME, period_ms=10_000, ran_names=[DU_EAST_NAME, CU_EAST_NAME]))
    # AR flows of 1000 kbps and 10 users in the east, each 5 s long, at 0, 2, 4, ... s: three at a time once they overlap
    nodes = play(uniform_day(20, spacing_ms=1000, holding_ms=5000))
    await eventually(lambda: nodes.player.done and len(ric.reports) == 4)
    first, first_cu, second, _ = ric.reports
    assert (first.ran_name, first.collection_start_ms, second.collection_start_ms) == (DU_EAST_NAME, 0, 10_000)
    # starts 0 2 4 6 8 within 10 s: 5 + 5 + 5 + 4 + 2 = 21 s of one flow; then 3 + 1 left over and 21 more
    seconds = (21, 3 + 1 + 21)
    for report, carried_s in zip((first, second), seconds, strict=True):
        of = values(report)
        assert of["DRB.PdcpSduVolumeDL", ""] == of["DRB.PdcpSduVolumeDL", AR_SLICE] == 1000.0 * carried_s
        assert of["DRB.PdcpSduVolumeUL", ""] == 0.0
        assert of["RRC.ConnMean", ""] == of["RRC.ConnMean", AR_SLICE] == pytest.approx(carried_s)
        assert of["DRB.UEThpDl", ""] == 100.0
        assert of["DRB.UEThpUl", ""] is of["DRB.UEThpDl", IOT_SLICE] is None
        assert of["VR.VCpuUsageMean", ""] == pytest.approx(100 * 1000 * 12 * carried_s / 10 / 10_000_000)
        assert of["RRU.PrbTotDl", ""] == 0.0  # some 2 of 1000 Mbit/s: less than half a percent
    assert values(first_cu)["VR.VCpuUsageMean", ""] == pytest.approx(100 * 1000 * 10 * 21 / 10 / 20_000_000)


async def test_reports_of_all_nodes_add_up_to_what_was_carried(ric, play):
    ric.answer = carry
    ric.subscriptions.append(report_subscription(2, EVERY_NAME, period_ms=1000))
    nodes = play(uniform_day(30, spacing_ms=1000, holding_ms=5000))
    await eventually(lambda: nodes.player.done and len(ric.reports) == 4 * 34)
    for direction in ("DL", "UL"):
        volume = dict.fromkeys(("gnbd", "gnbc"), 0.0)
        for report in ric.reports:
            volume[report.ran_name[:4]] += values(report)[f"DRB.PdcpSduVolume{direction}", ""]
        assert volume == {"gnbd": 15 * 5000.0, "gnbc": 15 * 5000.0}


async def test_reports_go_on_when_nothing_arrives(ric, play):
    ric.answer = carry
    ric.subscriptions.append(report_subscription(2, ["RRC.ConnMean"], period_ms=10_000, ran_names=[DU_EAST_NAME]))
    day = uniform_day(1, holding_ms=30_000)
    play(day, SpeedPace(day, speed=20))
    await eventually(lambda: len(ric.reports) >= 5)
    means = [values(report)["RRC.ConnMean", ""] for report in ric.reports]
    assert 0 < means[0] <= 10
    assert means[1:5] == [10.0, 10.0, 0.0, 0.0]


async def test_after_a_reconnect_only_what_the_ric_then_holds_is_reported(ric, play):
    ric.subscriptions.append(report_subscription(2, ["RRC.ConnMean"], period_ms=1000))
    day = uniform_day(1)
    nodes = play(day, SpeedPace(day, speed=100))
    await eventually(lambda: ric.reports)
    await ric.kill()
    await eventually(lambda: not nodes.association.is_up)
    ric.subscriptions[1] = report_subscription(9, ["RRC.ConnMean"], period_ms=1000)
    ric.reports = []
    await ric.start()
    await eventually(lambda: len(ric.reports) >= 8)
    assert {report.subscription_id for report in ric.reports} == {9}


@pytest.mark.parametrize(
    ("subscription", "cause", "detail"),
    [
        (
            report_subscription(2, ["DRB.Nope"], period_ms=1000),
            common_pb2.RIC_CAUSE_ACTION_NOT_SUPPORTED,
            "supported: RRU.PrbTotDl",
        ),
        (report_subscription(2, ["RRC.ConnMean"], period_ms=5), common_pb2.RIC_CAUSE_ACTION_NOT_SUPPORTED, "10 to 3600000 ms"),
        (insert_subscription(2, ["radio"]), common_pb2.RIC_CAUSE_ACTION_NOT_SUPPORTED, "expected one of ar, iot"),
        (insert_subscription(2, ["ar"], [CU_EAST_NAME]), common_pb2.RIC_CAUSE_ACTION_NOT_SUPPORTED, DU_EAST_NAME),
        (insert_subscription(1, ["ar"]), common_pb2.RIC_CAUSE_DUPLICATE_ACTION, "subscription id 1"),
    ],
)
async def test_a_subscription_the_nodes_cannot_serve_is_refused(ric, play, subscription, cause, detail):
    nodes = play(uniform_day(0))
    await eventually(lambda: nodes.association.is_up and len(ric.results) == 1)
    await ric.say(subscription=subscription)
    await eventually(lambda: len(ric.results) == 2)
    admitted, refused = ric.results
    assert (admitted.subscription_id, admitted.admitted) == (1, True)
    assert (refused.admitted, refused.cause.ric) == (False, cause)
    assert detail in refused.cause.detail
    await ric.say(subscription=report_subscription(3, ["RRC.ConnMean"], period_ms=1000))
    await eventually(lambda: len(ric.results) == 3)
    assert ric.results[2].admitted


async def test_a_full_load_of_reports_is_bounded(ric, play):
    ric.answer = carry
    ric.subscriptions.append(report_subscription(2, ["RRC.ConnMean"], period_ms=10))
    nodes = play(uniform_day(50, spacing_ms=1000), reports_per_s=20)
    reporter = nodes.agent.reporter
    await eventually(lambda: nodes.player.done and reporter.n_sent + reporter.n_skipped >= 4 * 5400)
    assert reporter.n_sent + reporter.n_skipped == 4 * 5400
    assert reporter.n_skipped > 0
    await eventually(lambda: len(ric.reports) == reporter.n_sent)
