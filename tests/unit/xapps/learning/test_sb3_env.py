"""Lanes as an environment of Stable-Baselines3, and the policy on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported

from ric_sim.domain.errors import Conflict
from ric_sim.envs.lanes import LaneBatch
from ric_sim.envs.observation import ObservationLayout
from ric_sim.envs.rewards import RewardPlan
from ric_sim.network.scenario import Scenario, load_scenario
from xapps.learning.graphs import InlineGraphs, RingGraphs, routing_batch
from xapps.learning.networks import NetworkShape, RoutingNetwork
from xapps.learning.sb3_env import BatchedVecEnv
from xapps.learning.sb3_policy import GroupedBuffer

N_TICKS = 6


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario(profile="paper", day="train", seed=20270001)


def _batches(scenario: Scenario) -> list[LaneBatch]:
    return [LaneBatch(scenario.city, scenario.day, n_lanes=n, stretch=300, seed=n) for n in (5, 3)]


@pytest.fixture
def env(scenario: Scenario) -> BatchedVecEnv:
    return BatchedVecEnv(_batches(scenario), RewardPlan.named("paper"), n_ticks=N_TICKS)


@pytest.fixture
def network(scenario: Scenario) -> RoutingNetwork:
    torch.manual_seed(0)
    return RoutingNetwork(scenario.city, NetworkShape(graph=16))


def _fastest(env: BatchedVecEnv) -> np.ndarray:
    """int64 [lanes]: the allowed hop with the least regret of the fastest way."""
    regret = np.concatenate([batch.observations.slots[:, :, 0] for batch in env._batches])
    return np.where(env.action_masks(), regret, np.inf).argmin(axis=1)


def test_it_is_what_stable_baselines_expects(env: BatchedVecEnv) -> None:
    observations = env.reset()
    assert is_masking_supported(env)
    assert isinstance(env.observation_space, spaces.Box)
    for _ in range(30):
        masks = get_action_masks(env)
        assert masks.shape == (8, env.action_space.n)
        assert masks.any(axis=1).all()
        assert observations.shape == (8, *env.observation_space.shape)
        assert all(env.observation_space.contains(row) for row in observations)
        assert np.array_equal(observations[:, env.ring.layout.parts["mask"]], masks)
        observations, rewards, dones, infos = env.step(masks.argmax(axis=1))
        assert rewards.dtype == np.float32
        assert rewards.shape == dones.shape == (8,)
        assert len(infos) == 8
    assert env.env_method("action_masks", indices=[1])[0].shape == (env.action_space.n,)
    assert env.get_attr("render_mode") == [None] * 8
    with pytest.raises(AttributeError, match="no method"):
        env.env_method("fly")
    with pytest.raises(Conflict, match="gravity"):
        env.set_attr("gravity", 1)


def test_rewards_are_those_of_the_lanes_and_of_who_watches(scenario: Scenario) -> None:
    plain = BatchedVecEnv(_batches(scenario), RewardPlan.named("paper"), n_ticks=N_TICKS)
    watched = BatchedVecEnv(
        _batches(scenario),
        RewardPlan.named("paper"),
        n_ticks=N_TICKS,
        watch=lambda index, paid: np.full(len(paid.reward), 10.0 + index),
    )
    plain.reset()
    watched.reset()
    for _ in range(20):
        actions = _fastest(plain)
        _, rewards, dones, _ = plain.step(actions)
        _, more, same, _ = watched.step(actions)
        assert np.allclose(more - rewards, [10] * 5 + [11] * 3, atol=1e-5)
        assert np.array_equal(dones, same)


def test_a_graph_stays_in_the_ring_for_the_whole_rollout(env: BatchedVecEnv) -> None:
    """Whatever a rollout has seen, and what it ends with, can still be looked up afterwards."""
    observations = env.reset()
    column = env.ring.layout.parts["graph"].start
    for _ in range(5):
        seen = {}
        for tick in range(N_TICKS + 1):
            for lane, number in enumerate(observations[:, column].astype(int)):
                seen.setdefault(number, (lane, env.ring.features[number].copy()))
            if tick < N_TICKS:
                observations = env.step(_fastest(env))[0]
        assert len(seen) > 8
        for number, (_, features) in seen.items():
            assert np.array_equal(env.ring.features[number], features)


def test_kept_embeddings_decide_as_fresh_ones_and_as_one_per_decision(
    scenario: Scenario, env: BatchedVecEnv, network: RoutingNetwork
) -> None:
    """A graph is as the episode found it on entering the stage, so one per decision agrees where a stage has just begun."""
    kept, inline = RingGraphs(env.ring), InlineGraphs(ObservationLayout.of(env._batches[0].arrays))
    observations, compared = env.reset(), 0
    column = env.ring.layout.parts["graph"].start
    previous = np.full(8, -1.0, dtype=np.float32)
    for _ in range(12):
        small = torch.from_numpy(observations)
        with torch.no_grad():
            fast = kept(network, small)
        fresh = kept(network, small)  # with gradients nothing kept is used
        slow = inline(network, torch.from_numpy(np.concatenate([inline._layout.observe(batch) for batch in env._batches])))
        begun = observations[:, column] != previous
        for one, again, each in zip(fast, fresh, slow, strict=True):
            assert torch.allclose(one, again, atol=1e-5)
            assert torch.allclose(one[begun], each[begun], atol=1e-5)
        compared += int(begun.sum())
        previous = observations[:, column].copy()
        observations = env.step(_fastest(env))[0]
    assert compared > 20


def test_a_changed_network_is_noticed_once_told(env: BatchedVecEnv, network: RoutingNetwork) -> None:
    judge, observations = RingGraphs(env.ring), torch.from_numpy(env.reset())
    with torch.no_grad():
        before = judge(network, observations)[1]
        for values in network.convolutions.parameters():
            values.mul_(1.5)
        assert torch.equal(judge(network, observations)[1], before)
        judge.forget()
        assert not torch.allclose(judge(network, observations)[1], before)


def test_flat_observations_hold_what_the_lanes_see(env: BatchedVecEnv) -> None:
    observations = torch.from_numpy(env.reset())
    batch = routing_batch(env.ring.layout, observations, torch.arange(8))
    seen = env._batches[0].observations
    assert np.array_equal(batch.mask[:5].numpy(), seen.mask)
    assert np.array_equal(batch.context[:5].numpy(), seen.context)
    assert np.array_equal(batch.vertex[:5].numpy(), seen.vertex)
    n_hops = int(seen.mask.sum())
    assert np.array_equal(batch.slots[:n_hops].numpy(), seen.slots[seen.mask])
    assert np.array_equal(batch.slot_vertex[:n_hops].numpy(), seen.slot_vertex[seen.mask])


def test_minibatches_keep_graphs_together_and_cover_everything_once() -> None:
    space = spaces.Box(0, 100, (2,), dtype=np.float32)
    buffer = GroupedBuffer(8, space, spaces.Discrete(3), "cpu", n_envs=4, graph_column=1, seed=0)
    for tick in range(8):
        observation = np.stack([np.arange(4) + 4 * tick, np.arange(4) * 4 + tick // 2], axis=1)
        zeros = np.zeros(4)
        buffer.add(observation, zeros, zeros, zeros, torch.zeros(4), torch.zeros(4), action_masks=np.ones((4, 3)))
    minibatches = [samples.observations for samples in buffer.get(8)]
    assert [len(rows) for rows in minibatches] == [8] * 4
    assert sorted(torch.cat(minibatches)[:, 0].tolist()) == list(range(32))
    graphs = [set(rows[:, 1].tolist()) for rows in minibatches]
    assert sum(len(each) for each in graphs) == 16
    again = [samples.observations for samples in buffer.get(8)]
    assert not torch.equal(torch.cat(again), torch.cat(minibatches))
