"""What the nodes admit, what they refuse, and which requests are raised."""

from __future__ import annotations

import pytest

from ric_sim.domain.errors import Conflict, InvalidInput, Overloaded, UnknownKey, UnsupportedMeasurement
from ric_sim.e2.node.subscriptions import (
    MAX_SUBSCRIPTIONS,
    Capabilities,
    InsertSubscription,
    Raising,
    ReportSubscription,
    SubscriptionTable,
)


def table() -> SubscriptionTable:
    return SubscriptionTable(Capabilities(reporting=["du-a", "du-b", "cu"], inserting=["du-a", "du-b"], services=["ar", "iot"]))


def insert(number: int, *services: str, at: tuple[str, ...] = ()) -> InsertSubscription:
    return InsertSubscription(number, at, services)


def report(number: int, *names: str, period_ms: int = 1000, at: tuple[str, ...] = ()) -> ReportSubscription:
    return ReportSubscription(number, at, names, period_ms)


def test_nothing_is_raised_without_a_subscription():
    assert table().raising(("du-a", "ar")) is Raising.CLOSED


def test_no_names_mean_every_node_that_offers_the_function():
    held = table()
    assert held.admit(insert(1, "ar")).ran_names == ("du-a", "du-b")
    assert held.admit(report(2, "RRC.ConnMean")).ran_names == ("du-a", "du-b", "cu")
    assert held.raising(("du-b", "ar")) is Raising.OPEN
    assert held.raising(("du-b", "iot")) is Raising.CLOSED


def test_a_subscription_opens_only_its_nodes():
    held = table()
    held.admit(insert(1, "ar", at=("du-a", "du-a")))
    assert held.raising(("du-a", "ar")) is Raising.OPEN
    assert held.raising(("du-b", "ar")) is Raising.CLOSED
    held.delete(1)
    assert held.raising(("du-a", "ar")) is Raising.CLOSED


def test_a_service_stays_open_until_its_last_subscription_goes():
    held = table()
    held.admit(insert(1, "ar"))
    held.admit(insert(2, "ar", "iot"))
    held.admit(insert(2, "ar", "iot"))
    held.delete(2)
    held.delete(2)
    assert held.raising(("du-a", "ar")) is Raising.OPEN
    assert held.raising(("du-a", "iot")) is Raising.CLOSED


def test_after_a_loss_requests_wait_for_the_setup_and_then_for_nobody():
    held = table()
    held.admit(insert(1, "ar"))
    held.association_lost()
    held.association_lost()
    assert held.raising(("du-a", "ar")) is Raising.AWAITED
    assert held.raising(("du-a", "iot")) is Raising.CLOSED
    held.association_up()
    assert held.raising(("du-a", "ar")) is Raising.CLOSED
    held.admit(insert(1, "iot"))
    assert held.raising(("du-a", "iot")) is Raising.OPEN


@pytest.mark.parametrize(
    ("subscription", "error", "message"),
    [
        (insert(1, "radio"), UnknownKey, "unknown service 'radio'"),
        (insert(1), InvalidInput, "names no service: name at least one of ar, iot"),
        (insert(1, "ar", at=("cu",)), UnknownKey, "offers INSERT 'cu': expected one of du-a, du-b"),
        (report(1, "RRC.ConnMean", at=("du-z",)), UnknownKey, "offers REPORT 'du-z'"),
        (report(1, "DRB.Nope"), UnsupportedMeasurement, r"supported: RRU\.PrbTotDl"),
        (report(1), UnsupportedMeasurement, "names no measurement"),
        (report(1, "RRC.ConnMean", period_ms=9), InvalidInput, "9 ms is not supported: choose 10 to 3600000"),
        (report(1, "RRC.ConnMean", period_ms=3_600_001), InvalidInput, "3600001 ms"),
    ],
)
def test_what_the_nodes_do_not_offer_is_refused_with_what_they_do(subscription, error, message):
    held = table()
    with pytest.raises(error, match=message):
        held.admit(subscription)
    held.admit(insert(1, "ar"))


def test_an_id_in_use_is_refused_with_other_contents():
    held = table()
    held.admit(insert(1, "ar"))
    with pytest.raises(Conflict, match="subscription id 1"):
        held.admit(insert(1, "iot"))
    assert held.raising(("du-a", "iot")) is Raising.CLOSED


def test_the_number_of_subscriptions_is_bounded():
    held = table()
    for number in range(MAX_SUBSCRIPTIONS):
        held.admit(report(number, "RRC.ConnMean"))
    with pytest.raises(Overloaded, match=str(MAX_SUBSCRIPTIONS)):
        held.admit(insert(MAX_SUBSCRIPTIONS, "ar"))
    held.delete(0)
    held.admit(insert(MAX_SUBSCRIPTIONS, "ar"))
