"""The slicing dApps that are attached to a radio network, as rows of `ricity xapp list`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from services.cli.admin import TIMEOUT_S, check_address, translated_errors

RadioOption = Annotated[str, typer.Option("--radio", help="Address of a radio network, host:port: its dApps instead.")]

_WHOLE_WEIGHT = 100


def dapp_rows(radio: str) -> list[dict[str, Any]]:
    """One row per dApp, with the fields of an xApp's: what it was asked and answered is in frames in which it decided.

    Raises:
        InvalidInput: `radio` is not host:port. RicUnreachable: nothing answers there. Unauthenticated, PermissionDenied.
    """
    from services.cli.connection import connection  # the settings are loaded for a call, not for every --help

    check_address(radio, option="--radio", example="127.0.0.1:50061")
    with (
        connection().transport.blocking_channel(radio, peer="radio") as channel,
        translated_errors(radio, part="radio network", start="start one with `ricity run --slicing --keep`"),
    ):
        found = radio_pb2_grpc.RadioAdminServiceStub(channel).ListDapps(radio_pb2.ListDappsRequest(), timeout=TIMEOUT_S)
    return [dapp_row(info) for info in found.dapps]


def dapp_row(info: radio_pb2.DappInfo) -> dict[str, Any]:
    """One dApp as JSON-ready fields, in the order of `xapp_row`'s."""
    answered = info.applied_total + info.refused_total
    return {
        "xapp_name": f"slicing-du-{info.du}",
        "xapp_version": info.xapp_version,
        "instance_id": info.instance_id,
        "state": "deciding" if info.deciding else "standing by" if info.proven else "starting",
        "weight": _WHOLE_WEIGHT if info.deciding else 0,
        "window": 1,
        "outstanding": 0,
        "delivered_total": answered + info.missing_total,
        "answered_total": answered,
        "config_generation": None,  # a dApp reads its configuration at its start and tells no generation
    }
