"""How the parts of the RIC process are put together."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ric_sim.domain.errors import StoreUnreachable
from ric_sim.domain.priority import service_priorities
from ric_sim.e2.admin_servicer import AdminServicer
from ric_sim.e2.codec import resource_name
from ric_sim.e2.conflict_guard import ConflictGuard, Names
from ric_sim.e2.conflict_servicer import ConflictServicer
from ric_sim.e2.identity import RIC_ID
from ric_sim.e2.outcome_servicer import OutcomeServicer
from ric_sim.e2.policy_servicer import PolicyServicer
from ric_sim.e2.ratio_enforcement import RatioEnforcement
from ric_sim.e2.servicers import TerminationServicer, XappServicer
from ric_sim.e2.store_gate import StoreGate
from ric_sim.e2.store_servicer import StoreServicer
from ric_sim.e2.termination import Termination
from ric_sim.e2.utilisation import UtilisationGauges
from ric_sim.network.city import City
from ric_sim.network.city_file import city_to_json, load_city
from ric_sim.network.montreal import build_city
from ric_sim.store.access import StoreAccess
from ric_sim.store.async_redis_store import AsyncRedisStore
from ric_sim.store.base import StoreLayout
from ric_sim.store.conflicts import StoredConflicts
from ric_sim.store.policies import StoredPolicies
from ric_sim.store.service_owners import StoredServiceOwners
from ricity.a1.v1 import policy_pb2, policy_pb2_grpc
from ricity.e2.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    conflict_pb2,
    conflict_pb2_grpc,
    outcomes_pb2,
    outcomes_pb2_grpc,
    termination_pb2,
    termination_pb2_grpc,
    xapp_pb2,
    xapp_pb2_grpc,
)
from ricity.store.v1 import store_pb2, store_pb2_grpc
from services.common.server import HealthStatus, create_server
from services.common.status_port import StatusPort
from services.common.tasks import end_tasks
from services.ric.settings import RicSettings

SERVICE_NAMES = tuple(
    service.full_name
    for file in (
        termination_pb2.DESCRIPTOR,
        xapp_pb2.DESCRIPTOR,
        admin_pb2.DESCRIPTOR,
        store_pb2.DESCRIPTOR,
        policy_pb2.DESCRIPTOR,
        outcomes_pb2.DESCRIPTOR,
        conflict_pb2.DESCRIPTOR,
    )
    for service in file.services_by_name.values()
)
GAUGE_PERIOD_S = 1.0
STOP_GRACE_S = 2.0
CALL_PATIENCE_S = 0.2
"""How long the store's client itself repeats a call; beyond that the gate takes over and readiness shows it."""


@dataclass(frozen=True, slots=True)
class RunningRic:
    """A RIC that takes work; `grpc_port` and `status_port` are bound.

    When `gate.failed` gets an error, a part that everything depends on has ended, and the process must end, too.
    """

    grpc_port: int
    status_port: int
    city: City
    termination: Termination
    gate: StoreGate


