"""`python -m services.trainer`: compiles the kernels that only trainings need into numba's cache, or finds them there."""

import torch

from ric_sim.envs.rewards import RewardPlan
from ric_sim.network.scenario import load_scenario
from services.trainer.routing import find_config
from xapps.learning.local_episodes import LocalEpisodes
from xapps.learning.shared_env import MemoryEnvironment


def warm_up() -> None:
    """One request of the shared environment is routed by an untrained agent and committed."""
    scenario, config = load_scenario(profile="paper", day="train"), find_config("fast")
    service = scenario.city.service_index["voip"]
    environment = MemoryEnvironment([(scenario.city, scenario.day)], config, seed=1)
    environment.prepare([service])
    requests = environment.fetch(service, 1)
    episodes = LocalEpisodes(scenario.city, config.mask.rules, RewardPlan(), capacity=1)
    played = episodes.play(requests, config.network.untrained(scenario.city), torch.Generator())
    environment.commit(service, (0, requests.tickets), played.routes, final=True)


if __name__ == "__main__":
    warm_up()
