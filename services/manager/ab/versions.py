"""What a test asks of the RIC: which versions are attached, their weights, and what became of requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ricity.e2.v1 import admin_pb2, admin_pb2_grpc, outcomes_pb2, outcomes_pb2_grpc
from services.common.tls import Transport
from services.manager.ric_answers import answered

CALL_TIMEOUT_S = 3.0

Weights = Mapping[str, frozenset[int]]
"""Delivery weights of the instances of a version that do not drain, by version."""


@dataclass(frozen=True, slots=True)
class Attached:
    """The xApps at the RIC, consistent in itself."""

    by_xapp: Mapping[str, Weights]

    def of(self, xapp: str) -> Weights:
        """Versions of an xApp; empty when none is attached."""
        return self.by_xapp.get(xapp, {})


class RicVersions:
    """One channel to one RIC. All methods raise `RicUnreachable`."""

    def __init__(self, target: str, transport: Transport) -> None:
        self._target = target
        self._channel = transport.channel(target, peer="ric")
        self._admin = admin_pb2_grpc.E2AdminServiceStub(self._channel)
        self._outcomes = outcomes_pb2_grpc.VersionOutcomeServiceStub(self._channel)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def attached(self) -> Attached:
        """Who is there now."""
        response = await answered(self._target, self._admin.ListXapps(admin_pb2.ListXappsRequest(), timeout=CALL_TIMEOUT_S))
        found: dict[str, dict[str, frozenset[int]]] = {}
        for info in response.xapps:
            if info.state != "draining":
                versions = found.setdefault(info.xapp_name, {})
                versions[info.xapp_version] = versions.get(info.xapp_version, frozenset()) | {info.weight}
        return Attached(found)

    async def services(self, xapp: str) -> tuple[str, ...]:
        """Keys of the services whose requests the instances of an xApp take."""
        request = admin_pb2.ListSubscriptionsRequest()
        response = await answered(self._target, self._admin.ListSubscriptions(request, timeout=CALL_TIMEOUT_S))
        ours = [s for s in response.subscriptions if s.kind == "insert" and any(_xapp(i) == xapp for i in s.instances)]
        return tuple(sorted({key for subscription in ours for key in subscription.items}))

    async def set_weight(self, xapp: str, version: str, weight: int) -> None:
        """A version's share of the delivery, also for instances that attach later."""
        request = admin_pb2.SetWeightRequest(xapp_name=xapp, xapp_version=version, weight=weight, keep=True)
        await answered(self._target, self._admin.SetWeight(request, timeout=CALL_TIMEOUT_S))

    async def outcomes(self, xapp: str, after: int) -> outcomes_pb2.ListOutcomesResponse:
        """Closed windows after a cursor."""
        request = outcomes_pb2.ListOutcomesRequest(xapp_name=xapp, after=after)
        return await answered(self._target, self._outcomes.ListOutcomes(request, timeout=CALL_TIMEOUT_S))


def _xapp(label: str) -> str:
    return label.rpartition("/")[0]
