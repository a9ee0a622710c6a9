"""`RadioAdminService`: which dApps are attached, and which version of them is to decide."""

from __future__ import annotations

from typing import Any

import grpc

from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from services.radio.dapps import PROOF_ANSWERS
from services.radio.network import RadioNetwork

MAX_VERSION_LENGTH = 64


class RadioAdminServicer(radio_pb2_grpc.RadioAdminServiceServicer):
    """Nothing is decided here."""

    def __init__(self, network: RadioNetwork) -> None:
        self._network = network

    async def ListDapps(self, request: Any, context: Any) -> radio_pb2.ListDappsResponse:
        dus = range(self._network.world.n_dus)
        return radio_pb2.ListDappsResponse(
            dapps=[info for du in dus for info in self._dapps_of(du)], dus=[self._frames_of(du) for du in dus]
        )

    async def PreferVersion(self, request: radio_pb2.PreferVersionRequest, context: Any) -> radio_pb2.PreferVersionResponse:
        n_dus = self._network.world.n_dus
        if request.du >= n_dus or len(request.xapp_version) > MAX_VERSION_LENGTH:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"O-DU {request.du}, version {request.xapp_version:.80}: expected 0 to {n_dus - 1}, at most {MAX_VERSION_LENGTH}"
                " characters",
            )
        self._network.dapps.preferred[request.du] = request.xapp_version
        return radio_pb2.PreferVersionResponse()

    def _dapps_of(self, du: int) -> list[radio_pb2.DappInfo]:
        dapps = self._network.dapps
        return [
            radio_pb2.DappInfo(
                du=du,
                instance_id=row.instance_id,
                xapp_version=row.version,
                deciding=row is dapps.deciding(du),
                proven=row.proofs >= PROOF_ANSWERS,
                applied_total=row.counts["applied"],
                missing_total=row.counts["missing"],
                refused_total=row.counts["refused"],
            )
            for row in dapps.attached(du)
        ]

    def _frames_of(self, du: int) -> radio_pb2.DuFrames:
        controls = self._network.record.controls
        return radio_pb2.DuFrames(
            du=du,
            controlled_total=int(controls["applied"][du] + controls["shielded"][du]),
            uncontrolled_total=int(controls["missing"][du] + controls["refused"][du]),
            handovers_total=self._network.dapps.handovers[du],
            preferred_version=self._network.dapps.preferred[du],
        )
