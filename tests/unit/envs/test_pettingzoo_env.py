"""The PettingZoo adapter: one agent per service."""

import numpy as np
import pytest
from pettingzoo.test import api_test, seed_test

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.pettingzoo_env import RoutingGame
from ric_sim.network.scenario import load_scenario


@pytest.fixture(scope="module")
def scenario():
    return load_scenario(profile="paper", day="train", seed=20270001)


def play(game, seed):
    """(agent, reward) of each turn with random allowed hops, and the requests that ended."""
    game.reset(seed=seed)
    rng, turns, ended = np.random.default_rng(seed), [], 0
    for agent in game.agent_iter():
        _, _, terminated, truncated, info = game.last()
        if terminated or truncated:
            game.step(None)
            continue
        game.step(rng.choice(np.flatnonzero(info["action_mask"])))
        turns.append((agent, game.rewards[agent]))
        ended += "accepted" in game.infos[agent]
    return turns, ended


@pytest.mark.filterwarnings("ignore:We recommend agents to be named")
def test_pettingzoo_finds_no_fault(scenario):
    api_test(RoutingGame(scenario=scenario, requests=40), num_cycles=30)
    seed_test(lambda: RoutingGame(scenario=scenario, requests=20), num_cycles=10)


def test_a_game_is_its_number_of_requests_with_the_agent_of_each_service(scenario):
    game = RoutingGame(scenario=scenario, requests=60)
    turns, ended = play(game, 1)
    assert ended == 60
    assert len({agent for agent, _ in turns}) > 2
    assert game.agents == []
    assert play(game, 1) == (turns, ended)
    assert play(game, 2) != (turns, ended)


def test_only_the_agent_whose_turn_it_is_sees_the_request(scenario):
    game = RoutingGame(scenario=scenario, requests=5)
    game.reset(seed=1)
    seen = {agent: game.observe(agent) for agent in game.agents}
    assert seen.pop(game.agent_selection)[game.layout.parts["context"]].any()
    assert not any(flat[game.layout.parts["context"]].any() for flat in seen.values())


def test_a_game_without_requests_is_refused(scenario):
    with pytest.raises(OutOfRange, match="0 requests"):
        RoutingGame(scenario=scenario, requests=0)
