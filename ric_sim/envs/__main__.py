"""`python -m ric_sim.envs`: compiles the kernels of the training lanes into numba's cache, or finds them there."""

import numpy as np

from ric_sim.envs.gym_env import RoutingEnv
from ric_sim.network.scenario import load_scenario


def warm_up() -> None:
    """Plays an episode of the Gymnasium environment."""
    env, ended = RoutingEnv(scenario=load_scenario(profile="smoke", day="train")), False
    env.reset(seed=1)
    while not ended:
        _, _, ended, _, _ = env.step(np.flatnonzero(env.action_masks())[0])


if __name__ == "__main__":
    warm_up()
