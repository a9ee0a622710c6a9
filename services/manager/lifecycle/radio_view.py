"""The radio network and the critic as the lifecycle sees them: which dApps there are, who decides, what had no control."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from ric_sim.domain.errors import RicUnreachable
from ricity.learning.v1 import learning_pb2, learning_pb2_grpc
from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from services.common.tls import Transport
from services.manager.lifecycle.model import WHOLE_WEIGHT, Counts
from services.manager.lifecycle.ric_view import Attached, RicView

CALL_TIMEOUT_S = 1.0


class RadioAdmin:
    """A `Roster` of slicing dApps. The one that decides has weight 100, those that stand by have 0."""

    def __init__(self, target: str, transport: Transport, names: Callable[[], Mapping[int, str]]) -> None:
        """`names`: O-DU -> xApp name, as the catalogue has it."""
        self._target, self._names = target, names
        self._channel = transport.channel(target, peer="radio")
        self._stub = radio_pb2_grpc.RadioAdminServiceStub(self._channel)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def look(self) -> RicView:
        """As `Roster.look`; a dApp is subscribed once it decides, or has proven that it could."""
        request = radio_pb2.ListDappsRequest()
        response = await _answered("radio network", self._target, self._stub.ListDapps(request, timeout=CALL_TIMEOUT_S))
        names = self._names()
        return RicView(
            attached=[_attached(names[info.du], info) for info in response.dapps if info.du in names],
            counts={names[frames.du]: _counts(frames) for frames in response.dus if frames.du in names},
        )

    async def set_weight(self, name: str, version: str, weight: int, *, keep: bool) -> None:
        """As `Roster.set_weight`: the version with the whole weight is the one to decide; without `keep`, the newest dApp is."""
        if keep and weight < WHOLE_WEIGHT:
            return
        du = next(du for du, known in self._names().items() if known == name)
        request = radio_pb2.PreferVersionRequest(du=du, xapp_version=version if keep else "")
        await _answered("radio network", self._target, self._stub.PreferVersion(request, timeout=CALL_TIMEOUT_S))


class CriticAdmin:
    """A `Roster` with one row: a critic has its address for itself."""

    def __init__(self, target: str, transport: Transport, names: Callable[[], list[str]]) -> None:
        """`names`: of the critics in the catalogue."""
        self._target, self._names = target, names
        self._channel = transport.channel(target, peer="critic")
        self._stub = learning_pb2_grpc.CriticAdminServiceStub(self._channel)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def look(self) -> RicView:
        """As `Roster.look`. A critic that is away is none: while it is replaced, that is how it has to be."""
        try:
            request = learning_pb2.GetCriticRequest()
            info = await _answered("critic", self._target, self._stub.GetCritic(request, timeout=CALL_TIMEOUT_S))
        except RicUnreachable:
            return RicView()
        return RicView(attached=[_attached_critic(name, info) for name in self._names()])

    async def set_weight(self, name: str, version: str, weight: int, *, keep: bool) -> None:
        """There is nothing to share."""


def _attached(name: str, info: radio_pb2.DappInfo) -> Attached:
    return Attached(
        name=name,
        version=info.xapp_version,
        instance_id=info.instance_id,
        weight=WHOLE_WEIGHT if info.deciding else 0,
        draining=False,
        outstanding=0,
        subscriptions=int(info.deciding or info.proven),
        answered=info.applied_total + info.refused_total,
        defaulted=info.missing_total,
        failed=info.refused_total,
    )


def _attached_critic(name: str, info: learning_pb2.GetCriticResponse) -> Attached:
    return Attached(
        name=name,
        version=info.xapp_version,
        instance_id=info.instance_id,
        weight=WHOLE_WEIGHT,
        draining=False,
        outstanding=0,
        subscriptions=1,
        answered=0,
        defaulted=0,
        failed=0,
    )


def _counts(frames: radio_pb2.DuFrames) -> Counts:
    return Counts(received=frames.controlled_total + frames.uncontrolled_total, answered=frames.controlled_total)


async def _answered(what: str, target: str, answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except grpc.aio.AioRpcError as error:
        raise RicUnreachable(f"the {what} at {target}: {error.details()}") from error
