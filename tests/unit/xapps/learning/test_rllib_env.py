"""RLlib's PPO on the routing environment, in this process: no Ray cluster is started but the local one RLlib insists on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import ray
import torch
from ray.rllib.core.columns import Columns

from ric_sim.envs.gym_env import RoutingEnv
from ric_sim.network.scenario import Scenario, load_scenario
from xapps.learning.networks import NetworkShape
from xapps.learning.ppo import PpoSettings
from xapps.learning.rllib_env import RoutingModule, ppo_config

SHAPE = NetworkShape(graph=8, context=8, trunk=(16, 8), pointer=8)
SETTINGS = PpoSettings(rollout=64, minibatch=32, epochs=1, learning_rate=1e-3, gamma=1.0, gae_lambda=0.97)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario(profile="paper", day="train", seed=20270001)


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    ray.init(
        address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error", ignore_reinit_error=True
    )
    yield
    ray.shutdown()


@pytest.fixture
def module(scenario: Scenario) -> RoutingModule:
    env = RoutingEnv(scenario=scenario)
    return RoutingModule(
        observation_space=env.observation_space,
        action_space=env.action_space,
        model_config={"city": scenario.city, "shape": SHAPE, "prior": 3.0},
    )


def test_forbidden_hops_have_no_probability(scenario: Scenario, module: RoutingModule) -> None:
    env = RoutingEnv(scenario=scenario)
    observation, _ = env.reset(seed=1)
    out = module.forward_inference({Columns.OBS: torch.from_numpy(observation)[None]})
    probability = torch.softmax(out[Columns.ACTION_DIST_INPUTS][0], dim=0).detach().numpy()
    allowed = env.action_masks()
    assert probability[~allowed].max() == 0.0
    assert probability[allowed].min() > 0.0


def test_values_of_the_forward_pass_are_the_modules_values(scenario: Scenario, module: RoutingModule) -> None:
    batch = {Columns.OBS: torch.from_numpy(RoutingEnv(scenario=scenario).reset(seed=1)[0])[None]}
    embeddings = module.forward_train(batch)[Columns.EMBEDDINGS]
    assert torch.equal(module.compute_values(batch, embeddings), module.compute_values(batch))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning")
def test_rllibs_ppo_trains_the_network(scenario: Scenario, local_ray: None) -> None:
    algorithm = ppo_config(scenario, SETTINGS, shape=SHAPE, n_envs=2, seed=1).build_algo()
    try:
        before = {name: values.copy() for name, values in algorithm.get_weights()["default_policy"].items()}
        algorithm.train()
        after = algorithm.get_weights()["default_policy"]
        assert set(before) == set(after)
        assert any((after[name] != values).any() for name, values in before.items())
    finally:
        algorithm.stop()
