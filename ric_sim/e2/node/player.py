"""Plays a day: raises its requests when due, settles each exactly once, and accounts for what the city then carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.e2.identity import E2Node, home_du
from ric_sim.e2.node.carried import CarriedLoad
from ric_sim.e2.node.ledger import Ledger, Moment, Outcome, Settlement
from ric_sim.e2.node.outages import OutageTracker
from ric_sim.e2.node.outstanding import OpenRequest, Outstanding, Port
from ric_sim.e2.node.pacing import Pace, Progress
from ric_sim.e2.node.subscriptions import Raising, SubscriptionTable
from ric_sim.network.city import City
from ric_sim.network.traffic import Day
from ric_sim.telemetry import counter, histogram

GUARD_S = 1.0
"""How much longer than the time-to-wait a node waits: the RIC is the arbiter, the node only acts if it stays silent."""

_RAISED_AT_ONCE = 512
"""Most requests raised in one call, so that a day without subscribers does not block the event loop."""


class RequestMetrics:
    """The per-service metrics of requests, label lookups done once."""

    def __init__(self, services: Sequence[str]) -> None:
        self.raised = [counter("ricity_nodes_requests_total").labels(service=key) for key in services]
        self.settled = [
            [counter("ricity_nodes_answers_total").labels(service=key, outcome=outcome.label) for outcome in Outcome]
            for key in services
        ]
        self.decision_s = [histogram("ricity_nodes_decision_seconds").labels(service=key) for key in services]
        self.latency_s = [histogram("ricity_nodes_flow_latency_seconds").labels(service=key) for key in services]
        self.displaced = [counter("ricity_nodes_displaced_flows_total").labels(service=key) for key in services]
        self._keys = services

    def count(self, service: int, settlement: Settlement, *, decision_s: float) -> None:
        """A request of the service got its final record, `decision_s` after it was first sent."""
        self.settled[service][settlement.outcome].inc()
        if settlement.accepted:
            self.latency_s[service].observe(settlement.latency_us / 1e6)
        if settlement.decided:
            self.decision_s[service].observe(decision_s)
        else:
            cause = settlement.cause.label
            counter("ricity_nodes_default_actions_total").labels(service=self._keys[service], cause=cause).inc()


class Sending(NamedTuple):
    """A request to put into an INSERT."""

    flow: FlowRequest
    ran_name: str
    remaining_ms: int
    resent: bool


class DayPlayer:
    """The state of a day being played. No I/O: wall times (monotonic seconds) come in, requests to send come out."""

    def __init__(
        self, city: City, nodes: Sequence[E2Node], day: Day, *, pace: Pace, table: SubscriptionTable, time_to_wait_s: float
    ) -> None:
        self.city = city
        self.day = day
        self.pace = pace
        self.ledger = Ledger(day, n_services=len(city.services))
        self.load = CarriedLoad(city, nodes, start_ms=int(day.arrival_ms[0]) if len(day) else 0)
        self.outages = OutageTracker([spec.key for spec in city.services])
        self.outstanding = Outstanding(wait_s=time_to_wait_s + GUARD_S)
        self.table = table
        self.connected = False
        self.started_s: float | None = None
        self._done_s: float | None = None
        self._n_flows = len(day)
        self._service = day.service.tolist()
        self._ports = _ports(city, nodes, day)
        self._distinct_ports = frozenset(self._ports)
        self._given_up: dict[int, None] = {}
        self._displaced_early: dict[int, tuple[Sequence[int], int]] = {}
        self._unreported: list[str] = []
        self._progress = Progress(raised=0, settled=0, n_outstanding=0)
        self._metrics = RequestMetrics([spec.key for spec in city.services])

    # --- the clock -------------------------------------------------------------------------------------------------

    @property
    def progress(self) -> Progress:
        return self._progress

    @property
    def done(self) -> bool:
        """Every flow of the day has its final record."""
        return self._progress.settled == self._n_flows

    def start(self, now_s: float) -> None:
        """The day begins."""
        self.started_s = now_s
        self.pace.start(now_s)

    def wall_s(self, now_s: float) -> float:
        """Wall seconds since the day began; 0 before."""
        return 0.0 if self.started_s is None else now_s - self.started_s

    def played_s(self, now_s: float) -> float:
        """Wall seconds the day has been played for; stands still once it is done."""
        return self.wall_s(now_s if self._done_s is None else self._done_s)

    def emulated_ms(self, now_s: float) -> int:
        """Emulated time; before the start, that of the first arrival; once a day is done whose clock stops, its last end."""
        if self.started_s is None or (self.done and not self.pace.runs_on):
            return self.horizon_ms(now_s)
        return self.pace.emulated_ms(self._progress, now_s)

    def horizon_ms(self, now_s: float) -> int:
        """Emulated time up to which it is known what the city carries."""
        if self.started_s is None:
            return self.load.now_ms
        if self.done and not self.pace.runs_on:
            return self.load.last_end_ms
        return self.pace.horizon_ms(self._progress, now_s)

    def lag_s(self, now_s: float) -> float:
        """How far the next flow of a paced day is overdue, wall seconds."""
        due_s = self._next_due_s()
        return 0.0 if due_s is None else max(0.0, now_s - due_s)

    def wait_s(self, now_s: float) -> float | None:
        """Wall seconds until the next flow of a paced day is due; None if nothing is scheduled."""
        due_s = self._next_due_s()
        return None if due_s is None else max(0.0, due_s - now_s)

    def _next_due_s(self) -> float | None:
        if self.started_s is None or self._progress.raised == self._n_flows:
            return None
        return self.pace.due_at_s(self._progress.raised)

    def services_ready(self) -> bool:
        """Whether every request of the day would find a subscriber at its node."""
        return all(self.table.raising(port) is Raising.OPEN for port in self._distinct_ports)

    # --- raising ---------------------------------------------------------------------------------------------------

    def raise_due(self, now_s: float) -> bool:
        """Raises what is due, in order of arrival. True if more is due than one call takes."""
        if self.started_s is None or (self.pace.pauses and not self.connected):
            return False
        raised = 0
        while (due := self.pace.due(self._progress, now_s)) > self._progress.raised:
            for index in range(self._progress.raised, due):
                if raised == _RAISED_AT_ONCE:
                    return True
                if not self._raise(index, now_s):
                    return False
                raised += 1
        return False

    def _raise(self, index: int, now_s: float) -> bool:
        port = self._ports[index]
        raising = self.table.raising(port)
        if raising is Raising.AWAITED and self.pace.pauses:
            return False
        service = self._service[index]
        at_s = self.wall_s(now_s)
        self.ledger.raised(index, at_s)
        self.outages.raised(service, at_s)
        self._metrics.raised[service].inc()
        full = len(self.outstanding) >= self.pace.max_outstanding
        if full or raising is Raising.CLOSED:
            self._progress = self._progress._replace(raised=index + 1)
            self._default(index, Cause.QUEUE_FULL if full else Cause.NO_SUBSCRIBER, now_s)
        else:
            self.outstanding.add(index, self.day.flow(index), port, now_s)
            self._progress = self._progress._replace(raised=index + 1, n_outstanding=len(self.outstanding))
        return True

    def take(self, now_s: float) -> list[Sending]:
        """The requests to send now, in order of arrival; call only on an association that is set up."""
        released = self.outstanding.release(self.table.raising)
        if not (released.to_send or released.unwanted):
            return []
        for request in released.unwanted:
            self._default(request.index, Cause.NO_SUBSCRIBER, now_s)
        at_s = self.wall_s(now_s)
        for request in released.to_send:
            self.ledger.sent(request.index, at_s)
        return [
            Sending(
                flow=request.flow,
                ran_name=request.port[0],
                remaining_ms=max(1, round((request.deadline_s - GUARD_S - now_s) * 1000)),
                resent=request.resent,
            )
            for request in released.to_send
        ]

    # --- settling --------------------------------------------------------------------------------------------------

    def answer(self, index: int, settlement: Settlement, links: Sequence[int], now_s: float) -> None:
        """Takes the RIC's answer to flow `index` (-1: not one of the day). A second or late one is counted and changes nothing.

        Raises:
            InvalidRoute: the applied route cannot be one of the flow; nothing changes, the request stays open.
        """
        request = self.outstanding.get(index)
        if request is not None and settlement.accepted:
            self.load.carry(request.flow, links)
        self._settle(index, settlement, now_s)
        if self._displaced_early and index in self._displaced_early:
            self.displaced(index, *self._displaced_early.pop(index))

    def displaced(self, index: int, links: Sequence[int], at_ms: int) -> None:
        """Flow `index` gave way to another at emulated time `at_ms`; told again, or not one of the day (-1), changes nothing.

        Raises:
            InvalidRoute: the links cannot be its route; nothing changes.
        """
        if not 0 <= index < self._n_flows:
            return
        if not self.ledger.is_settled(index):
            self._displaced_early[index] = (links, at_ms)  # its answer is still under way, on an association that broke
        elif self.ledger.displace(index):
            self.load.cut(self.day.flow(index), links, at_ms)
            self._metrics.displaced[self._service[index]].inc()

    def expire(self, now_s: float) -> None:
        """Default action for every request that has waited its time-to-wait and the guard."""
        for request in self.outstanding.expired(now_s):
            silent = self.connected and request.sent
            self._default(request.index, Cause.TIME_TO_WAIT_EXPIRED if silent else Cause.RIC_UNREACHABLE, now_s)

    def give_up_all(self, now_s: float) -> None:
        """Default action for everything still outstanding: the agent stops."""
        for request in self.outstanding.all():
            self._default(request.index, Cause.RIC_UNREACHABLE, now_s)

    def _default(self, index: int, cause: Cause, now_s: float) -> None:
        self._settle(index, Settlement(Outcome.DEFAULT, cause, by_node=True), now_s)

    def _settle(self, index: int, settlement: Settlement, now_s: float) -> None:
        at_s = self.wall_s(now_s)
        if not self.ledger.settle(index, settlement, Moment(at_s, self.emulated_ms(now_s))):
            return
        request = self.outstanding.remove(index)
        self.outages.settled(self._service[index], at_s, by_ric=not settlement.by_node)
        self._metrics.count(self._service[index], settlement, decision_s=at_s - self.ledger.sent_us[index] / 1e6)
        if settlement.by_node:
            self._give_up(index, request)
        raised, settled, _ = self._progress
        while settled < raised and self.ledger.is_settled(settled):
            settled += 1
        self._progress = Progress(raised, settled, n_outstanding=len(self.outstanding))
        if self.done:
            self._done_s = now_s

    # --- the association -------------------------------------------------------------------------------------------

    def association_up(self, now_s: float) -> None:
        """A setup was accepted: what was given up and may still be reserved is reported (again)."""
        self.connected = True
        self.outages.association_up()
        emulated_ms = self.emulated_ms(now_s)
        self._given_up = {index: None for index in self._given_up if self.day.flow(index).end_ms > emulated_ms}
        self._unreported = [self.day.flow_id(index) for index in self._given_up]

    def association_lost(self, now_s: float) -> None:
        """The stream broke: everything unanswered is to be sent again."""
        self.connected = False
        self.outstanding.association_lost()
        self.outages.association_lost(self.wall_s(now_s))

    def take_given_up(self) -> list[str]:
        """Ids of the flows the node gave up and the RIC has not been told of on this association."""
        unreported, self._unreported = self._unreported, []
        return unreported

    def _give_up(self, index: int, request: OpenRequest | None) -> None:
        """A RIC that knows the request may have reserved for it: it is told, also after the next reconnect."""
        if request is not None and request.known_to_ric:
            self._given_up[index] = None
            if self.connected:
                self._unreported.append(self.day.flow_id(index))


def _ports(city: City, nodes: Sequence[E2Node], day: Day) -> list[Port]:
    """Per flow: the O-DU that raises its request, and its service's key."""
    ran_name = {node.node: node.ran_name for node in nodes}
    home = {ru: ran_name[du] for ru, du in home_du(city).items()}
    ports = {(ru, service): (name, spec.key) for ru, name in home.items() for service, spec in enumerate(city.services)}
    return [ports[where] for where in zip(day.ru.tolist(), day.service.tolist(), strict=True)]
