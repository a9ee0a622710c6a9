"""`ricity e2`: the E2 nodes and the subscriptions of a running RIC."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ricity.e2.v1 import admin_pb2
from services.cli.admin import DEFAULT_RIC, TIMEOUT_S, RicOption, admin_stub, ask, translated_errors
from services.cli.output import JsonOption, console, emit, table
from services.cli.watching import DEFAULT_EVERY_S, CountOption, EveryOption, Pace, View, WatchOption, present

app = typer.Typer(help="E2 nodes and subscriptions of a running RIC.", no_args_is_help=True)

_STATUS_PREFIX = "CONNECTION_STATUS_"


@app.command()
def nodes(
    ric: RicOption = DEFAULT_RIC,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with every change until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the E2 nodes: global id, RAN functions, connection status.

    Examples:

      ricity e2 nodes

      ricity e2 nodes --watch --ric ric.example:50051
    """
    found = ask(ric, lambda stub: stub.ListNodes(admin_pb2.ListNodesRequest(), timeout=TIMEOUT_S)).nodes
    rows = [node_row(node) for node in found]
    emit({"nodes": rows}, as_json=as_json, people=lambda: _nodes_table(rows))
    if watch:
        _watch_nodes(ric, skip=len(rows), as_json=as_json)


@app.command()
def subscriptions(
    ric: RicOption = DEFAULT_RIC,
    watch: WatchOption = False,
    every_s: EveryOption = DEFAULT_EVERY_S,
    count: CountOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List what is subscribed to: INSERT by service, REPORT by measurement, with subscribers, lag and drops.

    Examples:

      ricity e2 subscriptions --json

      ricity e2 subscriptions --watch
    """
    present(lambda: _subscriptions(ric), Pace(watch, every_s, count), as_json=as_json)


def _subscriptions(ric: str) -> View:
    request = admin_pb2.ListSubscriptionsRequest()
    found = ask(ric, lambda stub: stub.ListSubscriptions(request, timeout=TIMEOUT_S)).subscriptions
    rows = [subscription_row(info) for info in found]
    columns = ("id", "<kind", "<items", "nodes", "period ms", "<subscribers", "indications", "dropped", "lag")
    cells = [
        (
            row["subscription_id"],
            row["kind"],
            ", ".join(row["items"]),
            len(row["ran_names"]),
            row["granularity_period_ms"] or "-",
            ", ".join(row["instances"]),
            row["indications_total"],
            row["dropped_total"],
            row["lag"],
        )
        for row in rows
    ]
    return View({"subscriptions": rows}, lambda: table(f"Subscriptions at {ric}", columns, cells))


def node_row(node: Any) -> dict[str, Any]:
    """One E2 node as JSON-ready fields."""
    plmn = node.global_id.plmn_id
    return {
        "ran_name": node.ran_name,
        "node_name": node.node_name,
        "type": "O-DU" if node.global_id.type == 1 else "O-CU",
        "plmn": f"{plmn.mcc}-{plmn.mnc}",
        "gnb_id": node.global_id.gnb_id,
        "unit_id": node.global_id.unit_id,
        "status": admin_pb2.ConnectionStatus.Name(node.status).removeprefix(_STATUS_PREFIX).lower(),
        "agent_id": node.agent_id,
        "ran_functions": [{"id": function.ran_function_id, "name": function.name} for function in node.ran_functions],
    }


def subscription_row(info: Any) -> dict[str, Any]:
    """One subscription as JSON-ready fields."""
    return {
        "subscription_id": info.subscription_id,
        "ran_function_id": info.ran_function_id,
        "kind": info.kind,
        "items": list(info.items),
        "ran_names": list(info.ran_names),
        "granularity_period_ms": info.granularity_period_ms,
        "instances": list(info.instances),
        "indications_total": info.indications_total,
        "dropped_total": info.dropped_total,
        "lag": info.lag,
    }


def _nodes_table(rows: list[dict[str, Any]]) -> Any:
    cells = [
        (
            row["ran_name"],
            row["node_name"],
            row["type"],
            row["status"],
            ", ".join(f"{function['name']} ({function['id']})" for function in row["ran_functions"]),
            row["agent_id"],
        )
        for row in rows
    ]
    return table(f"{len(rows)} E2 nodes", ("<RAN name", "<node", "<type", "<status", "<RAN functions", "<agent"), cells)


def _watch_nodes(ric: str, *, skip: int, as_json: bool) -> None:
    """Prints each change after the inventory, which the stream repeats first."""
    with admin_stub(ric) as stub, translated_errors(ric):
        for seen, change in enumerate(stub.WatchNodes(admin_pb2.WatchNodesRequest())):
            if seen < skip:
                continue
            row = node_row(change.node)
            emit(row, as_json=as_json, people=lambda row=row: f"{row['ran_name']} ({row['node_name']}): {row['status']}")  # type: ignore[misc]
            console.file.flush()
