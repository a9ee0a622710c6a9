"""The mask permits exactly what is allowed, and never closes the way that CSPF takes."""

from __future__ import annotations

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.network.city import NodeKind
from ric_sim.network.generator import generate_day
from ric_sim.network.masks import LatencyFloors, WalkSpace
from ric_sim.network.montreal import build_city
from ric_sim.network.policies import make_policy
from tests.unit.network.policies.cities import busy, idle, link, loaded, node, route_names, uplink, zigzag

_TO_THE_O_CU = ("west", "north", "east", "du", "east", "north", "west", "cu", "west")
"""A walk through `zigzag` up to the second time it stands in the west."""


@pytest.fixture(scope="module")
def stress_city():
    return build_city("stress")


@pytest.fixture(scope="module")
def flows(stress_city):
    """Requests of all services, drawn over the test day."""
    day = generate_day(stress_city, "test", profile="stress")
    return [day.flow(int(index)) for index in np.random.default_rng(5).choice(len(day), 60, replace=False)]


def _permitted(city, used, walk, visited_in_stage):
    """The valid actions, by the rules and in plain Python; `used` is the snapshot before the walk."""
    flow, permitted = walk.flow, []
    chain = (NodeKind.O_RU, NodeKind.O_DU, NodeKind.O_CU, NodeKind.UPF)[:: 1 if flow.direction == 0 else -1]
    for action, (target, out) in enumerate(
        zip(city.neighbours[walk.node].tolist(), city.out_links[walk.node].tolist(), strict=True)
    ):
        if target < 0:
            continue
        kind = NodeKind(int(city.node_kind[target]))
        crossings = walk.links.count(out) + 1
        if int(used[out]) + crossings * flow.bandwidth_kbps > city.link_capacity_kbps[out]:
            continue
        if kind.is_host:
            demand = flow.bandwidth_kbps * city.services[flow.service].compute_ucore_per_kbps[kind]
            has_room = int(used[city.n_links + target]) + demand <= city.compute_limit_ucores[target]
            wanted = kind != NodeKind.O_RU or target == flow.ru
            wanted &= kind != NodeKind.UPF or (city.upf_service[target] == flow.service and flow.upf in (-1, target))
            if kind != chain[walk.stage + 1] or not wanted or not has_room:
                continue
        elif target in visited_in_stage:
            continue
        there_us = walk.latency_us + int(city.link_latency_us[out]) + int(walk.chain.delay_us[target])
        if there_us + int(walk.floor_us[walk.stage + kind.is_host, target]) <= city.services[flow.service].latency_budget_us:
            permitted.append(action)
    return permitted


@pytest.mark.parametrize("seed", range(3))
def test_the_mask_permits_exactly_what_the_rules_allow(stress_city, flows, seed):
    space, rng = WalkSpace(stress_city), np.random.default_rng(seed)
    used = busy(stress_city, seed)
    n_masks = n_arrived = 0
    for flow in flows:
        walk = space.begin(used, flow)
        visited = {walk.node}
        while not walk.arrived:
            hops = space.next_hops(walk)
            permitted = _permitted(stress_city, used, walk, visited)
            assert np.flatnonzero(hops.mask).tolist() == permitted
            assert hops.n_valid == len(permitted)
            n_masks += 1
            if not permitted:
                break
            stage = walk.stage
            space.advance(walk, hops, int(rng.choice(permitted)))
            visited = {walk.node} if walk.stage > stage else visited | {walk.node}
        n_arrived += walk.arrived
    assert n_masks > 200
    assert n_arrived > 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["cspf", "specialised", "least-loaded"])
def test_the_mask_permits_every_hop_of_a_feasible_route(stress_city, flows, name, seed):
    space, policy = WalkSpace(stress_city), make_policy(name, stress_city)
    used = busy(stress_city, seed)
    n_routes = 0
    for flow in flows:
        plan = policy.plan(used, flow)
        if not plan.accepted:
            continue
        n_routes += 1
        walk = space.begin(used, flow)
        for taken in plan.links:
            action = stress_city.out_links[walk.node].tolist().index(taken)
            space.advance(walk, space.next_hops(walk), action)
        assert walk.arrived
        assert walk.latency_us == plan.latency_us
        assert tuple(walk.links) == plan.links
    assert n_routes > 5


def test_visited_nodes_are_cleared_when_a_stage_is_done():
    city = zigzag()
    space = WalkSpace(city)
    walk = space.begin(idle(city), uplink(city))
    for name in _TO_THE_O_CU:
        hops = space.next_hops(walk)
        valid = {city.node_names[city.neighbours[walk.node, action]] for action in np.flatnonzero(hops.mask)}
        assert name in valid
        space.advance(walk, hops, city.neighbours[walk.node].tolist().index(node(city, name)))
        if name == "east" and walk.stage == 0:
            # Back to north within the stage is closed; after the O-DU it is open again.
            hops = space.next_hops(walk)
            assert not hops.mask[city.neighbours[walk.node].tolist().index(node(city, "north"))]
    assert walk.stage == 2
    assert route_names(city, walk.links) == "ru west north east du east north west cu west"


def test_a_link_counts_once_for_each_crossing_of_the_walk():
    city = zigzag()
    space = WalkSpace(city)
    used = loaded(city, west__north=0.5)
    walk = space.begin(used, uplink(city))
    for name in _TO_THE_O_CU:
        space.advance(walk, space.next_hops(walk), city.neighbours[walk.node].tolist().index(node(city, name)))
    north = city.out_links[walk.node].tolist().index(link(city, "west", "north"))
    south = city.out_links[walk.node].tolist().index(link(city, "west", "south"))
    mask = space.next_hops(walk).mask
    assert not mask[north]
    assert mask[south]
    assert used[link(city, "west", "north")] == 500_000


def test_late_actions_are_told_from_those_without_room():
    city = zigzag()
    space = WalkSpace(city)
    walk = space.begin(idle(city), uplink(city))
    walk.latency_us = city.services[1].latency_budget_us
    assert space.next_hops(walk)[1:] == (0, 1)
    full = space.begin(loaded(city, ru__west=0.9), uplink(city))
    assert space.next_hops(full)[1:] == (0, 0)


@pytest.mark.parametrize("action", [-1, 1, 99])
def test_masked_actions_are_refused_and_move_nothing(action):
    city = zigzag()
    space = WalkSpace(city)
    walk = space.begin(idle(city), uplink(city))
    with pytest.raises(OutOfRange, match=r"valid are \[0\]"):
        space.advance(walk, space.next_hops(walk), action)
    assert (walk.position, walk.links) == ((node(city, "ru"), 0, 0), [])


def test_floors_are_the_idle_latency_and_never_more_than_the_real_one(stress_city, flows):
    floors, fastest = LatencyFloors(stress_city), make_policy("cspf-total", stress_city)
    used = busy(stress_city, 2)
    for flow in flows:
        source = flow.ru if flow.direction == 0 else flow.upf
        floor_us = floors.floor_us(flow)[0, source]
        assert fastest.plan(idle(stress_city), flow).latency_us == floor_us
        plan = fastest.plan(used, flow)
        assert not plan.accepted or plan.latency_us >= floor_us
