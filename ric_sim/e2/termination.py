"""The E2 termination: associations with node agents and xApps, and the subscriptions between them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from ric_sim.domain.errors import CityMismatch, Conflict, InvalidInput, OutOfRange, RicityError, UnsupportedVersion
from ric_sim.domain.priority import LOWEST
from ric_sim.e2 import PROTOCOL_VERSION
from ric_sim.e2.config_pushes import MAX_GENERATION, MAX_SETTINGS, ConfigPushes, check_setting_names
from ric_sim.e2.delivery import Instance, Pool, check_weight, check_window
from ric_sim.e2.displacing import Displacing
from ric_sim.e2.inventory import NodeInventory
from ric_sim.e2.policies import PolicyBook
from ric_sim.e2.ports import AgentPort, XappPort
from ric_sim.e2.requests import RequestBook
from ric_sim.e2.store_gate import StoreGate
from ric_sim.e2.subscriptions import Subscription, SubscriptionTable, Terms, terms_from_proto
from ric_sim.network.city import City
from ric_sim.telemetry import counter, gauge
from ricity.e2.v1 import common_pb2, termination_pb2, xapp_pb2

KEEP_ALIVE_MS = 1_500
SILENT_PERIODS = 3
"""A peer silent for so many keep-alive periods in a row is taken for lost."""

MAX_NAME_LENGTH = 64
MAX_KEPT_POOLS = 4096


class ServiceOwners(Protocol):
    """Keeps which xApp takes which service's requests across restarts of the RIC."""

    def save(self, owners: Mapping[str, Iterable[str]]) -> None:
        """`owners`: xApp name -> service keys; replaces what was kept. Returns at once."""