@contextlib.asynccontextmanager
async def running_ric(settings: RicSettings) -> AsyncIterator[RunningRic]:
    """Starts the RIC in this event loop; leaving the context stops it.

    Raises:
        StoreUnreachable: the store did not answer within `store_patience_s`.
        CityMismatch: the namespace holds another city.
        InvalidInput, CertificateUnusable: see `Transport.bind`.
    """
    city = load_city(settings.city_file) if settings.city_file else build_city(settings.profile)
    status = HealthStatus()
    async with contextlib.AsyncExitStack() as stack:
        location = StoreAccess(settings.store_url, settings.store_password_file, settings.tls_dir)
        signals = settings.congestion_signals
        store = AsyncRedisStore(location, settings.namespace, patience_s=CALL_PATIENCE_S, congestion_signals=signals)
        await stack.enter_async_context(store)
        await _create(store, city, patience_s=settings.store_patience_s)
        owners = StoredServiceOwners(location, settings.namespace)
        stack.push_async_callback(owners.aclose)
        gate = StoreGate(store)
        termination = Termination(city, gate, ric_id=str(RIC_ID), absent_grace_s=settings.absent_grace_ms / 1000, owners=owners)
        if settings.preemption:
            termination.allow_preemption(service_priorities(city.services))
        termination.restore_owners(await owners.load())
        policies = StoredPolicies(location, settings.namespace, patience_s=CALL_PATIENCE_S)
        stack.push_async_callback(policies.aclose)
        stack.push_async_callback(termination.policies.changed)
        await termination.policies.restore(policies)
        conflicts = StoredConflicts(location, settings.namespace, patience_s=CALL_PATIENCE_S)
        stack.push_async_callback(conflicts.aclose)
        guard = ConflictGuard(conflicts, _names(termination), settings.control_priorities)
        await guard.restore()
        await gate.fresh_snapshot()
        work = (
            gate.run(),
            termination.policies.run(),
            termination.policies.keep_what_holds(),
            guard.run(),
            _mirror(termination, gate, status),
        )
        background = [asyncio.create_task(activity) for activity in work]
        for task in background:
            task.add_done_callback(lambda ended: _report(ended, gate.failed))
        stack.push_async_callback(end_tasks, *background)
        access = settings.transport.access()
        server = create_server(status, SERVICE_NAMES, admit=access.admit)
        termination_pb2_grpc.add_E2TerminationServiceServicer_to_server(TerminationServicer(termination), server)
        xapp_pb2_grpc.add_XappServiceServicer_to_server(XappServicer(termination, city_to_json(city), access), server)
        admin_pb2_grpc.add_E2AdminServiceServicer_to_server(AdminServicer(termination), server)
        store_pb2_grpc.add_StoreServiceServicer_to_server(StoreServicer(city, gate, store, termination.policies), server)
        policy_pb2_grpc.add_PolicyServiceServicer_to_server(PolicyServicer(termination.policies), server)
        ratios = ConflictServicer(guard, RatioEnforcement(guard, termination.policies))
        conflict_pb2_grpc.add_ConflictServiceServicer_to_server(ratios, server)
        outcomes = OutcomeServicer(city, termination.requests.outcomes)
        outcomes_pb2_grpc.add_VersionOutcomeServiceServicer_to_server(outcomes, server)
        grpc_port = settings.transport.bind(server, host=settings.host, port=settings.grpc_port)
        await server.start()
        stack.push_async_callback(server.stop, STOP_GRACE_S)
        await status.set_ready(ready=True)
        status_port = StatusPort(settings, is_ready=lambda: status.ready)
        stack.callback(status_port.close)
        yield RunningRic(grpc_port, status_port.port, city, termination, gate)
        await status.set_ready(ready=False)


def _names(termination: Termination) -> Names:
    """Services by the xApp that takes their requests, or by their own key while nobody does."""
    city, owners = termination.city, termination.requests.owners
    return Names(
        lambda service: owners.get(service, city.services[service].key),
        lambda resource: resource_name(city, resource),
    )


async def _create(store: AsyncRedisStore, city: City, *, patience_s: float) -> None:
    """Opens the namespace, waiting for a store that is still starting."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            await store.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
            return
        except StoreUnreachable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(CALL_PATIENCE_S)


async def _mirror(termination: Termination, gate: StoreGate, status: HealthStatus) -> None:
    """Keeps gauges and readiness in step with the state, once a second."""
    utilisation = UtilisationGauges(gate, termination.city)
    kept_after = gate.times_went_back
    while True:
        await asyncio.sleep(GAUGE_PERIOD_S)
        if gate.times_went_back != kept_after:
            kept_after = await _keep_again(termination, gate, kept_after)
        termination.publish_gauges()
        utilisation.publish()
        if status.ready != gate.reachable:
            await status.set_ready(ready=gate.reachable)


async def _keep_again(termination: Termination, gate: StoreGate, kept_after: int) -> int:
    """The times of going back that have been made up for; the caller tries again for the others."""
    seen = gate.times_went_back
    try:
        await termination.keep_again()
    except StoreUnreachable:
        return kept_after
    return seen


def _report(ended: asyncio.Task[None], failed: asyncio.Future[None]) -> None:
    error = None if ended.cancelled() else ended.exception()
    if error is not None and not failed.done():
        failed.set_exception(error)
