"""Preemption at the RIC: a critical flow without a route is asked about once more; the nodes learn who gave way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.domain.reservation import CommitOutcome
from ric_sim.e2.codec import amounts_to_bytes, snapshot_to_proto
from ric_sim.e2.delivery import Pending
from ric_sim.e2.store_gate import StoreGate
from ric_sim.network.city import City
from ric_sim.network.contention import used_if_displacing
from ric_sim.telemetry import counter
from ricity.e2.v1 import termination_pb2, xapp_pb2

REMEMBERED_FLOWS = 4096
"""Displaced flows told again to an agent that comes back."""

_NO_ROUTE = (Cause.NO_ROUTE_CAPACITY, Cause.NO_ROUTE_LATENCY)


class Displacing:
    """The rules of preemption of one RIC. Built with all priorities 0 it does nothing."""

    def __init__(
        self, city: City, gate: StoreGate, *, priorities: tuple[int, ...], tell: Callable[[termination_pb2.ConnectResponse], None]
    ) -> None:
        """`priorities` by service index; `tell` sends a message to every agent."""
        self._city = city
        self._gate = gate
        self._tell = tell
        self._told: deque[termination_pb2.DisplacedFlow] = deque(maxlen=REMEMBERED_FLOWS)
        self._base = priorities
        self._overrides: Mapping[int, int] = {}
        self.priorities = priorities

    def set_base(self, priorities: tuple[int, ...]) -> None:
        """The priorities where nothing else is said, by service index."""
        self._base = priorities
        self.override(self._overrides)

    def override(self, priorities: Mapping[int, int]) -> None:
        """Priorities of single services that go before the others; replaces what was said before."""
        self._overrides = priorities
        self.priorities = tuple(priorities.get(service, base) for service, base in enumerate(self._base))

    def may_try(self, pending: Pending, cause: Cause) -> bool:
        """The xApp found no route for a flow that may displace others, and has not been asked about it on those terms."""
        return self.priorities[pending.flow.service] > 0 and not pending.displacing and cause in _NO_ROUTE

    async def question(self, pending: Pending) -> xapp_pb2.AttachResponse | None:
        """The INSERT that asks again on what displacing would leave in use; None if nobody of lower priority holds anything."""
        displaceable = await self._gate.displaceable(self.priorities[pending.flow.service])
        if not displaceable.any():
            return None
        snapshot = await self._gate.fresh_snapshot()
        used = used_if_displacing(self._city, pending.flow, snapshot.used, displaceable)
        inserts = xapp_pb2.InsertIndications(
            snapshot=snapshot_to_proto(snapshot), requests=[pending.request], used_if_displacing=amounts_to_bytes(used)
        )
        return xapp_pb2.AttachResponse(inserts=inserts)

    async def announce(self, winner: FlowRequest, outcome: CommitOutcome) -> None:
        """Tells the nodes who gave way to a commit."""
        counter("ricity_ric_displaced_flows_total").labels(service=self._city.services[winner.service].key).inc(
            len(outcome.displaced)
        )
        now_ms = self._gate.now_ms
        flows = []
        for flow_id in outcome.displaced:
            first = await self._gate.lookup(flow_id)
            links = first.route if first is not None else ()
            flows.append(termination_pb2.DisplacedFlow(flow_id=flow_id, displaced_by=winner.flow_id, now_ms=now_ms, links=links))
        self._told.extend(flows)
        self._tell(_batch(flows))

    def recent(self) -> termination_pb2.ConnectResponse | None:
        """What an agent that has just set up may have missed; None if there is nothing."""
        return _batch(self._told) if self._told else None


def _batch(flows: deque[termination_pb2.DisplacedFlow] | list[termination_pb2.DisplacedFlow]) -> termination_pb2.ConnectResponse:
    return termination_pb2.ConnectResponse(displaced=termination_pb2.DisplacedBatch(flows=flows))
