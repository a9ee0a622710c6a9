"""What every policy promises, and what each of them prefers where the right route is plain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange, UnknownKey
from ric_sim.domain.flow import ANY_UPF, Cause, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.envs.evaluate import evaluate
from ric_sim.network import kernels_chain, kernels_layered, kernels_walk
from ric_sim.network.admission import commit_request, host_processing_us
from ric_sim.network.montreal import build_city
from ric_sim.network.policies import POLICIES, make_policy, near_host_ms, warm_up
from ric_sim.network.policies.learned import LearnedPolicy, kernels_inference
from tests.unit.network.policies.cities import diamond, downlink, idle, loaded, node, route_names, uplink, zigzag
from tests.untrained import untrained_weights

NORTH = "upf-ar east cu east north west du-near west ru"
SOUTH = "upf-ar east cu east south west du-near west ru"
NORTH_FAR = "upf-ar east cu east north west du-far west ru"

HEURISTICS = sorted(name for name, factory in POLICIES.items() if not factory.algorithm)
"""The policies that need no weights; the others have tests of their own."""

SEARCHING = sorted(set(HEURISTICS) - {"shortest", "ksp", "random"})
"""The policies that look at the snapshot before they choose."""


@pytest.fixture(scope="module")
def city():
    return diamond()


def _plan(city, name, used, flow, **parameters):
    return make_policy(name, city, **parameters).plan(used, flow)


def _route(city, name, used, flow, **parameters):
    plan = _plan(city, name, used, flow, **parameters)
    return route_names(city, plan.links) if plan.accepted else plan.cause.label


@pytest.mark.parametrize("name", HEURISTICS)
def test_plans_commit_on_their_own_snapshot(name, busy_hour):
    """The evaluation commits each plan on the snapshot it was made on, through `commit_request`, which checks the path."""
    result = evaluate(busy_hour, name)
    assert result.commits_ok == result.accepted > 0
    assert result.aborts_by_cause == {}
    assert sum(result.rejects_by_cause.values()) == result.requests - result.accepted > 0
    assert set(result.rejects_by_cause) <= {"no_route_capacity", "no_route_latency"}


@pytest.mark.parametrize("name", HEURISTICS)
@pytest.mark.parametrize("request_of", [uplink, downlink])
def test_the_stated_latency_is_that_of_the_commit(name, request_of, city):
    used = loaded(city, du_near=0.5, du_far=0.25, cu=0.5, upf_ar=0.3, upf_iot=0.1, west__north=0.2)
    flow = request_of(city, bandwidth_kbps=100_000)
    # An unseeded walk may run into a dead end; of a few seeds one arrives.
    plans = (make_policy(name, city, seed=seed).plan(used, flow) for seed in range(20))
    plan = next(plan for plan in plans if plan.accepted)
    commit = commit_request(city, flow, plan.links)
    processing_us = [host_processing_us(int(used[resource]), *terms) for resource, *terms in commit.hosts]
    assert sum(processing_us) > 0
    assert plan.latency_us == commit.propagation_us + sum(processing_us)


@pytest.mark.parametrize("name", HEURISTICS)
def test_plans_leave_the_snapshot_alone(name, city):
    used = loaded(city, du_near=0.5, west__north=0.5)
    used.setflags(write=False)
    before = used.copy()
    make_policy(name, city).plan(used, uplink(city))
    assert np.array_equal(used, before)


@pytest.mark.parametrize("name", ["shortest", "ksp", "cspf", "cspf-total", "aap", "nearest-feasible"])
def test_the_idle_city_offers_the_shortest_route(name, city):
    assert _route(city, name, idle(city), downlink(city)) == NORTH


@pytest.mark.parametrize("name", SEARCHING)
def test_a_full_link_is_avoided(name, city):
    route = _route(city, name, loaded(city, east__north=0.9), downlink(city))
    assert " south " in route


@pytest.mark.parametrize("name", SEARCHING)
def test_a_full_host_is_avoided(name, city):
    assert " du-far " in _route(city, name, loaded(city, du_near=0.95), downlink(city))


@pytest.mark.parametrize("name", HEURISTICS)
@pytest.mark.parametrize("full", ["ru", "du_near du_far", "cu", "upf_iot", "west__north west__south", "ru__west"])
def test_without_room_the_cause_is_capacity(name, full, city):
    plan = _plan(city, name, loaded(city, **dict.fromkeys(full.split(), 1.0)), uplink(city))
    assert (plan.links, plan.cause, plan.latency_us) == ((), Cause.NO_ROUTE_CAPACITY, 0)


@pytest.mark.parametrize("name", sorted(set(HEURISTICS) - {"random"}))
def test_over_the_budget_the_cause_is_latency(name, city):
    used = loaded(city, cu=0.9, upf_iot=0.9, du_near=0.9, du_far=0.9)
    flow = uplink(city, bandwidth_kbps=1000)
    assert _plan(city, name, idle(city), flow).accepted
    hurried = replace(city, services=tuple(replace(spec, latency_budget_us=6000) for spec in city.services))
    assert _plan(hurried, name, used, flow).cause == Cause.NO_ROUTE_LATENCY


def test_shortest_knows_one_route_and_ksp_more(city):
    used = loaded(city, east__north=0.9)
    assert _route(city, "shortest", used, downlink(city)) == "no_route_capacity"
    assert _route(city, "ksp", used, downlink(city)) == SOUTH
    assert _route(city, "ksp", used, downlink(city), k=1) == "no_route_capacity"


def test_widest_shortest_avoids_the_loaded_link_at_equal_hops(city):
    used = loaded(city, north__west=0.3)
    assert _route(city, "cspf", used, downlink(city)) == NORTH
    assert _route(city, "widest-shortest", used, downlink(city)) == SOUTH.replace("du-near", "du-far")


def test_widest_shortest_takes_the_less_loaded_of_two_hosts(city):
    assert " du-near " in _route(city, "widest-shortest", loaded(city, du_far=0.7, south__west=0.5), downlink(city))


def test_least_loaded_looks_at_the_fullest_link_only(city):
    """South is the longer way and fuller in sum, but its fullest link is less full than that of north."""
    used = loaded(city, north__west=0.5, east__south=0.45, south__west=0.45, du_far=0.6)
    assert _route(city, "least-loaded", used, downlink(city, bandwidth_kbps=1000)) == SOUTH


def test_least_loaded_looks_at_the_fuller_of_host_and_link(city):
    used = loaded(city, du_near=0.5, west__du_near=0.5, du_far=0.6)
    assert " du-near " in _route(city, "least-loaded", used, downlink(city, bandwidth_kbps=1000))


def test_exponential_prices_weigh_load_against_latency(city):
    flow = downlink(city, bandwidth_kbps=3000)
    assert _route(city, "aap", loaded(city, north__west=0.2), flow) == NORTH
    assert _route(city, "aap", loaded(city, north__west=0.8), flow) == SOUTH
    # With a base near 1 utilisation hardly counts and latency decides.
    assert _route(city, "aap", loaded(city, north__west=0.8), flow, mu=1.01) == NORTH


def test_cspf_total_counts_processing_and_cspf_does_not(city):
    used = loaded(city, du_near=0.75)
    flow = downlink(city, bandwidth_kbps=100_000)
    assert _route(city, "cspf", used, flow) == NORTH
    assert _route(city, "cspf-total", used, flow) == NORTH_FAR


def test_specialised_leaves_near_hosts_to_the_tightest_budget(city):
    assert near_host_ms(city) == {"ar": 4.0, "iot": 0.0}
    assert _route(city, "specialised", idle(city), downlink(city)) == NORTH_FAR
    assert " du-near " in _route(city, "specialised", idle(city), uplink(city))


def test_specialised_takes_one_price_per_service(city):
    prices = {"ar": 0.5, "iot": 4.0}
    assert _route(city, "specialised", idle(city), downlink(city), near_host_ms=prices) == NORTH
    assert " du-far " in _route(city, "specialised", idle(city), uplink(city), near_host_ms=prices)


def test_specialised_still_uses_near_hosts_when_nothing_else_fits(city):
    assert _route(city, "specialised", loaded(city, du_far=0.99), downlink(city)) == NORTH


@pytest.mark.parametrize("name", sorted(set(SEARCHING) | {"ksp"}))
def test_a_link_with_room_for_once_is_crossed_once(name):
    """Eastwards the chain crosses twice; north, the shorter way, has room for the request once only."""
    city = zigzag()
    plan = _plan(city, name, loaded(city, west__north=0.5), uplink(city))
    route = route_names(city, plan.links)
    assert route.count("west north") <= 1
    assert route.count("west south") + route.count("west north") == 2


@pytest.mark.parametrize("name", sorted(set(HEURISTICS) - {"random"}))
def test_a_link_with_room_for_twice_is_crossed_twice(name):
    city = zigzag()
    used = loaded(city, west__north=0.3, south__east=1.0, east__south=1.0)
    plan = _plan(city, name, used, uplink(city))
    assert route_names(city, plan.links) == "ru west north east du east north west cu west north east upf-iot"


@pytest.mark.parametrize("name", SEARCHING)
def test_no_room_for_the_second_crossing_is_a_lack_of_capacity(name):
    city = zigzag()
    used = loaded(city, west__north=0.5, west__south=1.0)
    assert _plan(city, name, used, uplink(city)).cause == Cause.NO_ROUTE_CAPACITY


@pytest.mark.parametrize("name", HEURISTICS)
def test_equal_seeds_give_equal_days(name, busy_hour):
    first, second = (evaluate(busy_hour, name, seed=7, max_flows=400).to_dict() for _ in range(2))
    for result in (first, second):
        del result["wall_s"], result["decisions_per_s"]
    assert first == second


def test_the_seed_moves_the_random_policy(busy_hour):
    first, second = (evaluate(busy_hour, "random", seed=seed, max_flows=400) for seed in (1, 2))
    assert first.latency_ms_by_service != second.latency_ms_by_service


def test_random_is_clearly_worst(busy_hour):
    assert evaluate(busy_hour, "random").gos_ratio < 0.25


@pytest.mark.parametrize(
    "broken",
    [
        lambda city: replace(uplink(city), service=2),
        lambda city: replace(uplink(city), service=-1),
        lambda city: replace(uplink(city), ru=node(city, "west")),
        lambda city: replace(uplink(city), ru=city.n_nodes),
        lambda city: replace(uplink(city), upf=node(city, "upf-ar")),
        lambda city: replace(downlink(city), upf=ANY_UPF),
        lambda city: replace(downlink(city), upf=10**9),
        lambda city: replace(downlink(city), bandwidth_kbps=0),
        lambda city: replace(downlink(city), bandwidth_kbps=2**32),
    ],
)
@pytest.mark.parametrize("name", HEURISTICS)
def test_requests_that_the_city_cannot_know_are_refused(name, broken, city):
    with pytest.raises(InvalidInput):
        make_policy(name, city).plan(idle(city), broken(city))


@pytest.mark.parametrize("name", sorted(set(HEURISTICS) - {"random"}))
def test_an_uplink_request_may_name_its_upf(name):
    city = build_city()
    iot = city.service_index["iot"]
    policy = make_policy(name, city)
    for upf in np.flatnonzero(city.upf_service == iot).tolist():
        flow = FlowRequest("up", iot, Direction.UPLINK, 7, upf, 100_000, 1, arrival_ms=0, holding_ms=1)
        assert city.link_dst[policy.plan(idle(city), flow).links[-1]] == upf


def test_unknown_names_are_refused_with_a_suggestion(city):
    with pytest.raises(UnknownKey, match="did you mean 'cspf'"):
        make_policy("cpsf", city)
    with pytest.raises(UnknownKey, match="parameter of policy 'aap' 'nu'"):
        make_policy("aap", city, nu=3.0)
    with pytest.raises(UnknownKey, match="service 'video'"):
        make_policy("specialised", city, near_host_ms={"video": 1.0})


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("aap", {"mu": 1.0}),
        ("aap", {"mu": float("nan")}),
        ("ksp", {"k": 0}),
        ("ksp", {"k": 101}),
        ("specialised", {"near_host_ms": {"ar": -1.0}}),
        ("specialised", {"near_host_ms": {"ar": float("nan")}}),
    ],
)
def test_parameters_outside_their_range_are_refused(name, parameters, city):
    with pytest.raises(OutOfRange):
        make_policy(name, city, **parameters)


def test_every_policy_bears_its_name_and_a_summary(city):
    for name in HEURISTICS:
        assert make_policy(name, city).name == name
    assert all(factory.summary for factory in POLICIES.values())


def test_warming_up_leaves_the_kernels_compiled(city):
    warm_up(city)
    kernels = [kernels_chain.open_hosts, kernels_layered.latency_to_go, kernels_layered.cheapest_route]
    kernels += [kernels_layered.overused_link, kernels_walk.valid_actions, kernels_walk.action_nearest_to_end]
    kernels.append(kernels_inference.walk)
    before = [list(kernel.signatures) for kernel in kernels]
    assert all(len(signatures) == 1 for signatures in before)
    policies = [make_policy(name, city) for name in HEURISTICS]
    policies.append(LearnedPolicy("amarl", city, {"iot": untrained_weights("iot", seed=0)}))
    for policy in policies:
        policy.plan(loaded(city, west__north=0.5), uplink(city))
    assert [list(kernel.signatures) for kernel in kernels] == before
