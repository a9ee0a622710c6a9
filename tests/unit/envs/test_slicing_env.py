"""The PettingZoo adapter of the radio network: one agent per O-DU, all at the same time."""

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.envs.slicing_env import SlicingGame
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.world import World


def test_pettingzoo_finds_no_fault():
    parallel_api_test(SlicingGame(decisions=30), num_cycles=70)
    parallel_seed_test(lambda: SlicingGame(decisions=20, decoding="twobit", observation="paper"), num_cycles=10)


def test_a_game_is_the_first_replica_of_its_seed():
    game, world = SlicingGame(decisions=3, config=RadioConfig(n_dus=3)), World(RadioConfig(n_dus=3), n_replicas=2)
    world.reset(5)
    observations, _ = game.reset(seed=5)
    np.testing.assert_array_equal([observations[f"du_{du}"] for du in range(3)], world.observe()[0])
    for frame in range(1, 4):
        actions = {agent: np.full(5, 0.4, np.float32) for agent in game.agents}
        observations, rewards, ended, truncated, infos = game.step(actions)
        result = world.step(np.full((2, 3, 5), np.float32(0.4)))
        np.testing.assert_allclose(list(rewards.values()), result.reward[0])
        assert infos["du_1"]["used_rbs"] == dict(zip(("embb", "mmtc", "urllc"), result.used_rbs[0, 1].tolist(), strict=True))
        assert not any(ended.values())
        assert all(truncated.values()) == (frame == 3)
    assert game.agents == []


def test_a_game_goes_on_with_another_episode():
    game = SlicingGame(decisions=2)
    first, _ = game.reset(seed=1)
    second, _ = game.reset()
    again, _ = game.reset(seed=2)
    np.testing.assert_array_equal(second["du_0"], again["du_0"])
    assert not np.array_equal(first["du_0"], second["du_0"])


def test_misuse_is_refused():
    with pytest.raises(OutOfRange, match="0 decisions"):
        SlicingGame(decisions=0)
    with pytest.raises(UnknownKey, match="nominal"):
        SlicingGame(profile="usual")
    game = SlicingGame(decisions=2)
    with pytest.raises(OutOfRange, match="after a reset"):
        game.step({})
    game.reset(seed=1)
    actions = {agent: np.full(5, 0.5, np.float32) for agent in game.agents}
    with pytest.raises(OutOfRange, match="du_4"):
        game.step({agent: action for agent, action in actions.items() if agent != "du_4"})
    actions["du_2"][1] = np.nan
    with pytest.raises(OutOfRange, match="not in"):
        game.step(actions)
