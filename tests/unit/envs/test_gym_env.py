"""The Gymnasium adapter and the rewards it pays."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ric_sim.domain.errors import UnknownKey
from ric_sim.envs.gym_env import ENV_ID, RoutingEnv
from ric_sim.envs.lanes import LaneBatch
from ric_sim.envs.rewarded import RewardedLanes
from ric_sim.envs.rewards import PAPER, RewardPlan, RewardWeights
from ric_sim.network.city import NodeKind
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.scenario import load_scenario


@pytest.fixture(scope="module")
def scenario():
    return load_scenario(profile="paper", day="train", seed=20270001)


@pytest.fixture
def env(scenario):
    return RoutingEnv(scenario=scenario)


def play_episode(env, rng=None):
    """Rewards, and the last info, of an episode of random allowed hops, or without `rng` of fastest ones."""
    rewards = []
    while True:
        allowed = np.flatnonzero(env.action_masks())
        regret = env._lanes.batch.observations.slots[0, allowed, 0]
        _, reward, terminated, truncated, info = env.step(rng.choice(allowed) if rng else allowed[regret.argmin()])
        rewards.append(reward)
        assert not truncated
        if terminated:
            return rewards, info


def test_gymnasium_finds_no_fault(env):
    check_env(env, skip_render_check=True)


def test_registered(scenario):
    made = gymnasium.make(f"ric_sim.envs.gym_env:{ENV_ID}", scenario=scenario)
    observation, _ = made.reset(seed=3)
    assert made.observation_space.contains(observation)


def test_same_seed_same_episodes(env):
    env.reset(seed=5)
    first = [play_episode(env, np.random.default_rng(0)) for _ in range(3)]
    env.reset(seed=5)
    assert [play_episode(env, np.random.default_rng(0)) for _ in range(3)] == first
    env.reset(seed=6)
    assert [play_episode(env, np.random.default_rng(0)) for _ in range(3)] != first


def test_observations_stay_in_their_space(env):
    rng = np.random.default_rng(1)
    env.reset(seed=1)
    for _ in range(150):
        observation, _, ended, _, _ = env.step(rng.choice(np.flatnonzero(env.action_masks())))
        assert env.observation_space.contains(observation)
        assert np.array_equal(observation[env.layout.parts["mask"]], env.action_masks())
        if ended:
            env.reset()


def test_a_forbidden_hop_gives_the_request_up(env):
    env.reset(seed=1)
    forbidden = int(np.flatnonzero(~env.action_masks())[0])
    _, reward, terminated, _, info = env.step(forbidden)
    assert terminated
    assert info["accepted"] is False
    assert reward == pytest.approx(PAPER.refused)


def test_an_accepted_request_is_paid_for_each_segment_and_for_acceptance(scenario):
    """Terms that add up: segments and acceptance over an episode do not depend on which hops left a choice."""
    env = RoutingEnv(scenario=scenario, reward=RewardPlan(RewardWeights(segment=1.0, accepted=10.0)))
    env.reset(seed=2)
    for _ in range(20):
        stage = int(env._lanes.batch.episodes.stage[0])  # segments passed before the first choice are no decision's
        rewards, info = play_episode(env)
        assert info["accepted"]
        assert sum(rewards) == pytest.approx(10.0 + 3 - stage)
        env.reset()


def test_latency_cost_adds_up_to_the_latency(scenario):
    env = RoutingEnv(scenario=scenario, reward=RewardPlan(RewardWeights(latency_per_ms=-1.0)))
    env.reset(seed=2)
    for _ in range(20):
        start_ms = env._lanes.batch.episodes.latency_us[0] / 1000
        rewards, info = play_episode(env, np.random.default_rng(4))
        assert -sum(rewards) == pytest.approx(info["latency_ms"] - start_ms, abs=1e-3)
        env.reset()


def test_segment_hops_are_counted_once(scenario):
    """Every hop belongs to one segment, so an accepted request pays each hop since the segment of its first choice began."""
    lanes = RewardedLanes(
        LaneBatch(scenario.city, scenario.day, n_lanes=8, stretch=400, seed=1), RewardPlan(RewardWeights(segment_hop=1.0))
    )
    rng = np.random.default_rng(0)
    kinds = scenario.city.node_kind
    target = lanes.batch.arrays.graph.target
    paid_so_far, start = np.zeros(8), [hops_to_last_host(lanes.batch, lane, kinds, target) for lane in range(8)]
    finished = 0
    while finished < 60:
        actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in lanes.masks])
        paid = lanes.step(actions)
        paid_so_far += paid.reward
        for lane in np.flatnonzero(paid.done):
            if paid.accepted[lane]:
                assert paid_so_far[lane] == paid.settled.n_links[paid.row[lane]] - start[lane]
                finished += 1
            paid_so_far[lane], start[lane] = 0.0, hops_to_last_host(lanes.batch, lane, kinds, target)


def hops_to_last_host(batch, lane, kinds, target):
    """Hops of a lane's episode up to the last node that is no switch."""
    passed = target[batch.episodes.links[lane, : batch.episodes.n_links[lane]]]
    hosts = np.flatnonzero(kinds[passed] <= NodeKind.UPF)
    return int(hosts[-1]) + 1 if len(hosts) else 0


def test_the_fastest_way_earns_its_whole_latency_as_shaping(scenario):
    """The shaping term is the difference of a potential: over an accepted episode it is where it stood at the first choice."""
    env = RoutingEnv(scenario=scenario, reward=RewardPlan(RewardWeights(shaping_per_ms=1.0)))
    env.reset(seed=4)
    for _ in range(20):
        episodes = env._lanes.batch.episodes
        to_go_ms = episodes.floor_us[0, episodes.stage[0], episodes.node[0]] / 1000
        rewards, info = play_episode(env)
        assert info["accepted"]
        assert sum(rewards) == pytest.approx(to_go_ms, abs=1e-3)
        env.reset()


def test_revisits_are_charged(scenario):
    """Random hops under rules that let a switch be passed twice meet some, and only those pay."""
    env = RoutingEnv(scenario=scenario, reward=RewardPlan(RewardWeights(revisit=-1.0)), rules=MaskRules(lookahead="idle"))
    env.reset(seed=4)
    rng, charged, expected = np.random.default_rng(6), 0.0, 0
    for _ in range(600):
        batch = env._lanes.batch
        action = rng.choice(np.flatnonzero(env.action_masks()))
        target = batch.arrays.graph.action_node[batch.episodes.node[0], action]
        expected += int(batch.episodes.visited[0, target])
        _, reward, ended, _, _ = env.step(action)
        charged -= reward
        if ended:
            env.reset()
    assert charged == expected


def test_weights_by_service_apply_to_that_service_alone(scenario):
    plan = RewardPlan(RewardWeights(accepted=1.0), {"iot": RewardWeights(accepted=5.0)})
    env = RoutingEnv(scenario=scenario, reward=plan)
    env.reset(seed=7)
    seen = {}
    for _ in range(200):
        rewards, info = play_episode(env)
        seen[info["service"]] = rewards[-1]
        env.reset()
    assert seen.pop("iot") == 5.0
    assert set(seen.values()) == {1.0}
    with pytest.raises(UnknownKey, match="nonesuch"):
        RewardPlan(by_service={"nonesuch": PAPER}).table(scenario.city.services)
    with pytest.raises(UnknownKey, match="reward"):
        RewardPlan.named("theirs")
