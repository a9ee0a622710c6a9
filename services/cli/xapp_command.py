"""`ricity xapp`: the xApp instances attached to a running RIC, and what the manager does with xApps."""

from __future__ import annotations

from typing import Any

import typer

from ricity.e2.v1 import admin_pb2
from services.cli import xapp_manager, xapp_rollouts
from services.cli.admin import DEFAULT_RIC, TIMEOUT_S, RicOption, ask
from services.cli.dapps import RadioOption, dapp_rows
from services.cli.output import JsonOption, table
from services.cli.watching import DEFAULT_EVERY_S, CountOption, EveryOption, Pace, View, WatchOption, present

app = typer.Typer(help="xApps attached to a running RIC, and their deployment and upgrade by the manager.", no_args_is_help=True)

_COLUMNS = ("<xApp", "<version", "<instance", "<state", "weight", "window", "outstanding", "delivered", "answered", "generation")


@app.callback()
def group() -> None:
    """xApps attached to a running RIC, and their deployment and upgrade by the manager."""


@app.command("list")
def list_xapps(
    ric: RicOption = DEFAULT_RIC,
    radio: RadioOption = "",
    watch: WatchOption = False,
    every_s: EveryOption = DEFAULT_EVERY_S,
    count: CountOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List the attached xApp instances with version, weight, state and what they hold.

    With --radio, the slicing dApps of the radio network: the one with weight 100 decides for its O-DU, the others stand by.

    Examples:

      ricity xapp list --json

      ricity xapp list --radio 127.0.0.1:50061

      ricity xapp list --watch --every-s 0.5
    """
    present(lambda: _xapps(ric, radio), Pace(watch, every_s, count), as_json=as_json)


def _xapps(ric: str, radio: str) -> View:
    if radio:
        rows = dapp_rows(radio)
    else:
        found = ask(ric, lambda stub: stub.ListXapps(admin_pb2.ListXappsRequest(), timeout=TIMEOUT_S)).xapps
        rows = [xapp_row(info) for info in found]
    cells = [tuple("–" if value is None else value for value in row.values()) for row in rows]
    return View({"xapps": rows}, lambda: table(f"xApps at {radio or ric}", _COLUMNS, cells))


def xapp_row(info: Any) -> dict[str, Any]:
    """One instance as JSON-ready fields, in the order of the table."""
    return {
        "xapp_name": info.xapp_name,
        "xapp_version": info.xapp_version,
        "instance_id": info.instance_id,
        "state": info.state,
        "weight": info.weight,
        "window": info.window,
        "outstanding": info.outstanding,
        "delivered_total": info.delivered_total,
        "answered_total": info.answered_total,
        "config_generation": info.config_generation,
    }


xapp_manager.add_to(app)
xapp_rollouts.add_to(app)
