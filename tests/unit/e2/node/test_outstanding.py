"""Open requests: queued, sent, sent again, and given up when they have waited long enough."""

from __future__ import annotations

from ric_sim.e2.node.outstanding import Outstanding
from ric_sim.e2.node.subscriptions import Raising
from tests.unit.e2.node.two_sites import uniform_day

DAY = uniform_day(3)
A, B = ("du", "ar"), ("du", "iot")


def everything(_port) -> Raising:
    return Raising.OPEN


def indices(requests) -> list[int]:
    return [request.index for request in requests]


def three_requests() -> Outstanding:
    outstanding = Outstanding(wait_s=10.0)
    for index, port in enumerate((A, B, A)):
        outstanding.add(index, DAY.flow(index), port, now_s=float(index))
    return outstanding


def test_what_is_open_is_sent_once_in_order_of_arrival():
    outstanding = three_requests()
    assert indices(outstanding.release(everything).to_send) == [0, 1, 2]
    assert outstanding.release(everything).to_send == []
    assert len(outstanding) == 3


def test_what_is_awaited_stays_and_what_nobody_wants_is_returned_until_it_is_settled():
    outstanding = three_requests()
    released = outstanding.release({A: Raising.AWAITED, B: Raising.CLOSED}.get)
    assert (indices(released.to_send), indices(released.unwanted)) == ([], [1])
    assert outstanding.n_unsent == 3
    outstanding.remove(1)
    assert outstanding.release({A: Raising.AWAITED}.get).unwanted == []
    assert indices(outstanding.release(everything).to_send) == [0, 2]


def test_after_a_loss_exactly_the_unanswered_are_sent_again():
    outstanding = three_requests()
    outstanding.release({A: Raising.OPEN, B: Raising.AWAITED}.get)
    outstanding.remove(0)
    outstanding.association_lost()
    released = outstanding.release(everything).to_send
    assert [(request.index, request.resent) for request in released] == [(1, False), (2, True)]
    outstanding.association_lost()
    assert [(request.index, request.resent) for request in outstanding.release(everything).to_send] == [(1, True), (2, True)]


def test_what_is_answered_after_a_loss_is_not_sent_again():
    outstanding = three_requests()
    outstanding.release(everything)
    outstanding.association_lost()
    outstanding.remove(1)
    assert indices(outstanding.release(everything).to_send) == [0, 2]


def test_a_request_is_known_to_the_ric_once_it_was_sent():
    outstanding = three_requests()
    assert not outstanding.remove(1).known_to_ric
    outstanding.release(everything)
    assert outstanding.remove(0).known_to_ric
    outstanding.association_lost()
    assert outstanding.remove(2).known_to_ric
    assert outstanding.remove(2) is None


def test_requests_expire_in_the_order_they_were_raised():
    outstanding = three_requests()
    assert outstanding.expired(9.9) == []
    assert indices(outstanding.expired(11.0)) == [0, 1]
    outstanding.remove(0)
    assert indices(outstanding.expired(12.0)) == [1, 2]
    assert outstanding.get(1).flow == DAY.flow(1)
    assert outstanding.get(0) is None
