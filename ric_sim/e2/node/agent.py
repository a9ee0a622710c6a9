"""The node agent: translates between the association with the RIC and the day being played. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ric_sim.domain.errors import InvalidInput, RicityError
from ric_sim.e2.identity import E2Node, nodes_of
from ric_sim.e2.node import codec
from ric_sim.e2.node.pacing import Pace
from ric_sim.e2.node.player import DayPlayer
from ric_sim.e2.node.reporter import REPORTS_PER_S, Reporter
from ric_sim.e2.node.subscriptions import Capabilities, ReportSubscription, SubscriptionTable
from ric_sim.network.city import City, NodeKind
from ric_sim.network.traffic import Day
from ric_sim.telemetry import counter
from ricity.e2.v1 import termination_pb2

MAX_BATCH = 256
"""Most requests, reports or ids in one message."""

CLOCK_TICK_S = 1.0
"""How often an agent that raises nothing tells the RIC the emulated time (an INSERT message without requests)."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """How an agent plays its day.

    Attributes:
        agent_id: unique per process start; letters, digits, '-', '_' and '.'.
        time_to_wait_s: wall time a request waits for the RIC's answer before the default action.
        wait_for_services: begin the day only when every request would find a subscriber.
        reports_per_s: bound on REPORT indications per wall second.
    """

    agent_id: str
    time_to_wait_s: float = 10.0
    wait_for_services: bool = False
    reports_per_s: float = REPORTS_PER_S


class NodeAgent:
    """All E2 nodes of one process. Wall times are seconds of one monotonic clock."""

    def __init__(self, city: City, day: Day, *, pace: Pace, options: AgentOptions, log: Any) -> None:
        self.city = city
        self.nodes: Sequence[E2Node] = nodes_of(city)
        self.table = SubscriptionTable(_capabilities(city, self.nodes))
        self.player = DayPlayer(city, self.nodes, day, pace=pace, table=self.table, time_to_wait_s=options.time_to_wait_s)
        self.reporter = Reporter(self.player.load, reports_per_s=options.reports_per_s)
        self.raising = True
        """False stops new requests (drain); what is outstanding is still settled."""
        self.more_due = False
        """The last `poll` left requests that are due already: poll again."""
        self._day = day
        self._options = options
        self._log = log
        self._outbox: deque[termination_pb2.ConnectRequest] = deque()
        self._told_ms = -1
        self._told_s = 0.0

    # --- the association -------------------------------------------------------------------------------------------

    def setup_request(self) -> termination_pb2.ConnectRequest:
        """The first message of an association."""
        return termination_pb2.ConnectRequest(setup=codec.setup_request(self.city, self.nodes, self._options.agent_id))

    def association_up(self, result: termination_pb2.SetupResult, now_s: float) -> None:
        """The RIC accepted the setup; its subscriptions replace all there were."""
        self.table.association_up()
        for subscription in result.subscriptions:
            self._subscribe(subscription)
        self.player.association_up(now_s)

    def association_lost(self, now_s: float) -> None:
        """The stream ended; subscriptions are gone, unanswered requests will be sent again."""
        self._outbox.clear()
        self.table.association_lost()
        self.reporter.unsubscribe_all()
        self.player.association_lost(now_s)

    def handle(self, message: termination_pb2.ConnectResponse, now_s: float) -> None:
        """Takes one message of an association that is set up. Unusable content is counted and changes nothing."""
        kind = message.WhichOneof("message")
        if kind == "answers":
            for answer in message.answers.answers:
                self._answer(answer, now_s)
        elif kind == "displaced":
            for flow in message.displaced.flows:
                self._displaced(flow)
        elif kind == "subscription":
            self._subscribe(message.subscription)
        elif kind == "subscription_delete":
            self.table.delete(message.subscription_delete.subscription_id)
            self.reporter.unsubscribe(message.subscription_delete.subscription_id)

    def _answer(self, answer: termination_pb2.Answer, now_s: float) -> None:
        try:
            settlement = codec.settlement(answer)
            self.player.answer(codec.flow_index(self._day, answer.flow_id), settlement, answer.applied.links, now_s)
        except InvalidInput as error:
            counter("ricity_nodes_invalid_messages_total").labels(cause=error.code).inc()
            self._log.warning("answer.invalid", flow=answer.flow_id, error=str(error))

    def _displaced(self, message: termination_pb2.DisplacedFlow) -> None:
        try:
            self.player.displaced(codec.flow_index(self._day, message.flow_id), message.links, message.now_ms)
        except InvalidInput as error:
            counter("ricity_nodes_invalid_messages_total").labels(cause=error.code).inc()
            self._log.warning("displaced.invalid", flow=message.flow_id, error=str(error))

    def _subscribe(self, message: termination_pb2.NodeSubscription) -> None:
        try:
            subscription = self.table.admit(codec.subscription(message))
        except RicityError as error:
            self._log.warning("subscription.refused", subscription=message.subscription_id, error=str(error))
            self._outbox.append(codec.refused(message, error))
            return
        if isinstance(subscription, ReportSubscription):
            self.reporter.subscribe(subscription)
        self._outbox.append(codec.admitted(message))

    # --- the passing of time ---------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Time passes, connected or not: the day begins if it can, what waited too long gets its default action."""
        player = self.player
        if player.started_s is None and self._may_begin():
            self._log.info("day.begins", day=self._day.name, flows=len(self._day))
            player.start(now_s)
        player.expire(now_s)
        if not player.connected:
            self._raise_due(now_s)
            self.reporter.advance(player.horizon_ms(now_s), now_s)

    def wait_s(self, now_s: float) -> float | None:
        """Wall seconds until `poll` has the next request of a paced day; None if nothing is scheduled."""
        return self.player.wait_s(now_s) if self.raising else None

    def _may_begin(self) -> bool:
        if not (self.player.connected and self.raising):
            return False
        return self.player.services_ready() or not self._options.wait_for_services

    def poll(self, now_s: float) -> list[termination_pb2.ConnectRequest]:
        """Everything there is to send on the association now, in order."""
        player = self.player
        messages = list(self._outbox)
        self._outbox.clear()
        self._raise_due(now_s)
        sendings = player.take(now_s)
        now_ms = player.emulated_ms(now_s)
        messages += [
            termination_pb2.ConnectRequest(inserts=codec.insert_batch(chunk, now_ms=now_ms)) for chunk in _chunks(sendings)
        ]
        messages += [
            termination_pb2.ConnectRequest(defaulted=termination_pb2.DefaultedBatch(flow_ids=chunk))
            for chunk in _chunks(player.take_given_up())
        ]
        messages += [
            termination_pb2.ConnectRequest(reports=termination_pb2.ReportBatch(reports=chunk))
            for chunk in _chunks(self.reporter.advance(player.horizon_ms(now_s), now_s))
        ]
        if sendings or self._clock_tick_due(now_ms, now_s):
            self._told_ms, self._told_s = now_ms, now_s
            if not sendings:
                messages.append(termination_pb2.ConnectRequest(inserts=termination_pb2.InsertBatch(now_ms=now_ms)))
        return messages

    def _clock_tick_due(self, now_ms: int, now_s: float) -> bool:
        """At the end of a day whose clock stops, the RIC is told at once, so that the last reservations expire."""
        if self.player.started_s is None or now_ms <= self._told_ms:
            return False
        at_end = self.player.done and not self.player.pace.runs_on
        return at_end or now_s - self._told_s >= CLOCK_TICK_S

    def _raise_due(self, now_s: float) -> None:
        self.more_due = self.raising and self.player.raise_due(now_s)


def _chunks(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[first : first + MAX_BATCH] for first in range(0, len(items), MAX_BATCH)]


def _capabilities(city: City, nodes: Sequence[E2Node]) -> Capabilities:
    return Capabilities(
        reporting=[node.ran_name for node in nodes],
        inserting=[node.ran_name for node in nodes if node.kind == NodeKind.O_DU],
        services=[spec.key for spec in city.services],
    )
