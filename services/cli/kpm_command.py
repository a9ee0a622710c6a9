"""`ricity kpm`: measurements of the E2 nodes, from the catalogue to a live view."""

from __future__ import annotations

import json
import os
import queue
import uuid
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from ric_sim.domain.errors import InvalidInput, RefusedByRic
from ric_sim.e2 import PROTOCOL_VERSION, RAN_FUNCTION_KPM
from ricity.e2.v1 import admin_pb2, xapp_pb2, xapp_pb2_grpc
from services.cli.admin import DEFAULT_RIC, TIMEOUT_S, RicOption, ask, open_channel, translated_errors
from services.cli.output import JsonOption, console, emit, table

app = typer.Typer(help="KPM measurements of the E2 nodes.", no_args_is_help=True)

NodeOption = Annotated[str, typer.Option("--node", help="RAN name of one node; all by default.")]


@app.command()
def catalogue(ric: RicOption = DEFAULT_RIC, as_json: JsonOption = False) -> None:
    """List the measurements that the connected nodes offer, with unit, range and labels.

    Example:

      ricity kpm catalogue
    """
    found = ask(ric, lambda stub: stub.ListMeasurements(admin_pb2.ListMeasurementsRequest(), timeout=TIMEOUT_S)).measurements
    rows = [
        {
            "name": each.name,
            "unit": each.unit,
            "minimum": each.minimum,
            "maximum": each.maximum or None,
            "labels": list(each.labels),
            "meaning": each.meaning,
        }
        for each in found
    ]
    cells = [(row["name"], row["unit"], ", ".join(row["labels"]), row["meaning"]) for row in rows]
    emit(
        {"measurements": rows},
        as_json=as_json,
        people=lambda: table(f"Measurements at {ric}", ("<name", "<unit", "<labels", "<meaning"), cells),
    )


@app.command()
def latest(node: NodeOption = "", ric: RicOption = DEFAULT_RIC, as_json: JsonOption = False) -> None:
    """Show the newest report of every node and subscription that the RIC holds.

    Example:

      ricity kpm latest --node gnbd_001_001_00019b_0
    """
    request = admin_pb2.GetReportsRequest(ran_name=node)
    reports = [report_row(report) for report in ask(ric, lambda stub: stub.GetReports(request, timeout=TIMEOUT_S)).reports]
    emit({"reports": reports}, as_json=as_json, people=lambda: _reports_table(reports))


@app.command()
def watch(
    measurement: Annotated[list[str] | None, typer.Option("--measurement", "-m", help="KPM name; repeat for several.")] = None,
    period_ms: Annotated[int, typer.Option(help="Granularity period, ms of emulated time.")] = 60_000,
    node: NodeOption = "",
    count: Annotated[int, typer.Option(help="Stop after so many reports; 0 goes on until Ctrl-C.")] = 0,
    ric: RicOption = DEFAULT_RIC,
    as_json: JsonOption = False,
) -> None:
    """Attach as an xApp, subscribe to REPORTs and print them as they come (with --json one object per line).

    Examples:

      ricity kpm watch -m RRU.PrbTotDl --period-ms 1000

      ricity kpm watch --count 10 --json
    """
    if count < 0:
        raise InvalidInput(f"--count {count}: expected 0 or more")
    names = measurement or _all_measurements(ric)
    for seen, report in enumerate(watched_reports(ric, names, period_ms=period_ms, node=node), start=1):
        row = report_row(report)
        if as_json:
            console.file.write(_line(row))
        else:
            values = "  ".join(f"{value['name']}{_label(value)} {_value(value)}" for value in row["values"])
            console.print(f"{row['ran_name']} @ {row['collection_start_ms']} ms  {values}", highlight=False, soft_wrap=True)
        console.file.flush()
        if seen == count:
            return


def watched_reports(ric: str, names: list[str], *, period_ms: int, node: str) -> Iterator[Any]:
    """Reports of the measurements, as an attached xApp receives them.

    Raises:
        RefusedByRic: the RIC does not admit the registration or the subscription.
        RicUnreachable: it does not answer, or the stream ended.
    """
    outgoing: queue.SimpleQueue[xapp_pb2.AttachRequest] = queue.SimpleQueue()
    outgoing.put(xapp_pb2.AttachRequest(register=_registration()))
    outgoing.put(xapp_pb2.AttachRequest(subscribe=_subscription(names, period_ms=period_ms, node=node)))
    with open_channel(ric) as channel, translated_errors(ric):
        stream = xapp_pb2_grpc.XappServiceStub(channel).Attach(iter(outgoing.get, None))
        for message in stream:
            kind = message.WhichOneof("message")
            if kind == "reports":
                yield from message.reports.reports
            elif kind == "register_result":
                _check(message.register_result.accepted, message.register_result.cause)
            elif kind == "subscribe_result":
                _check(message.subscribe_result.admitted, message.subscribe_result.cause)
            elif kind == "keep_alive":
                outgoing.put(xapp_pb2.AttachRequest(keep_alive=message.keep_alive))


def report_row(report: Any) -> dict[str, Any]:
    """One report as JSON-ready fields; a measurement without a value is None, which is not 0."""
    return {
        "ran_name": report.ran_name,
        "subscription_id": report.subscription_id,
        "collection_start_ms": report.collection_start_ms,
        "granularity_period_ms": report.granularity_period_ms,
        "values": [
            {"name": each.name, "label": each.label, "value": None if each.WhichOneof("value") == "no_value" else each.real}
            for each in report.values
        ],
    }


def _registration() -> xapp_pb2.RegisterRequest:
    return xapp_pb2.RegisterRequest(
        protocol_version=PROTOCOL_VERSION,
        xapp_name="kpm-watch",
        xapp_version="0.1.0",
        instance_id=f"{os.getpid()}-{uuid.uuid4().hex[:8]}",
        window=1,
    )


def _subscription(names: list[str], *, period_ms: int, node: str) -> xapp_pb2.SubscribeRequest:
    if not 0 < period_ms < 2**32:
        raise InvalidInput(f"--period-ms {period_ms}: expected a positive number of milliseconds")
    request = xapp_pb2.SubscribeRequest(request_id=1, ran_function_id=RAN_FUNCTION_KPM, ran_names=[node] if node else [])
    request.report.trigger.granularity_period_ms = period_ms
    request.report.action.measurement_names.extend(names)
    return request


def _check(accepted: bool, cause: Any) -> None:
    if not accepted:
        raise RefusedByRic(f"the RIC refused: {cause.detail}")


def _all_measurements(ric: str) -> list[str]:
    found = ask(ric, lambda stub: stub.ListMeasurements(admin_pb2.ListMeasurementsRequest(), timeout=TIMEOUT_S)).measurements
    if not found:
        raise InvalidInput(f"no node at {ric} offers measurements: connect E2 nodes, or name measurements with -m")
    return [each.name for each in found]


def _reports_table(reports: list[dict[str, Any]]) -> Any:
    cells = [
        (report["ran_name"], report["collection_start_ms"], value["name"], value["label"] or "-", _value(value))
        for report in reports
        for value in report["values"]
    ]
    return table("Newest reports", ("<RAN name", "from ms", "<measurement", "<label", "value"), cells)


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row) + "\n"


def _label(value: dict[str, Any]) -> str:
    return f"[{value['label']}]" if value["label"] else ""


def _value(value: dict[str, Any]) -> str:
    return "no value" if value["value"] is None else f"{value['value']:g}"
