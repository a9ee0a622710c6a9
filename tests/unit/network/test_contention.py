"""What a flow would find if it displaced others, and what it lacked when it was refused."""

from __future__ import annotations

import numpy as np
import pytest

from ric_sim.network.admission import commit_request
from ric_sim.network.contention import demand_per_resource, lacking_resources, used_if_displacing
from ric_sim.network.policies import make_policy
from ric_sim.network.scenario import load_scenario


@pytest.fixture(scope="module")
def smoke():
    return load_scenario(profile="smoke", day="test")


@pytest.fixture(scope="module")
def carried(smoke):
    """A flow, its route in the empty city, and that route's reservation."""
    flow = smoke.day.flow(0)
    links = make_policy("cspf", smoke.city).plan(np.zeros(smoke.city.n_resources, np.uint32), flow).links
    return flow, links, commit_request(smoke.city, flow, links)


def test_demand_is_that_of_the_reservation(smoke, carried):
    flow, _, request = carried
    demand = demand_per_resource(smoke.city, flow)
    assert {resource: int(demand[resource]) for resource, _ in request.entries} == dict(request.entries)


def test_only_what_lacks_is_taken_to_be_displaced(smoke, carried):
    flow, _, request = carried
    limits = smoke.city.limits
    resource, amount = request.entries[0]
    used = (limits // 2).astype(np.uint32)
    used[resource] = limits[resource]
    displaceable = np.full_like(used, 2 * amount)
    relaxed = used_if_displacing(smoke.city, flow, used, displaceable)
    assert relaxed[resource] == limits[resource] - amount
    roomy = demand_per_resource(smoke.city, flow) <= limits // 2
    assert np.array_equal(relaxed[roomy & (used < limits)], used[roomy & (used < limits)])
    assert np.array_equal(used_if_displacing(smoke.city, flow, used, np.zeros_like(used)), used)
    scarce = used_if_displacing(smoke.city, flow, used, np.ones_like(used))
    assert scarce[resource] == limits[resource] - min(1, amount)


def test_a_refusal_names_what_is_full_or_else_the_hosts(smoke, carried):
    flow, links, request = carried
    used = np.zeros(smoke.city.n_resources, np.uint32)
    assert lacking_resources(smoke.city, flow, used, links) == [resource for resource, _, _ in request.hosts]
    used[request.entries[1][0]] = smoke.city.limits[request.entries[1][0]]
    assert lacking_resources(smoke.city, flow, used, links) == [request.entries[1][0]]
