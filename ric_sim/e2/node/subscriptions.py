"""What the RIC has subscribed to at the nodes of one agent, and whether a service's requests may be raised as INSERTs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from ric_sim.domain.errors import Conflict, InvalidInput, Overloaded, UnknownKey, UnsupportedMeasurement
from ric_sim.e2 import kpm
from ric_sim.e2.subscriptions import MAX_PERIOD_MS, MIN_PERIOD_MS

MAX_SUBSCRIPTIONS = 1024
"""Most subscriptions one agent holds."""


@dataclass(frozen=True, slots=True)
class InsertSubscription:
    """Raise the requests of these services at these nodes (none named: at all) to the RIC."""

    subscription_id: int
    ran_names: tuple[str, ...]
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportSubscription:
    """Report these measurements of these nodes (none named: of all) once per period of emulated time."""

    subscription_id: int
    ran_names: tuple[str, ...]
    measurements: tuple[str, ...]
    period_ms: int


Subscription = InsertSubscription | ReportSubscription

Port = tuple[str, str]
"""Where a request is raised: ranName of the O-DU and key of the service."""


class Raising(IntEnum):
    """What happens to a new request of a service at a node."""

    OPEN = 0  # it is raised as an INSERT
    AWAITED = 1  # the association is lost and its subscription expected back: the request waits
    CLOSED = 2  # nobody subscribes: default action at once


class Capabilities:
    """Which node offers what: every node KPM, the O-DUs also RC with the city's services."""

    def __init__(self, *, reporting: Iterable[str], inserting: Iterable[str], services: Iterable[str]) -> None:
        self._reporting = tuple(reporting)
        self._inserting = tuple(inserting)
        self._services = tuple(services)

    def checked(self, subscription: Subscription) -> Subscription:
        """The subscription with its nodes spelt out.

        Raises:
            UnknownKey, UnsupportedMeasurement, InvalidInput: what the nodes do not offer, and what they do.
        """
        is_report = isinstance(subscription, ReportSubscription)
        offering = self._reporting if is_report else self._inserting
        for ran_name in subscription.ran_names:
            if ran_name not in offering:
                raise UnknownKey(f"E2 node that offers {'REPORT' if is_report else 'INSERT'}", ran_name, offering)
        if isinstance(subscription, ReportSubscription):
            _check_report(subscription)
        else:
            _check_services(subscription.services, known=self._services)
        return replace(subscription, ran_names=tuple(dict.fromkeys(subscription.ran_names)) or offering)


def _check_report(subscription: ReportSubscription) -> None:
    if not subscription.measurements:
        raise UnsupportedMeasurement("the REPORT names no measurement: name at least one")
    kpm.check_supported(subscription.measurements)
    if not MIN_PERIOD_MS <= subscription.period_ms <= MAX_PERIOD_MS:
        raise InvalidInput(
            f"a granularity period of {subscription.period_ms} ms is not supported: "
            f"choose {MIN_PERIOD_MS} to {MAX_PERIOD_MS} ms of emulated time"
        )


def _check_services(services: Collection[str], *, known: tuple[str, ...]) -> None:
    if not services:
        raise InvalidInput(f"the INSERT names no service: name at least one of {', '.join(known)}")
    for service in services:
        if service not in known:
            raise UnknownKey("service", service, known)


class SubscriptionTable:
    """The subscriptions of the present association, and what the last one had."""

    def __init__(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities
        self._held: dict[int, Subscription] = {}
        self._open: dict[Port, int] = {}
        self._awaited: frozenset[Port] = frozenset()

    def admit(self, subscription: Subscription) -> Subscription:
        """Takes a subscription and returns it with its nodes spelt out; the same one again changes nothing.

        Raises:
            InvalidInput: the nodes do not offer it; says what they do offer.
            Conflict: the id is held by another subscription.
            Overloaded: `MAX_SUBSCRIPTIONS` are held.
        """
        subscription = self._capabilities.checked(subscription)
        held = self._held.get(subscription.subscription_id)
        if held == subscription:
            return subscription
        if held is not None:
            raise Conflict(f"subscription id {subscription.subscription_id} is held with other contents: delete it first")
        if len(self._held) >= MAX_SUBSCRIPTIONS:
            raise Overloaded(f"the agent holds {MAX_SUBSCRIPTIONS} subscriptions, its most: delete one first")
        self._held[subscription.subscription_id] = subscription
        for port in _ports(subscription):
            self._open[port] = self._open.get(port, 0) + 1
        return subscription

    def delete(self, subscription_id: int) -> None:
        """Gives a subscription up; an id that is not held changes nothing."""
        subscription = self._held.pop(subscription_id, None)
        for port in _ports(subscription) if subscription is not None else ():
            self._open[port] -= 1
            if not self._open[port]:
                del self._open[port]

    def association_lost(self) -> None:
        """All subscriptions are gone; what they opened is awaited until the next setup."""
        self._awaited |= self._open.keys()
        self._held.clear()
        self._open.clear()

    def association_up(self) -> None:
        """A setup was accepted: from here on only what the RIC says holds."""
        self._awaited = frozenset()

    def raising(self, port: Port) -> Raising:
        """What happens now to a request raised there."""
        if port in self._open:
            return Raising.OPEN
        return Raising.AWAITED if port in self._awaited else Raising.CLOSED


def _ports(subscription: Subscription) -> list[Port]:
    if isinstance(subscription, ReportSubscription):
        return []
    return [(ran_name, service) for ran_name in subscription.ran_names for service in dict.fromkeys(subscription.services)]
