"""Views of the termination for the CLI, the console and the manager."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from ric_sim.e2.config_pushes import Configuration
from ric_sim.e2.delivery import Instance
from ric_sim.e2.ports import XappPort
from ric_sim.e2.subscriptions import Subscription
from ric_sim.e2.termination import Termination
from ricity.e2.v1 import admin_pb2, admin_pb2_grpc, common_pb2


class AdminServicer(admin_pb2_grpc.E2AdminServiceServicer):
    """`E2AdminService`."""

    def __init__(self, termination: Termination) -> None:
        self._termination = termination

    async def ListNodes(self, request: Any, context: Any) -> admin_pb2.ListNodesResponse:
        return admin_pb2.ListNodesResponse(nodes=self._termination.inventory.all())

    async def WatchNodes(self, request: Any, context: Any) -> AsyncIterator[admin_pb2.WatchNodesResponse]:
        async for info in self._termination.inventory.watch():
            yield admin_pb2.WatchNodesResponse(node=info)

    async def ListSubscriptions(self, request: Any, context: Any) -> admin_pb2.ListSubscriptionsResponse:
        rows = [self._subscription(s) for s in self._termination.subscriptions.all()]
        return admin_pb2.ListSubscriptionsResponse(subscriptions=rows)

    async def ListXapps(self, request: Any, context: Any) -> admin_pb2.ListXappsResponse:
        pools = self._termination.requests.pools
        ports = self._subscriber_counts()
        rows = [_xapp(i, ports[i.xapp_name, i.instance_id]) for name in sorted(pools) for i in pools[name].instances]
        return admin_pb2.ListXappsResponse(xapps=rows, requests=self._request_totals())

    async def SetWeight(self, request: admin_pb2.SetWeightRequest, context: Any) -> admin_pb2.SetWeightResponse:
        count = self._termination.set_weight(request.xapp_name, request.xapp_version, request.weight, keep=request.keep)
        return admin_pb2.SetWeightResponse(instances=count)

    async def ConfigureXapp(self, request: admin_pb2.ConfigureXappRequest, context: Any) -> admin_pb2.ConfigureXappResponse:
        configuration = Configuration(request.generation, dict(request.settings), request.check_only)
        told = await self._termination.configurations.push(request.xapp_name, request.instance_ids, configuration)
        return admin_pb2.ConfigureXappResponse(instances=told)

    async def ListMeasurements(self, request: Any, context: Any) -> admin_pb2.ListMeasurementsResponse:
        catalogue: dict[str, common_pb2.Measurement] = {}
        for info in self._termination.inventory.all():
            for function in info.ran_functions:
                catalogue.update({measurement.name: measurement for measurement in function.measurements})
        return admin_pb2.ListMeasurementsResponse(measurements=[catalogue[name] for name in sorted(catalogue)])

    async def GetReports(self, request: admin_pb2.GetReportsRequest, context: Any) -> admin_pb2.GetReportsResponse:
        reports = self._termination.latest_reports
        chosen = [reports[key] for key in sorted(reports) if request.ran_name in ("", key[0])]
        return admin_pb2.GetReportsResponse(reports=chosen)

    def _subscriber_counts(self) -> Counter[tuple[str, str]]:
        """Subscriptions by xApp name and instance id."""
        subscribers = (s for subscription in self._termination.subscriptions.all() for s in subscription.subscribers)
        instances = (port.instance for port in subscribers if isinstance(port, XappPort) and port.instance is not None)
        return Counter((instance.xapp_name, instance.instance_id) for instance in instances)

    def _request_totals(self) -> list[admin_pb2.RequestTotals]:
        requests = self._termination.requests
        totals = []
        for name in sorted(requests.pools.keys() | set(requests.owners.values())):
            services = {service for service, owner in requests.owners.items() if owner == name}
            waiting = sum(service in services for service in requests.waiting_services())
            totals.append(admin_pb2.RequestTotals(xapp_name=name, waiting=waiting, **requests.tally.totals(services)))
        return totals

    def _subscription(self, subscription: Subscription) -> admin_pb2.SubscriptionInfo:
        if subscription.terms.kind == "report":
            queues = [subscriber.queued_reports for subscriber in subscription.subscribers if isinstance(subscriber, XappPort)]
            return subscription.info(lag=max(queues, default=0))
        requests, services = self._termination.requests, self._termination.city.service_index
        owners = {requests.owners.get(services[key], "") for key in subscription.terms.items}
        pools = [requests.pools[name] for name in owners if name in requests.pools]
        info = subscription.info(lag=sum(pool.queued for pool in pools))
        info.indications_total = sum(instance.delivered_total for pool in pools for instance in pool.instances)
        return info


def _xapp(instance: Instance, subscriptions: int) -> admin_pb2.XappInfo:
    return admin_pb2.XappInfo(
        xapp_name=instance.xapp_name,
        xapp_version=instance.version,
        instance_id=instance.instance_id,
        weight=instance.weight,
        window=instance.window,
        state="draining" if instance.draining else "ready",
        outstanding=len(instance.outstanding),
        delivered_total=instance.delivered_total,
        answered_total=instance.answered_total,
        subscriptions=subscriptions,
        applied_total=instance.applied_total,
        rejected_total=instance.rejected_total,
        defaulted_total=instance.defaulted_total,
        failed_total=instance.failed_total,
        config_generation=instance.config_generation,
        live_settings=instance.live_settings,
    )
