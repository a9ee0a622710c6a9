from __future__ import annotations

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from xapps.learning.slicing.replay import Replay, Transitions


def _replay(capacity: int = 8, old_ratio: float = 0.0, n_agents: int = 2) -> Replay:
    return Replay(n_agents, observation_dim=2, action_dim=1, capacity=capacity, old_ratio=old_ratio)


def _transitions(first: int, n: int) -> Transitions:
    """Numbered by their reward; the rest follows from it."""
    number = np.arange(first, first + n, dtype=np.float32)
    pair = np.stack((number, -number), axis=1)
    return Transitions(pair, np.full((n, 1), 0.5), number, pair + 1)


def _numbers(replay: Replay, agent: int = 0) -> set[int]:
    batch = replay.sample(4000, np.random.default_rng(0))
    return {int(value) for value in batch.reward[agent]}


def test_a_transition_comes_out_as_it_went_in() -> None:
    replay = _replay()
    for agent in (0, 1):
        replay.add(agent, _transitions(10 * agent, 1))
    batch = replay.sample(3, np.random.default_rng(0))
    assert batch.observation[1].tolist() == [[10.0, -10.0]] * 3
    assert batch.following[1].tolist() == [[11.0, -9.0]] * 3
    assert batch.action.unique().tolist() == [0.5]
    assert batch.reward.tolist() == [[0.0] * 3, [10.0] * 3]


def test_the_oldest_go_first() -> None:
    replay = _replay(capacity=8)
    for agent in (0, 1):
        replay.add(agent, _transitions(0, 5))
        replay.add(agent, _transitions(5, 7))
    assert replay.sizes.tolist() == [8, 8]
    assert _numbers(replay) == set(range(4, 12))


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_old_regimes_stay(piece: int) -> None:
    """400 transitions of one regime, then 400 of another: a reservoir of 40 holds about 20 of the first."""
    replay = _replay(capacity=80, old_ratio=0.5, n_agents=1)
    for first in range(0, 800, piece):
        replay.add(0, _transitions(first, min(piece, 800 - first)))
    held = _numbers(replay)
    assert set(range(760, 800)) <= held
    assert replay.sizes.tolist() == [80]
    n_first_regime = sum(number < 400 for number in held)
    assert 10 <= n_first_regime <= 32  # hypergeometric, three standard deviations


def test_without_a_reservoir_old_regimes_are_forgotten() -> None:
    replay = _replay(capacity=80, n_agents=1)
    replay.add(0, _transitions(0, 800))
    assert min(_numbers(replay)) == 720


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Transitions([[1, np.nan]], [[0.5]], [1.0], [[0, 0]]), "observation of agent 0 has numbers that are not finite"),
        (Transitions([[1, 1]], [[0.5]], [np.inf], [[0, 0]]), "reward of agent 0 has numbers that are not finite"),
        (Transitions([[1, 1]], [[0.5]], [np.nan], [[0, 0]]), "reward of agent 0 has numbers that are not finite"),
        (Transitions([[1, 1]], [[1.5]], [1.0], [[0, 0]]), "outside"),
        (Transitions([[1, 1, 1]], [[0.5]], [1.0], [[0, 0]]), "observation of agent 0 is"),
        (Transitions([[1, 1]], [[0.5]], 1.0, [[0, 0]]), "is"),
    ],
)
def test_unusable_experience_is_refused_and_nothing_kept(broken: Transitions, message: str) -> None:
    replay = _replay()
    with pytest.raises(OutOfRange, match=message):
        replay.add(0, broken)
    assert replay.sizes.tolist() == [0, 0]


def test_a_bad_row_of_one_agent_keeps_out_the_whole_step() -> None:
    replay = _replay()
    reward = np.array([[0.0, np.nan]], dtype=np.float32)
    pair, action = np.zeros((1, 2, 2), dtype=np.float32), np.zeros((1, 2, 1), dtype=np.float32)
    with pytest.raises(OutOfRange, match="agent 1"):
        replay.add_all(pair, action, reward, pair)
    assert replay.sizes.tolist() == [0, 0]


def test_strangers_are_refused() -> None:
    with pytest.raises(OutOfRange, match="expected 0 to 1"):
        _replay().add(2, _transitions(0, 1))
    with pytest.raises(OutOfRange, match="one row per agent"):
        _replay().add_all(*(np.zeros((4, 3, 2), dtype=np.float32),) * 4)


def test_nothing_is_drawn_from_an_agent_without_experience() -> None:
    replay = _replay()
    replay.add(0, _transitions(0, 1))
    with pytest.raises(OutOfRange, match=r"agents \[1\]"):
        replay.sample(1, np.random.default_rng(0))


def test_a_state_goes_on_as_the_original() -> None:
    original, copy = _replay(capacity=20, old_ratio=0.5, n_agents=1), _replay(capacity=20, old_ratio=0.5, n_agents=1)
    original.add(0, _transitions(0, 50))
    copy.load_state_dict(original.state_dict())
    for each in (original, copy):
        each.add(0, _transitions(50, 50))
    assert _numbers(original) == _numbers(copy)
    with pytest.raises(OutOfRange, match="start with an empty one"):
        copy.load_state_dict(_replay().state_dict())
