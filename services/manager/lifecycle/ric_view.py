"""The RIC as the lifecycle sees it: who is attached with which weight, what became of the requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ric_sim.domain.errors import RicityError
from ricity.e2.v1 import admin_pb2, admin_pb2_grpc
from services.common.tls import Transport
from services.manager.lifecycle.driver import Workload
from services.manager.lifecycle.model import Counts
from services.manager.ric_answers import answered

CALL_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Attached:
    """One instance at the RIC. Totals count requests since it attached.

    Attributes:
        instance_id: at the RIC.
        workload_id: of the workload that it is; its own one if no driver knows it.
        config_generation: that it says it runs; 0: it says nothing.
        live_settings: `RICITY_*` variables it takes while it runs.
    """

    name: str
    version: str
    instance_id: str
    weight: int
    draining: bool
    outstanding: int
    subscriptions: int
    answered: int
    defaulted: int
    failed: int
    workload_id: str = ""
    config_generation: int = 0
    live_settings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Told:
    """What one instance said to a configuration. `reason`: why it did not take it."""

    instance_id: str
    version: str
    outcome: admin_pb2.ConfigOutcome.ValueType
    reason: str


@dataclass(frozen=True, slots=True)
class RicView:
    """One look at the RIC, consistent in itself.

    Attributes:
        unseen: places that did not answer, and why: rows of xApps there are those of the last look.
    """

    attached: Sequence[Attached] = ()
    counts: Mapping[str, Counts] = field(default_factory=dict)
    unseen: Mapping[str, RicityError] = field(default_factory=dict)

    def of(self, name: str, version: str) -> list[Attached]:
        """Instances of one version."""
        return [row for row in self.attached if row.name == name and row.version == version]

    def of_workloads(self, workloads: Iterable[Workload]) -> RicView:
        """With each instance known as the workload that it is.

        What a driver has started registers with the workload's id. What Compose has started draws an id that begins with the
        host's name, which is the container's id.
        """
        by_name: dict[str, list[str]] = {}
        for workload in workloads:
            by_name.setdefault(workload.name, []).append(workload.instance_id)

        def known_as(row: Attached) -> str:
            ids = by_name.get(row.name, ())
            return next((i for i in ids if row.instance_id == i or row.instance_id.startswith(f"{i}-")), row.instance_id)

        return replace(self, attached=[replace(row, workload_id=known_as(row)) for row in self.attached])


class Roster(Protocol):
    """Who is attached, and how much of the work each version gets. Both raise `RicUnreachable`."""

    async def look(self) -> RicView:
        """Everything attached and counted now."""
        ...

    async def set_weight(self, name: str, version: str, weight: int, *, keep: bool) -> None:
        """Sets a version's share, 0 to 100; with `keep` also for instances that attach later."""
        ...


class ConfigurableRoster(Roster, Protocol):
    """A `Roster` some of whose instances take a configuration while they run: those with `live_settings`."""

    async def configure(
        self, rows: Sequence[Attached], generation: int, settings: Mapping[str, str], *, check_only: bool
    ) -> list[Told]:
        """Hands a configuration to instances of one xApp, or only asks whether they would take it. Raises `RicUnreachable`."""
        ...


class RicAdmin:
    """Client of the RIC's admin service. All methods raise `RicUnreachable`."""

    def __init__(self, target: str, transport: Transport) -> None:
        self._target = target
        self._channel = transport.channel(target, peer="ric")
        self._stub = admin_pb2_grpc.E2AdminServiceStub(self._channel)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def look(self) -> RicView:
        """Everything attached and counted now."""
        response = await answered(self._target, self._stub.ListXapps(admin_pb2.ListXappsRequest(), timeout=CALL_TIMEOUT_S))
        return RicView(
            attached=[_attached(info) for info in response.xapps],
            counts={totals.xapp_name: _counts(totals) for totals in response.requests},
        )

    async def set_weight(self, name: str, version: str, weight: int, *, keep: bool) -> None:
        """Sets a version's share of the delivery; with `keep` also for instances that attach later."""
        request = admin_pb2.SetWeightRequest(xapp_name=name, xapp_version=version, weight=weight, keep=keep)
        await answered(self._target, self._stub.SetWeight(request, timeout=CALL_TIMEOUT_S))

    async def configure(
        self, rows: Sequence[Attached], generation: int, settings: Mapping[str, str], *, check_only: bool
    ) -> list[Told]:
        """As `ConfigurableRoster.configure`."""
        request = admin_pb2.ConfigureXappRequest(
            xapp_name=rows[0].name,
            instance_ids=[row.instance_id for row in rows],
            generation=generation,
            settings=settings,
            check_only=check_only,
        )
        response = await answered(self._target, self._stub.ConfigureXapp(request, timeout=CALL_TIMEOUT_S))
        return [Told(each.instance_id, each.xapp_version, each.outcome, each.reason) for each in response.instances]


def _attached(info: admin_pb2.XappInfo) -> Attached:
    return Attached(
        name=info.xapp_name,
        version=info.xapp_version,
        instance_id=info.instance_id,
        weight=info.weight,
        draining=info.state == "draining",
        outstanding=info.outstanding,
        subscriptions=info.subscriptions,
        answered=info.applied_total + info.rejected_total,
        defaulted=info.defaulted_total,
        failed=info.failed_total,
        workload_id=info.instance_id,
        config_generation=info.config_generation,
        live_settings=frozenset(info.live_settings),
    )


def _counts(totals: admin_pb2.RequestTotals) -> Counts:
    return Counts(
        received=totals.received_total,
        answered=totals.answered_total,
        defaulted=totals.defaulted_total,
        given_up=totals.given_up_total,
        doubled=totals.doubled_total,
        waiting=totals.waiting,
    )
