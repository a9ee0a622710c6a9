"""One training loop per process: `python -m benchmarks.train_routing_loops ours|rllib|sb3 ITERATIONS`; one JSON line on stdout.

Counted are the decisions of the iterations after the first, which compiles and warms up.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from ric_sim.envs.lanes import LaneBatch
from ric_sim.network.scenario import Scenario, load_scenario
from xapps.learning.networks import NetworkShape, RoutingNetwork
from xapps.learning.ppo import PpoLearner, PpoSettings, advantages, samples_of

ROLLOUT = 4096
SETTINGS = PpoSettings(rollout=ROLLOUT, minibatch=1024, epochs=3, learning_rate=5e-4, gamma=1.0, gae_lambda=0.97, entropy=0.002)
SHAPE = NetworkShape(graph=32)
LANES = 128
N_ENVS = 8
SEED = 1


def ours(scenario: Scenario) -> Callable[[], int]:
    """An iteration of our lanes and PPO, one agent: the same work as the others do."""
    import torch

    from xapps.learning.rollout import Collector

    torch.manual_seed(SEED)
    city = scenario.city
    network = RoutingNetwork(city, SHAPE)
    batch = LaneBatch(city, scenario.day, n_lanes=LANES, stretch=2000, seed=SEED)
    collector = Collector([batch], [network] * len(city.services), seed=SEED)
    learner = PpoLearner("all", network, SETTINGS, seed=SEED)

    def iterate() -> int:
        decisions = collector.collect(ROLLOUT // LANES)
        samples = samples_of(decisions, advantages(decisions, SETTINGS), range(len(city.services)))
        learner.add(samples)
        learner.update()
        return len(samples)

    return iterate


def rllib(scenario: Scenario) -> Callable[[], int]:
    """An iteration of RLlib's PPO: 8 environments in the process, no remote runner or learner."""
    import ray
    from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME

    from xapps.learning.rllib_env import ppo_config

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    algorithm = ppo_config(scenario, SETTINGS, shape=SHAPE, n_envs=N_ENVS, seed=SEED).build_algo()
    sampled = 0

    def iterate() -> int:
        nonlocal sampled
        result = algorithm.train()
        before, sampled = sampled, int(result[ENV_RUNNER_RESULTS][NUM_ENV_STEPS_SAMPLED_LIFETIME])
        return sampled - before

    return iterate


def sb3(scenario: Scenario) -> Callable[[], int]:
    """An iteration of sb3-contrib's MaskablePPO with 8 environments in a DummyVecEnv."""
    from sb3_contrib import MaskablePPO
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import DummyVecEnv

    from ric_sim.envs.gym_env import RoutingEnv
    from ric_sim.envs.observation import ObservationLayout
    from ric_sim.network.episodes.space import episode_arrays
    from xapps.learning.graphs import InlineGraphs
    from xapps.learning.sb3_policy import RoutingPolicy

    city = scenario.city
    judge = InlineGraphs(ObservationLayout.of(episode_arrays(city)))
    model = MaskablePPO(
        RoutingPolicy,
        DummyVecEnv([lambda: RoutingEnv(scenario=scenario, reward="ours") for _ in range(N_ENVS)]),
        learning_rate=SETTINGS.learning_rate,
        n_steps=ROLLOUT // N_ENVS,
        batch_size=SETTINGS.minibatch,
        n_epochs=SETTINGS.epochs,
        gamma=SETTINGS.gamma,
        gae_lambda=SETTINGS.gae_lambda,
        ent_coef=SETTINGS.entropy,
        policy_kwargs={"judge": judge, "make_network": lambda: RoutingNetwork(city, SHAPE)},
        seed=SEED,
        device="cpu",
    )
    model.set_logger(Logger(folder=None, output_formats=[]))

    def iterate() -> int:
        model.learn(ROLLOUT, log_interval=None, reset_num_timesteps=False)
        return ROLLOUT

    return iterate


LOOPS = {"ours": ours, "rllib": rllib, "sb3": sb3}


def cpu_s() -> float:
    """Of this process and of the children it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    import torch

    name, iterations = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    iterate = LOOPS[name](load_scenario(profile="paper", day="train"))
    iterate()
    steps, begun_s, begun_cpu_s = 0, time.monotonic(), cpu_s()
    for _ in range(iterations):
        steps += iterate()
    row: dict[str, Any] = {"loop": name, "steps": steps, "wall_s": time.monotonic() - begun_s, "cpu_s": cpu_s() - begun_cpu_s}
    print(json.dumps(row), flush=True)
    os._exit(0)  # Ray's shutdown takes seconds and measures nothing


if __name__ == "__main__":
    main()
