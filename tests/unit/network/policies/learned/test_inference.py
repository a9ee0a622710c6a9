"""Inference without a learning framework against the module that is trained."""

import numpy as np
import pytest
import torch

from ric_sim.network.episodes import kernels
from ric_sim.network.episodes.batch import new_episodes, new_observations, new_vertex_features
from ric_sim.network.episodes.kernels import ARRIVED, GOING
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.episodes.space import episode_arrays
from ric_sim.network.generator import generate_day
from ric_sim.network.policies.learned import LearnedPolicy, Weights, WeightsSpec
from ric_sim.network.policies.learned.inference import model_of, sparse_graph
from ric_sim.network.policies.learned.kernels_inference import embed, score_hops
from ric_sim.network.policies.learned.weights import widths_of
from tests.unit.network.policies.cities import busy
from xapps.learning.networks import NetworkShape, RoutingBatch, RoutingNetwork

RULES = MaskRules(detour_ms={"ar": 6.0}, decline=True)
SHAPE = NetworkShape(graph=24, context=16, trunk=(48, 32), pointer=20)


@pytest.fixture(scope="module")
def network(city):
    """With every parameter random: fresh networks have zero biases and an idle linear path."""
    torch.manual_seed(3)
    network = RoutingNetwork(city, SHAPE)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.0, 0.3)
    return network


@pytest.fixture(scope="module")
def weights(network):
    tensors = {name: values.numpy() for name, values in network.state_dict().items()}
    return Weights(WeightsSpec("sarl", "all", widths_of(tensors), RULES), tensors)


@pytest.fixture(scope="module")
def flows(city):
    day = generate_day(city, "test", profile="stress")
    return [day.flow(index) for index in range(0, len(day), len(day) // 40)]


class _Reference:
    """The walk of training, one step at a time, with the torch module; keeps what it compared."""

    def __init__(self, city, network, weights):
        self.arrays = episode_arrays(city)
        self.limits = RULES.limits(city)
        self.network, self.model, self.graph = network, model_of(weights.tensors), sparse_graph(city)
        self.episodes, self.seen = new_episodes(self.arrays, 1), new_observations(self.arrays, 1)
        self.compared = 0

    @torch.no_grad()
    def route(self, used, flow):
        ep = self.episodes
        ep.request[0] = (flow.service, flow.direction, flow.ru, flow.upf, flow.bandwidth_kbps, flow.arrival_ms)
        ep.used[0] = used
        status, embedded_stage = kernels.begin(self.arrays, ep, 0, False), -1
        while status == GOING:
            status = kernels.observe(self.arrays, ep, 0, self.limits, self.seen, 0)
            if status != GOING:
                break
            valid = np.flatnonzero(self.seen.mask[0])
            action = int(valid[0])
            if len(valid) > 1:
                if ep.stage[0] != embedded_stage:
                    embedded_stage = int(ep.stage[0])
                    self._embed(flow.ru)
                action = self._decide()
            status = kernels.advance(self.arrays, ep, 0, action)
        return tuple(ep.links[0, : ep.n_links[0]].tolist()) if status == ARRIVED else ()

    def _embed(self, ru):
        features = new_vertex_features(self.arrays, 1)
        kernels.vertex_features(self.arrays, self.episodes, 0, features[0])
        self.theirs = self.network.embed(torch.from_numpy(features), torch.tensor([ru]))
        self.ours = embed(self.model, self.graph, features[0], ru)
        for ours, theirs in zip(self.ours, self.theirs, strict=True):
            np.testing.assert_allclose(ours, theirs[0].numpy(), rtol=1e-5, atol=1e-5)

    def _decide(self):
        seen = self.seen
        mask = torch.from_numpy(seen.mask)
        batch = RoutingBatch(
            context=torch.from_numpy(seen.context),
            mask=mask,
            slots=torch.from_numpy(seen.slots)[mask],
            graph=torch.zeros(1, dtype=torch.int64),
            vertex=torch.from_numpy(seen.vertex),
            slot_vertex=torch.from_numpy(seen.slot_vertex)[mask],
        )
        logits = self.network.decide(batch, *self.theirs)[0][0].numpy()
        scores = np.full(len(logits), np.nan, dtype=np.float32)
        score_hops(self.model, self.ours, seen, 0, scores)
        np.testing.assert_allclose(scores[seen.mask[0]], logits[seen.mask[0]], rtol=1e-5, atol=1e-5)
        assert np.isnan(scores[~seen.mask[0]]).all()
        self.compared += 1
        return int(logits.argmax())


def test_scores_and_routes_are_those_of_the_trained_module(city, network, weights, flows):
    reference = _Reference(city, network, weights)
    policy = LearnedPolicy("sarl", city, dict.fromkeys(city.service_index, weights))
    arrived = 0
    for index, flow in enumerate(flows):
        used = busy(city, index)
        plan = policy.plan(used, flow)
        assert plan.links == reference.route(used, flow)
        arrived += plan.accepted
    assert reference.compared > len(flows)
    assert arrived > len(flows) // 4


def test_a_hop_scores_alike_whatever_else_is_valid(city, weights, flows):
    """Masked hops have no say: closing one leaves the others' scores as they are, to the bit."""
    arrays = episode_arrays(city)
    ep, seen = new_episodes(arrays, 1), new_observations(arrays, 1)
    flow = next(flow for flow in flows if city.services[flow.service].key == "video")
    ep.request[0] = (flow.service, flow.direction, flow.ru, flow.upf, flow.bandwidth_kbps, flow.arrival_ms)
    status = kernels.begin(arrays, ep, 0, False)
    while status == GOING and kernels.observe(arrays, ep, 0, RULES.limits(city), seen, 0) == GOING and seen.mask[0].sum() < 3:
        status = kernels.advance(arrays, ep, 0, int(np.flatnonzero(seen.mask[0])[0]))
    assert status == GOING
    features = new_vertex_features(arrays, 1)[0]
    kernels.vertex_features(arrays, ep, 0, features)
    model = model_of(weights.tensors)
    embedded = embed(model, sparse_graph(city), features, flow.ru)
    before, after = np.zeros((2, seen.mask.shape[1]), dtype=np.float32)
    score_hops(model, embedded, seen, 0, before)
    closed = int(np.flatnonzero(seen.mask[0])[1])
    seen.mask[0, closed] = False
    score_hops(model, embedded, seen, 0, after)
    assert after[closed] == 0.0 != before[closed]
    assert np.array_equal(np.delete(before, closed)[:-1], np.delete(after, closed)[:-1])  # but for declining, the last
