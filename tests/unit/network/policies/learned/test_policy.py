"""Learned policies behind the common interface."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, PolicyFailed, UnknownKey, WeightsCorrupt, WeightsMismatch, WeightsMissing
from ric_sim.domain.flow import ANY_UPF, Cause
from ric_sim.domain.reservation import Snapshot
from ric_sim.envs.evaluate import evaluate
from ric_sim.network.admission import commit_request, host_processing_us
from ric_sim.network.episodes import kernels
from ric_sim.network.episodes.batch import new_episodes, new_observations
from ric_sim.network.episodes.kernels import ARRIVED, GOING
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.episodes.space import episode_arrays
from ric_sim.network.policies import POLICIES, make_policy
from ric_sim.network.policies.learned import LearnedPolicy, Weights, load_policy, save_weights
from tests.unit.network.policies.cities import busy, diamond, downlink, idle, loaded, uplink
from tests.untrained import NARROW, untrained_folder, untrained_weights
from xapps.routing.agent import RoutingAgent


@pytest.fixture(scope="module")
def small():
    return diamond()


def _agents(city, **spec):
    return LearnedPolicy(
        "amarl", city, {key: untrained_weights(key, seed=index, **spec) for index, key in enumerate(city.service_index)}
    )


def test_plans_commit_on_their_own_snapshot(busy_hour, folder):
    result = evaluate(busy_hour, make_policy("amarl", busy_hour.city, weights=folder))
    assert result.policy == "amarl"
    assert result.commits_ok == result.accepted > result.requests / 2
    assert result.aborts_by_cause == {}
    assert sum(result.rejects_by_cause.values()) == result.requests - result.accepted > 0
    assert set(result.rejects_by_cause) <= {"no_route_capacity", "no_route_latency"}


def test_the_stated_latency_is_that_of_the_commit(busy_hour, policy):
    city = busy_hour.city
    compared = 0
    for index in range(100):
        flow, used = busy_hour.day.flow(index), busy(city, index)
        plan = policy.plan(used, flow)
        if plan.accepted:
            commit = commit_request(city, flow, plan.links)
            processing_us = sum(host_processing_us(int(used[resource]), *terms) for resource, *terms in commit.hosts)
            assert plan.latency_us == commit.propagation_us + processing_us <= commit.budget_us
            compared += processing_us > 0
    assert compared > 20


def test_the_live_agent_decides_the_same_to_the_link(busy_hour, folder):
    """One policy object sees all services, the xApps' agents one each and in another order."""
    city, day = busy_hour.city, busy_hour.day
    policy = make_policy("learned", city, weights=folder)
    flows = [day.flow(index) for index in range(300)]
    plans = [policy.plan(busy(city, index), flow) for index, flow in enumerate(flows)]
    for key, service in city.service_index.items():
        agent = RoutingAgent(city, policy="learned", seed=0, parameters={"weights": folder, "services": (key,)})
        for index in reversed(range(300)):
            if flows[index].service == service:
                snapshot = Snapshot(version=1, now_ms=0, used=busy(city, index))
                assert agent.decide(snapshot, flows[index]) == plans[index]


def test_equal_arguments_give_equal_days_and_other_weights_another(busy_hour, folder, tmp_path):
    others = untrained_folder(tmp_path, busy_hour.city.service_index, seed=1)
    first, second, third = (
        evaluate(busy_hour, make_policy("amarl", busy_hour.city, weights=each), max_flows=300).latency_ms_by_service
        for each in (folder, folder, others)
    )
    assert first == second != third


def test_one_agent_may_serve_all(busy_hour, tmp_path):
    folder = untrained_folder(tmp_path, busy_hour.city.service_index, algorithm="sarl")
    policy = make_policy("sarl", busy_hour.city, weights=folder)
    assert len({weights.sha256 for weights in policy.weights.values()}) == 1
    assert evaluate(busy_hour, policy, max_flows=300).accepted > 150


@pytest.mark.parametrize("request_of", [uplink, downlink])
def test_plans_leave_the_snapshot_alone(request_of, small):
    used = loaded(small, du_near=0.5, west__north=0.5)
    used.setflags(write=False)
    before = used.copy()
    assert _agents(small).plan(used, request_of(small)).accepted
    assert np.array_equal(used, before)


@pytest.mark.parametrize("full", ["ru", "du_near du_far", "cu", "upf_iot", "west__north west__south", "ru__west"])
def test_without_room_the_cause_is_capacity(full, small):
    plan = _agents(small).plan(loaded(small, **dict.fromkeys(full.split(), 1.0)), uplink(small))
    assert (plan.links, plan.cause, plan.latency_us) == ((), Cause.NO_ROUTE_CAPACITY, 0)


def test_over_the_budget_the_cause_is_latency(small):
    hurried = replace(small, services=tuple(replace(spec, latency_budget_us=6000) for spec in small.services))
    used = loaded(hurried, cu=0.9, upf_iot=0.9, du_near=0.9, du_far=0.9)
    assert _agents(hurried).plan(used, uplink(hurried, bandwidth_kbps=1000)).cause == Cause.NO_ROUTE_LATENCY


