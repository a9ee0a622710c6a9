from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from ric_sim.domain.flow import Cause
from ric_sim.network.episodes.arrays import DECLINE_BELOW
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.policies.learned import LearnedPolicy, Weights, WeightsSpec
from ric_sim.network.policies.learned.weights import widths_of
from tests.unit.network.policies.cities import diamond, idle, uplink
from xapps.learning import admission
from xapps.learning.admission import AdmissionLearner
from xapps.learning.config import TrainingConfig
from xapps.learning.networks import RoutingNetwork

EXPENSIVE = -2.0
CHEAP = -0.2


@pytest.fixture(scope="module")
def city():
    return diamond()


@pytest.fixture
def network(city, config: TrainingConfig) -> RoutingNetwork:
    torch.manual_seed(0)
    return RoutingNetwork(city, replace(config.network.shape, context=32))


def _carried(network: RoutingNetwork, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Requests of which those with a large first feature were expensive; every third was declined and says nothing."""
    context = np.random.default_rng(1).random((count, network.admit_in.in_features), dtype=np.float32)
    mask = np.ones((count, 4), dtype=np.bool_)
    action = np.where(np.arange(count) % 3 == 0, 3, 1)
    gained = np.where(context[:, 0] > 0.5, EXPENSIVE, CHEAP).astype(np.float32)
    gained[action == 3] = 50.0
    return context, mask, action, gained


def test_nothing_is_learnt_from_a_few_requests(network: RoutingNetwork) -> None:
    learner = AdmissionLearner(network, seed=1)
    before = network.admit_out.weight.clone()
    assert np.isnan(learner.learn(*_carried(network, admission._KEPT)))
    assert torch.equal(network.admit_out.weight, before)


def test_expensive_requests_are_told_from_cheap_ones(network: RoutingNetwork) -> None:
    learner = AdmissionLearner(network, seed=1)
    context, mask, action, gained = _carried(network, 2 * admission._KEPT)
    losses = [learner.learn(context, mask, action, gained) for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]
    with torch.no_grad():
        expected = network.expects(torch.from_numpy(context)).numpy()
    told = (expected < DECLINE_BELOW) == (context[:, 0] > 0.5)
    assert told.mean() > 0.9


def test_a_request_that_costs_more_than_it_is_worth_is_declined_and_only_under_the_rule(city, network: RoutingNetwork) -> None:
    tensors = {name: values.numpy() for name, values in network.state_dict().items()}
    flow = uplink(city)

    def plan(expected: float, *, decline: bool):
        changed = tensors | {"admit_out.bias": np.full(1, expected, dtype=np.float32)}
        spec = WeightsSpec("sarl", "all", widths_of(changed), MaskRules(decline=decline))
        policy = LearnedPolicy("sarl", city, dict.fromkeys(city.service_index, Weights(spec, changed)))
        return policy.plan(idle(city), flow)

    declined = plan(DECLINE_BELOW - 0.5, decline=True)
    assert (declined.cause, declined.links) == (Cause.DECLINED, ())
    carried = plan(DECLINE_BELOW + 0.5, decline=True)
    assert carried.accepted
    assert plan(DECLINE_BELOW - 0.5, decline=False) == carried


def test_a_restored_learner_goes_on_as_the_first(network: RoutingNetwork) -> None:
    first = AdmissionLearner(network, seed=1)
    batch = _carried(network, 2 * admission._KEPT)
    first.learn(*batch)
    state, parameters = deepcopy(first.state_dict()), {name: values.clone() for name, values in network.state_dict().items()}
    once = first.learn(*batch)
    network.load_state_dict(parameters)
    second = AdmissionLearner(network, seed=2)
    second.load_state_dict(state)
    assert second.learn(*batch) == once
