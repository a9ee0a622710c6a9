"""Subscriptions: who wants which indications of which nodes. Identical ones are merged into one towards the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ric_sim.domain.errors import Conflict, NotFound, OutOfRange, UnknownKey, UnsupportedMeasurement
from ric_sim.e2 import RAN_FUNCTION_KPM, RAN_FUNCTION_RC
from ricity.e2.v1 import admin_pb2, common_pb2, termination_pb2, xapp_pb2

MIN_PERIOD_MS = 10
MAX_PERIOD_MS = 3_600_000

Kind = Literal["insert", "report"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is subscribed to; two subscriptions with equal terms are one.

    Attributes:
        ran_names: sorted; empty means every node that offers the function, now and later.
        items: service keys (insert) or measurement names (report), sorted.
        period_ms: granularity period of a report in emulated time, 0 for inserts.
    """

    kind: Kind
    ran_names: tuple[str, ...]
    items: tuple[str, ...]
    period_ms: int = 0

    @property
    def ran_function_id(self) -> int:
        return RAN_FUNCTION_RC if self.kind == "insert" else RAN_FUNCTION_KPM

    def to_node(self, subscription_id: int) -> termination_pb2.NodeSubscription:
        """The request as the node agents get it."""
        message = termination_pb2.NodeSubscription(
            subscription_id=subscription_id, ran_names=self.ran_names, ran_function_id=self.ran_function_id
        )
        if self.kind == "insert":
            message.insert.service_keys.extend(self.items)
        else:
            message.report.trigger.granularity_period_ms = self.period_ms
            message.report.action.measurement_names.extend(self.items)
        return message


class Subscriber(Protocol):
    """An attached instance, as far as subscriptions are concerned."""

    @property
    def label(self) -> str:
        """`<xapp>/<instance>`."""

    def push_report(self, report: common_pb2.Report) -> bool:
        """Queues a report; False when its queue was full and the oldest report had to go."""


@dataclass(slots=True)
class Subscription:
    """One merged subscription."""

    subscription_id: int
    terms: Terms
    subscribers: list[Subscriber] = field(default_factory=list)
    indications_total: int = 0
    dropped_total: int = 0

    def info(self, *, lag: int) -> admin_pb2.SubscriptionInfo:
        """As the admin service shows it."""
        return admin_pb2.SubscriptionInfo(
            subscription_id=self.subscription_id,
            ran_function_id=self.terms.ran_function_id,
            kind=self.terms.kind,
            ran_names=self.terms.ran_names,
            items=self.terms.items,
            granularity_period_ms=self.terms.period_ms,
            instances=sorted(subscriber.label for subscriber in self.subscribers),
            indications_total=self.indications_total,
            dropped_total=self.dropped_total,
            lag=lag,
        )


class SubscriptionTable:
    """All subscriptions by id and by terms."""

    def __init__(self) -> None:
        self._by_id: dict[int, Subscription] = {}
        self._by_terms: dict[Terms, Subscription] = {}
        self._next_id = 1

    def add(self, terms: Terms, subscriber: Subscriber | None) -> tuple[Subscription, bool]:
        """Joins the subscription with these terms, or makes it; True when it is new and the nodes have to be told."""
        subscription = self._by_terms.get(terms)
        is_new = subscription is None
        if subscription is None:
            subscription = Subscription(self._next_id, terms)
            self._next_id += 1
            self._by_id[subscription.subscription_id] = subscription
            self._by_terms[terms] = subscription
        if subscriber is not None and subscriber not in subscription.subscribers:
            subscription.subscribers.append(subscriber)
        return subscription, is_new

    def leave(self, subscription_id: int, subscriber: Subscriber) -> Subscription:
        """Takes a subscriber out; the subscription stays until `remove`. Raises `NotFound`; nothing changed then."""
        subscription = self._by_id.get(subscription_id)
        if subscription is None or subscriber not in subscription.subscribers:
            raise NotFound(f"subscription {subscription_id} is not one of {subscriber.label}'s")
        subscription.subscribers.remove(subscriber)
        return subscription

    def of(self, subscriber: Subscriber) -> list[Subscription]:
        """Everything an instance is subscribed to."""
        return [s for s in self._by_id.values() if subscriber in s.subscribers]

    def remove(self, subscription: Subscription) -> None:
        """Ends a subscription."""
        self._by_id.pop(subscription.subscription_id, None)
        self._by_terms.pop(subscription.terms, None)

    def get(self, subscription_id: int) -> Subscription | None:
        return self._by_id.get(subscription_id)

    def all(self) -> Sequence[Subscription]:
        """Oldest first."""
        return list(self._by_id.values())


def terms_from_proto(
    request: xapp_pb2.SubscribeRequest, *, service_keys: Iterable[str], measurements: Mapping[str, admin_pb2.NodeInfo]
) -> Terms:
    """Checks a subscription request.

    Args:
        service_keys: services the city has.
        measurements: what the connected nodes offer; empty while none is connected, then names are not checked here.
    Raises:
        UnknownKey, OutOfRange, UnsupportedMeasurement, Conflict: what is wrong and what is offered. Nothing changed.
    """
    action = request.WhichOneof("action")
    if action is None:
        raise OutOfRange("a subscription needs an action: report or insert")
    expected = RAN_FUNCTION_RC if action == "insert" else RAN_FUNCTION_KPM
    if request.ran_function_id != expected:
        raise Conflict(f"{action} belongs to RAN function {expected}, got {request.ran_function_id}")
    ran_names = tuple(sorted(set(request.ran_names)))
    if action == "insert":
        return Terms("insert", ran_names, _checked_services(request.insert.service_keys, service_keys))
    period_ms = request.report.trigger.granularity_period_ms
    if not MIN_PERIOD_MS <= period_ms <= MAX_PERIOD_MS:
        raise OutOfRange(f"granularity period {period_ms} ms is not in {MIN_PERIOD_MS} to {MAX_PERIOD_MS}")
    names = tuple(sorted(set(request.report.action.measurement_names)))
    if not names:
        raise OutOfRange("a report subscription names at least one measurement")
    unsupported = [name for name in names if measurements and name not in measurements]
    if unsupported:
        raise UnsupportedMeasurement(
            f"no connected node offers {', '.join(unsupported)}; supported are {', '.join(sorted(measurements))}"
        )
    return Terms("report", ran_names, names, period_ms)


def _checked_services(keys: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    chosen, known = tuple(sorted(set(keys))), set(known)
    if not chosen:
        raise OutOfRange("an insert subscription names at least one service")
    for key in chosen:
        if key not in known:
            raise UnknownKey("service", key, known)
    return chosen