def test_ties_go_to_the_lowest_action(small):
    blank = {name: np.zeros(shape, dtype=np.float32) for name, shape in NARROW.shapes().items()}
    spec = untrained_weights("iot", seed=0).spec
    links = LearnedPolicy("amarl", small, {"iot": Weights(spec, blank)}).plan(idle(small), uplink(small)).links
    arrays, flow = episode_arrays(small), uplink(small)
    ep, seen = new_episodes(arrays, 1), new_observations(arrays, 1)
    ep.request[0] = (flow.service, flow.direction, flow.ru, flow.upf, flow.bandwidth_kbps, flow.arrival_ms)
    status, n_ties = kernels.begin(arrays, ep, 0, False), 0
    while status == GOING:
        assert kernels.observe(arrays, ep, 0, MaskRules().limits(small), seen, 0) == GOING
        n_ties += seen.mask[0].sum() > 1
        status = kernels.advance(arrays, ep, 0, int(np.flatnonzero(seen.mask[0])[0]))
    assert status == ARRIVED
    assert n_ties > 0
    assert links == tuple(ep.links[0, : ep.n_links[0]].tolist())


def test_agents_decide_under_the_rules_in_their_file(small):
    """Without a detour only the fastest ways are left, whatever the agent likes."""
    used, flow = loaded(small, du_near=0.5), uplink(small)
    fastest = make_policy("cspf-total", small).plan(used, flow)
    strict = [_agents(small, mask=MaskRules(detour_ms={"iot": 0.0})), _agents(small, mask=MaskRules(detour_ms={"ar": 0.0}))]
    contrary = untrained_weights("iot", seed=0)
    contrary.tensors["direct.weight"][0, 0] = 100.0
    for policy in strict:
        rules = policy.weights["iot"].spec
        policy = LearnedPolicy("amarl", small, {"iot": Weights(rules, contrary.tensors)})
        plan = policy.plan(used, flow)
        assert plan.accepted
        assert (plan.latency_us == fastest.latency_us) == ("iot" in rules.mask.detour_ms)


def test_scores_that_are_not_finite_are_a_named_error(small):
    weights = untrained_weights("iot", seed=0)
    for name, values in weights.tensors.items():
        if not name.startswith("value"):
            values.fill(3e37)
    policy = LearnedPolicy("amarl", small, {"iot": weights})
    with pytest.raises(PolicyFailed, match="flow up: the scores of the iot agent"):
        policy.plan(idle(small), uplink(small))


@pytest.mark.parametrize(
    "broken",
    [
        lambda city: replace(uplink(city), service=2),
        lambda city: replace(uplink(city), ru=city.n_nodes),
        lambda city: replace(downlink(city), upf=ANY_UPF),
        lambda city: replace(downlink(city), bandwidth_kbps=0),
        lambda city: replace(downlink(city), bandwidth_kbps=2**32),
    ],
)
def test_requests_that_the_city_cannot_know_are_refused(broken, small):
    with pytest.raises(InvalidInput):
        _agents(small).plan(idle(small), broken(small))


def test_a_service_without_weights_is_refused(small, tmp_path):
    untrained_folder(tmp_path, ["iot"])
    with pytest.raises(WeightsMissing, match=r"ar\.safetensors"):
        make_policy("amarl", small, weights=tmp_path)
    policy = make_policy("amarl", small, weights=tmp_path, services=("iot",))
    assert policy.plan(idle(small), uplink(small)).accepted
    with pytest.raises(WeightsMissing, match="not for ar"):
        policy.plan(idle(small), downlink(small))
    with pytest.raises(UnknownKey, match="service 'iott'"):
        make_policy("amarl", small, weights=tmp_path, services=("iott",))


def test_a_bad_file_of_another_service_does_not_matter(small, tmp_path):
    untrained_folder(tmp_path, ["iot", "ar"])
    (tmp_path / "ar.safetensors").write_bytes(b"damaged")
    assert load_policy("amarl", small, "amarl", folder=tmp_path, services=["iot"]).plan(idle(small), uplink(small)).accepted
    with pytest.raises(WeightsCorrupt):
        load_policy("amarl", small, "amarl", folder=tmp_path)


def test_a_file_under_another_services_name_is_refused(small, tmp_path):
    save_weights(tmp_path / "ar.safetensors", untrained_weights("iot", seed=1))
    with pytest.raises(WeightsMismatch, match="expected 'ar'"):
        load_policy("amarl", small, "amarl", folder=tmp_path, services=["ar"])


def test_learned_is_amarl(small, tmp_path):
    untrained_folder(tmp_path, small.service_index)
    assert POLICIES["learned"].alias_of == "amarl"
    first, second = (make_policy(name, small, weights=tmp_path) for name in ("learned", "amarl"))
    assert (first.name, second.name) == ("learned", "amarl")
    assert {key: each.sha256 for key, each in first.weights.items()} == {key: each.sha256 for key, each in second.weights.items()}


def test_serving_needs_no_learning_framework(folder):
    program = (
        "import sys; import xapps.routing.main; from ric_sim.network.montreal import build_city; from pathlib import Path;"
        "from ric_sim.network.policies import make_policy;"
        f"make_policy('learned', build_city('stress'), weights=Path({str(folder)!r}));"
        "print({'torch', 'ray', 'gymnasium'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
