"""The slicing dApps that are attached to a radio network, as rows of `ricity xapp list`."""

from __future__ import annotations

from typing import Annotated, Any

import grpc
import typer

from ric_sim.domain.errors import InvalidInput, RicUnreachable
from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from services.cli.admin import TIMEOUT_S

RadioOption = Annotated[str, typer.Option("--radio", help="Address of a radio network, host:port: its dApps instead.")]

_WHOLE_WEIGHT = 100


def dapp_rows(radio: str) -> list[dict[str, Any]]:
    """One row per dApp, with the fields of an xApp's: what it was asked and answered is in frames in which it decided.

    Raises:
        InvalidInput: `radio` is not host:port. RicUnreachable: nothing answers there.
    """
    from services.cli.connection import connection  # the settings are loaded for a call, not for every --help

    host, _, port = radio.rpartition(":")
    if not host or not port.isdigit():
        raise InvalidInput(f"--radio {radio!r}: expected host:port, e.g. 127.0.0.1:50061")
    with connection().transport.blocking_channel(radio, peer="radio") as channel:
        try:
            found = radio_pb2_grpc.RadioAdminServiceStub(channel).ListDapps(radio_pb2.ListDappsRequest(), timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            raise RicUnreachable(
                f"no radio network answers at {radio} ({error.details()}): start one with `ricity run --slicing --keep`"
            ) from error
    return [_row(info) for info in found.dapps]


def _row(info: radio_pb2.DappInfo) -> dict[str, Any]:
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
    }
