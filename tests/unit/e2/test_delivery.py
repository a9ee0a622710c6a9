"""Delivery: each request is in exactly one place, whatever happens to the instances."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.domain.errors import DuplicateInstance, OutOfRange
from ric_sim.domain.flow import ANY_UPF, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.e2.delivery import MAX_KEPT_WEIGHTS, Instance, Pending, Pool, choose
from ricity.e2.v1.common_pb2 import ServiceRequest


class Nowhere:
    def push_answer(self, answer):
        raise AssertionError("delivery answers nobody")


def pending(number: int, service: int = 0) -> Pending:
    flow = FlowRequest(f"flow-{number}", service, Direction.UPLINK, 0, ANY_UPF, 1, 1, 0, 1)
    return Pending(flow, ServiceRequest(flow_id=flow.flow_id), Nowhere(), 0)


def instance(name: str, *, version: str = "1", weight: int = 100, window: int = 4) -> Instance:
    return Instance("x", version, name, weight, window, wake=lambda: None)


def attached(pool: Pool, name: str, **options) -> Instance:
    new = instance(name, **options)
    pool.attach(new)
    pool.serve(new, 0)
    return new


def test_window_bounds_what_is_sent():
    pool = Pool("x", capacity=100)
    one = attached(pool, "a", window=3)
    for number in range(10):
        assert pool.offer(pending(number))
    assert len(one.take(100)) == 3
    assert one.take(100) == []
    assert pool.queued == 7
    assert pool.outstanding == 3


def test_full_pool_takes_nothing_more():
    pool = Pool("x", capacity=2)
    assert pool.offer(pending(1))
    assert pool.offer(pending(2))
    assert not pool.offer(pending(3))
    assert pool.queued == 2


def test_weights_are_shares_of_versions_not_of_instances():
    instances = [
        instance("a", version="1", weight=90),
        instance("b", version="2", weight=10),
        instance("c", version="2", weight=10),
    ]
    share = Counter(choose(instances, f"flow-{n}").version for n in range(20_000))
    assert share["2"] / 20_000 == pytest.approx(0.10, abs=0.01)


def test_flow_sticks_to_its_instance_and_only_a_lost_instances_flows_move():
    instances = [instance(name) for name in "abc"]
    before = {f"flow-{n}": choose(instances, f"flow-{n}").instance_id for n in range(2000)}
    after = {flow: choose(instances[:2], flow).instance_id for flow in before}
    moved = {flow for flow in before if before[flow] != after[flow]}
    assert moved == {flow for flow, name in before.items() if name == "c"}


def test_service_nobody_takes_waits_while_others_pass():
    pool = Pool("x", capacity=10)
    pool.offer(pending(1, service=1))
    one = attached(pool, "a")
    pool.offer(pending(2, service=0))
    assert [p.flow.flow_id for p in one.take(10)] == ["flow-2"]
    assert [p.flow.flow_id for p in pool.take_waiting(1)] == ["flow-1"]


def test_commit_under_way_is_not_handed_to_another_instance():
    pool = Pool("x", capacity=10)
    one, two = attached(pool, "a"), attached(pool, "b", weight=0)
    held = pending(1)
    pool.offer(held)
    one.take(1)
    held.committing = True
    pool.set_weight("1", 100)
    assert pool.detach(one) == [held]
    assert held.instance is None
    assert not two.backlog
    assert pool.queued == 0


def test_instance_ids_and_weights_are_checked():
    pool = Pool("x", capacity=10)
    attached(pool, "a")
    with pytest.raises(DuplicateInstance, match="x/a is already attached"):
        pool.attach(instance("a"))
    with pytest.raises(OutOfRange, match="weight -1"):
        pool.set_weight("1", -1)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["offer", "attach", "detach", "drain", "take", "answer", "weight"]), st.integers(0, 5)), max_size=60
)


@settings(max_examples=200, deadline=None)
@given(ACTIONS)
def test_request_is_always_in_exactly_one_place(actions):
    pool = Pool("x", capacity=30)
    alive: dict[str, Instance] = {}
    open_requests: dict[str, Pending] = {}
    for number, (action, pick) in enumerate(actions):
        chosen = alive.get(str(pick))
        if action == "offer" and pool.offer(new := pending(number)):
            open_requests[new.flow.flow_id] = new
        elif action == "attach" and chosen is None:
            alive[str(pick)] = attached(pool, str(pick), version=str(pick % 2), window=1 + pick)
        elif action == "weight":
            pool.set_weight(str(pick % 2), pick * 10)
        elif action == "answer" and open_requests:
            pool.withdraw(open_requests.pop(list(open_requests)[pick % len(open_requests)]))
        elif chosen is not None and action == "detach":
            pool.detach(alive.pop(str(pick)))
        elif chosen is not None and action == "drain":
            pool.drain(chosen)
        elif chosen is not None and action == "take":
            chosen.take(pick)
        places = Counter(p.flow.flow_id for p in pool._waiting)
        for one in alive.values():
            assert len(one.outstanding) <= one.window
            assert not (one.draining and one.backlog)
            places.update(p.flow.flow_id for p in one.backlog)
            places.update(list(one.outstanding))
        assert places == Counter(list(open_requests))


def test_a_kept_weight_goes_to_instances_that_attach_later_until_it_is_set_without():
    pool = Pool("x", capacity=100)
    assert pool.set_weight("2", 0, keep=True) == 0
    assert attached(pool, "a", version="2").weight == 0
    assert attached(pool, "b", version="1").weight == 100
    assert pool.set_weight("2", 30, keep=True) == 1
    assert attached(pool, "c", version="2").weight == 30
    assert pool.set_weight("2", 40) == 2
    assert attached(pool, "d", version="2").weight == 100


def test_kept_weights_are_bounded():
    pool = Pool("x", capacity=100)
    for version in range(MAX_KEPT_WEIGHTS):
        pool.set_weight(str(version), 1, keep=True)
    with pytest.raises(OutOfRange):
        pool.set_weight("one more", 1, keep=True)
    assert pool.set_weight("3", 2, keep=True) == 0