class Termination:
    """Everything one RIC process knows of its peers. One event loop, no locks."""

    def __init__(self, city: City, gate: StoreGate, *, ric_id: str, absent_grace_s: float, owners: ServiceOwners) -> None:
        """`absent_grace_s`: how long requests wait for an xApp whose last instance has gone."""
        self.city = city
        self.gate = gate
        self.ric_id = ric_id
        self.inventory = NodeInventory()
        self.subscriptions = SubscriptionTable()
        self.displacing = Displacing(city, gate, priorities=(LOWEST,) * len(city.services), tell=self._tell_agents)
        self.policies = PolicyBook(city, self.displacing)
        self.configurations = ConfigPushes()
        self.requests = RequestBook(city, gate, self.displacing, self.policies)
        self.latest_reports: dict[tuple[str, int], common_pb2.Report] = {}
        self._agents: dict[str, AgentPort] = {}
        self._absent_grace_s = absent_grace_s
        self._owners = owners

    def allow_preemption(self, priorities: tuple[int, ...]) -> None:
        """From now on flows of a service may displace those of services of lower priority; by service index."""
        self.displacing.set_base(priorities)

    # --- node agents ---------------------------------------------------------------------------------------------------

    def setup(self, port: AgentPort, request: termination_pb2.SetupRequest) -> None:
        """E2 setup. A refusal is answered, and the port closed, rather than raised."""
        result = termination_pb2.SetupResult(
            accepted=True, protocol_version=PROTOCOL_VERSION, ric_id=self.ric_id, keep_alive_ms=KEEP_ALIVE_MS
        )
        try:
            self._check_peer(request.protocol_version, request.city_fingerprint, f"agent {request.agent_id!r}")
            _check_name("agent id", request.agent_id)
        except RicityError as error:
            result.accepted = False
            result.cause.CopyFrom(_refusal(error))
            port.push(termination_pb2.ConnectResponse(setup_result=result))
            port.close()
            return
        previous = self._agents.pop(request.agent_id, None)
        if previous is not None:
            previous.close()
        port.agent_id = request.agent_id
        self._agents[request.agent_id] = port
        self.inventory.connected(request.agent_id, request.nodes)
        result.subscriptions.extend(s.terms.to_node(s.subscription_id) for s in self.subscriptions.all())
        port.push(termination_pb2.ConnectResponse(setup_result=result))
        if (displaced := self.displacing.recent()) is not None:
            port.push(displaced)

    def agent_lost(self, port: AgentPort) -> None:
        """The association ended; its requests keep their place and their time-to-wait."""
        if self._agents.get(port.agent_id) is port:
            del self._agents[port.agent_id]
            self.inventory.disconnected(port.agent_id)

    def reports(self, batch: termination_pb2.ReportBatch) -> None:
        """Passes REPORT indications on to their subscribers."""
        counter("ricity_ric_reports_total").inc(len(batch.reports))
        for report in batch.reports:
            subscription = self.subscriptions.get(report.subscription_id)
            if subscription is None:
                counter("ricity_ric_invalid_messages_total").labels(cause="request_id_unknown").inc()
                continue
            self.latest_reports[report.ran_name, report.subscription_id] = report
            subscription.indications_total += 1
            for subscriber in subscription.subscribers:
                if not subscriber.push_report(report):
                    subscription.dropped_total += 1
                    counter("ricity_ric_dropped_total").labels(queue="reports").inc()

    # --- xApps ---------------------------------------------------------------------------------------------------------

    def register(self, port: XappPort, request: xapp_pb2.RegisterRequest) -> None:
        """Registers an instance. A refusal is answered, and the port closed, rather than raised."""
        result = xapp_pb2.RegisterResult(
            accepted=True,
            protocol_version=PROTOCOL_VERSION,
            city_fingerprint=self.city.fingerprint,
            keep_alive_ms=KEEP_ALIVE_MS,
        )
        try:
            self._check_version(request.protocol_version, f"xApp {request.xapp_name!r}")
            for what, name in (("xapp name", request.xapp_name), ("instance id", request.instance_id)):
                _check_name(what, name)
            check_weight(request.weight)
            check_window(request.window)
            _check_configured(request)
            instance = Instance(
                xapp_name=request.xapp_name,
                version=request.xapp_version,
                instance_id=request.instance_id,
                weight=request.weight,
                window=request.window,
                wake=port.wake,
                config_generation=request.config_generation,
                live_settings=tuple(request.live_settings),
            )
            self.requests.pool(request.xapp_name).attach(instance)
            port.instance = instance
        except RicityError as error:
            result.accepted = False
            result.cause.CopyFrom(_refusal(error))
            port.push(xapp_pb2.AttachResponse(register_result=result))
            port.close()
            return
        port.push(xapp_pb2.AttachResponse(register_result=result))
        self.policies.attached(port)
        self.configurations.attached(port)

    def subscribe(self, port: XappPort, instance: Instance, request: xapp_pb2.SubscribeRequest) -> None:
        """Subscribes an instance; refusals are answered with their cause and change nothing."""
        result = xapp_pb2.SubscribeResult(request_id=request.request_id)
        try:
            terms = terms_from_proto(request, service_keys=self.city.service_index, measurements=self.inventory.measurements())
            if terms.kind == "insert":
                self._claim(instance.xapp_name, terms.items)
            subscription, is_new = self.subscriptions.add(terms, port)
        except RicityError as error:
            result.cause.CopyFrom(_refusal(error))
            port.push(xapp_pb2.AttachResponse(subscribe_result=result))
            return
        result.admitted, result.merged = True, not is_new
        result.subscription_id = subscription.subscription_id
        port.push(xapp_pb2.AttachResponse(subscribe_result=result))
        if is_new:
            self._tell_agents(termination_pb2.ConnectResponse(subscription=terms.to_node(subscription.subscription_id)))
        if terms.kind == "insert":
            for key in terms.items:
                self.requests.pool(instance.xapp_name).serve(instance, self.city.service_index[key])
            self.policies.services_changed()

    def unsubscribe(self, port: XappPort, subscription_id: int) -> None:
        """Ends an instance's subscription; the last subscriber's leaving ends it at the nodes."""
        try:
            subscription = self.subscriptions.leave(subscription_id, port)
        except RicityError:
            found = False
        else:
            found = True
            self._left(port, subscription)
            if not subscription.subscribers:
                self._end(subscription)
        result = xapp_pb2.UnsubscribeResult(subscription_id=subscription_id, found=found)
        port.push(xapp_pb2.AttachResponse(unsubscribe_result=result))

    def drain(self, port: XappPort, instance: Instance) -> None:
        """The instance wants to go: nothing new for it; told so once everything it holds is answered."""
        self.requests.pool(instance.xapp_name).drain(instance)
        self.policies.services_changed()
        self._watch_absence(instance.xapp_name)
        port.wake()

    def xapp_lost(self, port: XappPort) -> None:
        """The stream ended. Reports end with their last subscriber; requests wait for another instance for the grace time."""
        if port.instance is None:
            return
        self.policies.detached(port)
        self.configurations.detached(port)
        for subscription in self.subscriptions.of(port):
            self.subscriptions.leave(subscription.subscription_id, port)
            if not subscription.subscribers and subscription.terms.kind == "report":
                self._end(subscription)
        self.requests.detach(port)
        self._watch_absence(port.instance.xapp_name)

    def set_weight(self, xapp_name: str, version: str, weight: int, *, keep: bool = False) -> int:
        """Sets the delivery weight of one version of an xApp, with `keep` also before it is attached; returns its instances."""
        if keep:
            _check_name("xapp name", xapp_name)
            if len(self.requests.pools) >= MAX_KEPT_POOLS and xapp_name not in self.requests.pools:
                raise OutOfRange(f"{MAX_KEPT_POOLS} xApps are known: weights can be kept only for xApps that are attached")
            return self.requests.pool(xapp_name).set_weight(version, weight, keep=True)
        pool = self.requests.pools.get(xapp_name)
        return pool.set_weight(version, weight) if pool is not None else 0

    def restore_owners(self, owners: Mapping[str, Iterable[str]]) -> None:
        """After a restart: the services that had an xApp wait for it to come back, for the grace time."""
        for xapp_name, keys in owners.items():
            items = tuple(sorted(key for key in keys if key in self.city.service_index))
            if items:
                for key in items:
                    self.requests.owners[self.city.service_index[key]] = xapp_name
                self.subscriptions.add(Terms("insert", (), items), None)
                self._watch_absence(xapp_name)

    def publish_gauges(self) -> None:
        """Sets the gauges that mirror this object's state."""
        for name, pool in self.requests.pools.items():
            gauge("ricity_ric_queue_requests").labels(xapp=name).set(pool.queued)
            gauge("ricity_ric_outstanding_requests").labels(xapp=name).set(pool.outstanding)
            draining = sum(instance.draining for instance in pool.instances)
            gauge("ricity_ric_xapp_instances").labels(xapp=name, state="draining").set(draining)
            gauge("ricity_ric_xapp_instances").labels(xapp=name, state="ready").set(len(pool.instances) - draining)
        for kind in ("insert", "report"):
            count = sum(s.terms.kind == kind for s in self.subscriptions.all())
            gauge("ricity_ric_subscriptions").labels(kind=kind).set(count)

    # --- inside --------------------------------------------------------------------------------------------------------

    def _claim(self, xapp_name: str, keys: Iterable[str]) -> None:
        """A service's requests go to one xApp; claiming is all or nothing."""
        indices = {key: self.city.service_index[key] for key in keys}
        for key, index in indices.items():
            owner = self.requests.owners.get(index, xapp_name)
            if owner != xapp_name:
                raise Conflict(f"the requests of {key} already go to {owner}: stop that xApp first, or subscribe to others")
        changed = any(index not in self.requests.owners for index in indices.values())
        self.requests.owners.update(dict.fromkeys(indices.values(), xapp_name))
        if changed:
            self._save_owners()

    def _watch_absence(self, xapp_name: str) -> None:
        """Gives up the services of an xApp when nobody takes them for the grace time."""
        pool = self.requests.pool(xapp_name)
        absent = [s for s, owner in self.requests.owners.items() if owner == xapp_name and pool.is_absent(s)]
        if absent:
            asyncio.get_running_loop().call_later(self._absent_grace_s, self._give_up_absent, pool)

    def _give_up_absent(self, pool: Pool) -> None:
        absent = [s for s, owner in self.requests.owners.items() if owner == pool.xapp_name and pool.is_absent(s)]
        for service in absent:
            self.requests.abandon_service(service)
        for subscription in self.subscriptions.all():
            if subscription.terms.kind == "insert" and not subscription.subscribers:
                self._end(subscription)
        if absent:
            self._save_owners()

    def _left(self, port: XappPort, subscription: Subscription) -> None:
        if port.instance is not None and subscription.terms.kind == "insert":
            for key in subscription.terms.items:
                port.instance.services.discard(self.city.service_index[key])
            self.policies.services_changed()
            self._watch_absence(port.instance.xapp_name)

    def _end(self, subscription: Subscription) -> None:
        self.subscriptions.remove(subscription)
        for key in [key for key in self.latest_reports if key[1] == subscription.subscription_id]:
            del self.latest_reports[key]
        delete = termination_pb2.NodeSubscriptionDelete(subscription_id=subscription.subscription_id)
        self._tell_agents(termination_pb2.ConnectResponse(subscription_delete=delete))

    def _tell_agents(self, message: termination_pb2.ConnectResponse) -> None:
        for agent in self._agents.values():
            agent.push(message)

    async def keep_again(self) -> None:
        """Keeps owners and policies anew, after the store has lost its last changes. Raises `StoreUnreachable`."""
        self._save_owners()
        await self.policies.keep_again()

    def _save_owners(self) -> None:
        owners: dict[str, list[str]] = {}
        for service, xapp_name in sorted(self.requests.owners.items()):
            owners.setdefault(xapp_name, []).append(self.city.services[service].key)
        self._owners.save(owners)

    def _check_peer(self, version: int, fingerprint: str, who: str) -> None:
        self._check_version(version, who)
        if fingerprint != self.city.fingerprint:
            raise CityMismatch(
                f"{who} runs city {fingerprint[:12]}, the RIC {self.city.fingerprint[:12]}: start both with the same profile"
            )

    @staticmethod
    def _check_version(version: int, who: str) -> None:
        if version != PROTOCOL_VERSION:
            raise UnsupportedVersion(
                f"{who} speaks protocol version {version}, the RIC {PROTOCOL_VERSION}: upgrade the older one"
            )


