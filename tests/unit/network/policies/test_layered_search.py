"""The compiled searches against slow ones: all routes of a small city, and a sweep over the built-in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.flow import Cause
from ric_sim.network.chain import ChainReader, as_amounts
from ric_sim.network.graph import graph_arrays
from ric_sim.network.kernels_layered import UNREACHABLE_US, latency_to_go
from ric_sim.network.masks import LatencyFloors
from ric_sim.network.montreal import build_city
from ric_sim.network.policies import make_policy
from ric_sim.network.policies.fixed import shortest_routes
from tests.unit.network.policies.cities import busy, diamond, downlink, idle, uplink, zigzag
from tests.unit.network.policies.reference_cspf import Problem, fits, verdict


@pytest.fixture(scope="module")
def montreal():
    return build_city("stress")


def _propagation_us(city, links):
    return int(city.link_latency_us[list(links)].sum())


def _requests(scenario, n, *, seed):
    """n requests of the scenario's day, drawn over all of it."""
    chosen = np.random.default_rng(seed).choice(len(scenario.day), n, replace=False)
    return [scenario.day.flow(int(index)) for index in chosen]


@pytest.mark.parametrize("seed", range(4))
def test_latency_to_go_is_that_of_a_sweep_over_all_edges(montreal, busy_hour, seed):
    used = busy(montreal, seed)
    for flow in _requests(busy_hour, 3, seed=seed):
        amounts = as_amounts(used)
        chain = ChainReader(montreal).chain(amounts, flow)
        found = latency_to_go(graph_arrays(montreal), chain, amounts, chain.source, UNREACHABLE_US)
        expected = Problem.of(montreal, used.tolist(), flow).latency_to_go()
        assert {(stage, node): found[stage, node] for stage, node in np.argwhere(found < UNREACHABLE_US).tolist()} == expected


def test_latency_to_go_may_stop_at_its_horizon(montreal, busy_hour):
    amounts = as_amounts(busy(montreal, 1))
    (flow,) = _requests(busy_hour, 1, seed=1)
    chain = ChainReader(montreal).chain(amounts, flow)
    whole, near = (latency_to_go(graph_arrays(montreal), chain, amounts, chain.source, us) for us in (UNREACHABLE_US, 2000))
    assert np.array_equal(near[whole <= 2000], whole[whole <= 2000])
    assert np.all(near >= whole)
    assert (near < UNREACHABLE_US).sum() < (whole < UNREACHABLE_US).sum()


@pytest.mark.parametrize("seed", range(6))
def test_cspf_agrees_with_a_slow_search_on_random_snapshots(montreal, busy_hour, seed):
    """Whether there is a route, why not, the least total latency, and the least propagation where the budget does not bind."""
    used = busy(montreal, seed)
    total, propagation = make_policy("cspf-total", montreal), make_policy("cspf", montreal)
    for flow in _requests(busy_hour, 6, seed=seed):
        problem = Problem.of(montreal, used.tolist(), flow)
        cause = verdict(problem, montreal.services[flow.service].latency_budget_us)
        fastest, shortest = total.plan(used, flow), propagation.plan(used, flow)
        assert (fastest.cause, shortest.cause) == (cause, cause)
        if cause != Cause.NONE:
            continue
        assert fastest.latency_us == problem.start_us + problem.latency_to_go()[problem.start]
        undelayed = replace(
            problem, edges=tuple(replace(e, latency_us=_propagation_us(montreal, [e.link])) for e in problem.edges)
        )
        least_us = undelayed.latency_to_go()[undelayed.start]
        assert _propagation_us(montreal, shortest.links) >= least_us
        if shortest.latency_us < montreal.services[flow.service].latency_budget_us // 2:
            assert _propagation_us(montreal, shortest.links) == least_us


@pytest.mark.parametrize("city", [diamond(), zigzag()], ids=["diamond", "zigzag"])
@pytest.mark.parametrize("request_of", [uplink, downlink])
def test_cspf_takes_the_best_of_all_routes_of_a_small_city(city, request_of):
    policies = {name: make_policy(name, city) for name in ("cspf", "cspf-total")}
    flow = request_of(city, bandwidth_kbps=150_000)
    n_routed = 0
    for seed in range(40):
        used = busy(city, seed)
        routes = list(Problem.of(city, used.tolist(), flow).routes())
        good = [links for links in routes if fits(city, used.tolist(), flow, links)]
        plans = {name: policy.plan(used, flow) for name, policy in policies.items()}
        if not good:
            assert not any(plan.accepted for plan in plans.values())
            continue
        n_routed += 1
        # Closing a link that has room for one crossing may cost a longer route, never one that does not fit.
        assert all(plan.links in good for plan in plans.values())
        if len(good) == len(routes):
            assert _propagation_us(city, plans["cspf"].links) == min(_propagation_us(city, links) for links in good)
    assert n_routed >= 5


@pytest.mark.parametrize("city", [diamond(), zigzag()], ids=["diamond", "zigzag"])
@pytest.mark.parametrize("request_of", [uplink, downlink])
def test_the_k_shortest_routes_are_the_first_k_of_all(city, request_of):
    flow = replace(request_of(city), bandwidth_kbps=1)
    every = sorted(Problem.of(city, idle(city).tolist(), flow).routes(), key=lambda links: (_propagation_us(city, links), links))
    floors = LatencyFloors(city)
    for k in (1, 3, len(every), len(every) + 1):
        found = shortest_routes(graph_arrays(city), floors.idle_chain(flow), floors.floor_us(flow), k)
        assert found == every[:k]


def test_the_k_shortest_routes_of_the_built_in_city_rise_and_differ(montreal, busy_hour):
    floors = LatencyFloors(montreal)
    for flow in _requests(busy_hour, 10, seed=3):
        found = shortest_routes(graph_arrays(montreal), floors.idle_chain(flow), floors.floor_us(flow), 10)
        latencies = [_propagation_us(montreal, links) for links in found]
        assert len(set(found)) == 10
        assert latencies == sorted(latencies)
        assert latencies[0] == floors.floor_us(flow)[0, flow.ru if flow.upf < 0 else flow.upf]
