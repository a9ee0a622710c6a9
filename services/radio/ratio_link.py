"""The radio network's line to the RIC: RRM policy ratios, of xApps and of A1 policies, become limits of the O-DUs' shields."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import grpc

from ric_sim.domain.errors import PolicyRatioRefused
from ric_sim.radio.config import SLICES
from ric_sim.radio.shield import OPEN_RATIOS, PolicyRatio, Shield
from ricity.e2.v1 import conflict_pb2, conflict_pb2_grpc
from services.common.tls import Transport

SILENCE_S = 3.0
"""The RIC sends something every second; after so long without anything it is taken for lost."""

RETRY_S = 0.5
DU_PREFIX = "du_"


class RatioLink:
    """Follows one RIC; what was last heard stays in force while it is away."""

    def __init__(self, target: str, transport: Transport, shields: Sequence[Shield], rb_kbps: int, *, log: Any) -> None:
        """`rb_kbps`: rated DL throughput of one RB, by which guarantees are turned into RBs."""
        self._target, self._transport, self._shields, self._log = target, transport, shields, log
        limits = shields[0].limits
        self._capacity = conflict_pb2.RadioCapacity(
            ran_names=[f"{DU_PREFIX}{du}" for du in range(len(shields))],
            n_rbs=limits.n_rbs,
            rb_kbps=rb_kbps,
            urllc_percent=-(-100 * limits.urllc_minimum_rbs // limits.n_rbs),
        )
        self._refused: set[str] = set()
        self._is_lost = False

    async def run(self) -> None:
        """Follows until cancelled; a RIC that is away is tried again for ever."""
        while True:
            try:
                async with self._transport.channel(self._target, peer="ric") as channel:
                    await self._follow(conflict_pb2_grpc.ConflictServiceStub(channel))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError) as error:
                if not self._is_lost:
                    self._log.warning("ratios.ric_lost", ric=self._target, error=(str(error) or repr(error))[:200])
                self._is_lost = True
            await asyncio.sleep(RETRY_S)

    async def _follow(self, stub: Any) -> None:
        call = stub.EnforceRatios()
        await call.write(conflict_pb2.EnforceRatiosRequest(capacity=self._capacity))
        while True:
            async with asyncio.timeout(SILENCE_S):
                message = await call.read()
            if message is grpc.aio.EOF:
                return
            self._is_lost = False
            for du in message.dus:
                self._put_in_force(du)
            confirmation = conflict_pb2.RatioConfirmation(generation=message.generation, refused=sorted(self._refused))
            await call.write(conflict_pb2.EnforceRatiosRequest(confirmation=confirmation))

    def _put_in_force(self, heard: conflict_pb2.DuRatios) -> None:
        """Takes over the ratios of an O-DU; those that would leave URLLC less than its minimum are not taken."""
        index = heard.ran_name.removeprefix(DU_PREFIX)
        if not index.isdigit() or int(index) >= len(self._shields):
            self._log.warning("ratios.unknown_du", du=heard.ran_name, dus=len(self._shields))
            return
        shield = self._shields[int(index)]
        try:
            shield.limits = replace(shield.limits, ratios=_ratios(heard))
        except PolicyRatioRefused as error:
            self._refused.add(heard.ran_name)
            self._log.warning("ratios.refused", du=heard.ran_name, version=heard.version, error=str(error))
            return
        self._refused.discard(heard.ran_name)
        self._log.info("ratios.in_force", du=heard.ran_name, version=heard.version)


def _ratios(heard: conflict_pb2.DuRatios) -> tuple[PolicyRatio, ...]:
    given = {ratio.slice: PolicyRatio(ratio.dedicated, ratio.min, ratio.max) for ratio in heard.ratios}
    return tuple(given.get(key, open_ratio) for key, open_ratio in zip(SLICES, OPEN_RATIOS, strict=True))