def _check_name(what: str, name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name):
        raise OutOfRange(f"{what} {name[:40]!r}: expected 1 to {MAX_NAME_LENGTH} of letters, digits, '-', '_' and '.'")


def _check_configured(request: xapp_pb2.RegisterRequest) -> None:
    if request.config_generation > MAX_GENERATION or len(request.live_settings) > MAX_SETTINGS:
        raise OutOfRange(
            f"generation {request.config_generation}, {len(request.live_settings)} live settings: "
            f"expected at most {MAX_GENERATION} and {MAX_SETTINGS}"
        )
    check_setting_names(request.live_settings)


def _refusal(error: RicityError) -> common_pb2.Cause:
    """A refused procedure's cause; the error's own code leads the detail."""
    counter("ricity_ric_invalid_messages_total").labels(cause=error.code).inc()
    cause = common_pb2.Cause(detail=f"{error.code}: {error}")
    if isinstance(error, UnsupportedVersion | CityMismatch):
        cause.protocol = common_pb2.PROTOCOL_CAUSE_MESSAGE_NOT_COMPATIBLE_WITH_RECEIVER_STATE
    elif isinstance(error, Conflict):
        cause.ric = common_pb2.RIC_CAUSE_FUNCTION_RESOURCE_LIMIT
    elif isinstance(error, InvalidInput):
        cause.ric = common_pb2.RIC_CAUSE_ACTION_NOT_SUPPORTED
    else:
        cause.misc = common_pb2.MISC_CAUSE_OM_INTERVENTION
    return cause
