"""Alike O-RUs as one vertex: the same embeddings as with every node on its own, as long as they are alike."""

import numpy as np
import pytest
import torch

from ric_sim.network.city import NodeKind
from ric_sim.network.episodes import kernels
from ric_sim.network.episodes.batch import new_episodes, new_vertex_features
from ric_sim.network.episodes.space import N_STATIC_FEATURES, episode_arrays, normalised_adjacency, vertex_graph
from tests.unit.network.policies.cities import busy
from xapps.learning.networks import NetworkShape, RoutingNetwork


@pytest.fixture(scope="module")
def network(city):
    torch.manual_seed(5)
    network = RoutingNetwork(city, NetworkShape(graph=16, context=4, trunk=(4, 4), pointer=4))
    with torch.no_grad():
        for parameter in network.convolutions.parameters():
            parameter.normal_(0.0, 0.3)
    return network


def _vertex_features(city, flow, used):
    arrays, ep = episode_arrays(city), new_episodes(episode_arrays(city), 1)
    ep.request[0] = (flow.service, flow.direction, flow.ru, flow.upf, flow.bandwidth_kbps, flow.arrival_ms)
    ep.used[0] = used
    kernels.begin(arrays, ep, 0, False)
    features = new_vertex_features(arrays, 1)
    kernels.vertex_features(arrays, ep, 0, features[0])
    return features


def _of_nodes(city, features, ru):
    """float32 [N, F]: each node gets the features of its vertex, the request's O-RU its own."""
    of_nodes = features[0][episode_arrays(city).vertex]
    of_nodes[ru] = features[0, -1]
    return of_nodes


def _plain(city, network, of_nodes):
    """The graph convolutions over all nodes, as in the paper."""
    adjacency, hidden = torch.from_numpy(normalised_adjacency(city)), torch.from_numpy(of_nodes).double()
    for layer in network.convolutions:
        hidden = torch.relu(adjacency @ hidden @ layer.weight.double().T + layer.bias.double())
    return hidden.numpy(), hidden.mean(dim=0).numpy()


@torch.no_grad()
def test_the_quotient_gives_every_node_the_embedding_of_the_plain_convolution(city, flows, network):
    vertex = episode_arrays(city).vertex
    for index, flow in enumerate(flows[:12]):
        features = _vertex_features(city, flow, busy(city, index))
        hidden, pooled = (each[0].numpy() for each in network.embed(torch.from_numpy(features), torch.tensor([flow.ru])))
        expected, expected_pooled = _plain(city, network, _of_nodes(city, features, flow.ru))
        ours = hidden[vertex]
        ours[flow.ru] = hidden[-1]
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(pooled, expected_pooled, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_an_o_ru_unlike_its_group_has_another_embedding_than_the_group(city, flows, network):
    """What the quotient cannot express: so features that tell O-RUs of a group apart would break it."""
    flow = flows[0]
    features = _vertex_features(city, flow, busy(city, 0))
    hidden = network.embed(torch.from_numpy(features), torch.tensor([flow.ru]))[0][0].numpy()
    vertex = episode_arrays(city).vertex
    other = next(ru for ru in city.nodes_of(NodeKind.O_RU).tolist() if vertex[ru] != vertex[flow.ru])
    of_nodes = _of_nodes(city, features, flow.ru)
    of_nodes[other] += 0.5
    expected = _plain(city, network, of_nodes)[0]
    assert np.abs(expected[other] - hidden[vertex[other]]).max() > 1e-3


def test_every_node_is_in_one_vertex_and_o_rus_share(city):
    graph, vertex = vertex_graph(city), episode_arrays(city).vertex
    assert graph.size.sum() == city.n_nodes
    assert np.array_equal(np.bincount(vertex), graph.size)
    shared = graph.size[vertex] > 1
    assert shared.sum() > 200
    assert (city.node_kind[shared] == NodeKind.O_RU).all()
    assert len(graph.size) < city.n_nodes / 3
    assert episode_arrays(city).static.shape == (len(graph.size) + 1, N_STATIC_FEATURES)
