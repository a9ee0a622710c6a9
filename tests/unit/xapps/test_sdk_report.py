"""Reports on their way to the agent."""

import asyncio

from ricity.e2.v1 import common_pb2, xapp_pb2
from xapps.sdk.report import KpmReport, KpmValue, ReportQueue, report_from_proto


def _report(start_ms):
    return common_pb2.Report(
        subscription_id=3,
        ran_name="gnbd_001_001_000001_0",
        collection_start_ms=start_ms,
        granularity_period_ms=1000,
        sent_unix_ns=5,
        values=[
            common_pb2.MeasurementValue(name="DRB.UEThpDl", label="1-000001", real=0.0),
            common_pb2.MeasurementValue(name="DRB.UEThpDl", label="1-000002", no_value=True),
            common_pb2.MeasurementValue(name="VR.VCpuUsageMean"),
        ],
    )


def test_nothing_to_measure_is_not_zero():
    values = (
        KpmValue("DRB.UEThpDl", "1-000001", 0.0),
        KpmValue("DRB.UEThpDl", "1-000002", None),
        KpmValue("VR.VCpuUsageMean", "", None),
    )
    assert report_from_proto(_report(7000)) == KpmReport(3, "gnbd_001_001_000001_0", 7000, 1000, 5, values)


async def test_reports_come_out_in_order_while_others_come_in():
    queue = ReportQueue()
    queue.put(xapp_pb2.ReportIndications(reports=[_report(1), _report(2)]))
    seen = []
    async with asyncio.timeout(30):
        async for report in queue:
            seen.append(report.start_ms)
            if len(seen) == 1:
                queue.put(xapp_pb2.ReportIndications(reports=[_report(3)]))
            if len(seen) == 3:
                break
    assert seen == [1, 2, 3]


async def test_a_full_queue_loses_its_oldest_and_says_so():
    dropped = []
    queue = ReportQueue(capacity=2, on_drop=lambda: dropped.append(1))
    queue.put(xapp_pb2.ReportIndications(reports=[_report(number) for number in range(5)]))
    assert (len(queue), len(dropped)) == (2, 3)
    async for report in queue:
        assert report.start_ms == 3
        break
