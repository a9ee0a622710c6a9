from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ric_sim.domain.errors import OutOfRange
from tests.unit.xapps.learning.slicing.plans import N_AGENTS, OBSERVATION_DIM, batches, learner
from xapps.learning.slicing.config import RegularisationConfig, SamConfig
from xapps.learning.slicing.growth import with_clone
from xapps.learning.slicing.replay import Replay, Transitions
from xapps.learning.slicing.sac import SacLearner


def _values(made: SacLearner, agents: list[int]) -> torch.Tensor:
    """Q of the first rows of one batch for these agents, whose experience is that of agent 1."""
    batch = batches(1)[0]
    same = torch.ones(made.plan.n_agents, dtype=torch.int64)
    return made._values(made.critic_shape.split(made.critics), batch.observation[same], batch.action[same])[:, agents]


@pytest.mark.parametrize(
    "options",
    [{}, {"sam": SamConfig(critic=True, actors="selected")}, {"regularisation": RegularisationConfig(spectral_norm=True)}],
)
def test_a_clone_starts_as_its_neighbour_and_the_others_go_on(options: dict[str, Any]) -> None:
    made = learner(**options)
    for batch in batches(5):
        made.update(batch)
    grown = with_clone(made, 1, seed=7)
    observation = np.random.default_rng(0).normal(size=(4, N_AGENTS, OBSERVATION_DIM)).astype(np.float32)
    wider = np.concatenate((observation, observation[:, 1:2]), axis=1)
    action = grown.act(wider, explore=False)
    np.testing.assert_allclose(action[:, :N_AGENTS], made.act(observation, explore=False), atol=1e-6)
    np.testing.assert_allclose(action[:, N_AGENTS], action[:, 1], atol=1e-6)
    torch.testing.assert_close(_values(grown, [0, 1, 2]), _values(made, [0, 1, 2]))
    torch.testing.assert_close(_values(grown, [3]), _values(made, [1]))
    report = grown.update(batches(1, n_agents=N_AGENTS + 1)[0])
    assert report.td_variance.shape == (N_AGENTS + 1,)
    assert np.isfinite(report.critic_loss)
    assert (grown.n_updates, made.n_updates) == (6, 5)


def test_a_learner_and_its_copy_do_not_touch_each_other() -> None:
    made, copy = learner(), learner()
    first, second = batches(2)
    made.update(first)
    copy.load_state_dict(made.state_dict())
    made.update(second)
    copy.update(second)
    assert torch.equal(made.actors, copy.actors)
    assert torch.equal(made.critics, copy.critics)


def test_a_clone_of_nobody_is_refused() -> None:
    with pytest.raises(OutOfRange, match="expected 0 to 2"):
        with_clone(learner(), 3, seed=1)


def test_a_clone_starts_with_its_neighbours_experience() -> None:
    replay = Replay(2, observation_dim=1, action_dim=1, capacity=4)
    for agent in (0, 1):
        replay.add(agent, Transitions([[0.0]], [[0.5]], [float(agent)], [[0.0]]))
    replay.clone_agent(1)
    assert replay.sample(2, np.random.default_rng(0)).reward.tolist() == [[0.0] * 2, [1.0] * 2, [1.0] * 2]
    replay.add(2, Transitions([[0.0]], [[0.5]], [9.0], [[0.0]]))
    assert replay.sizes.tolist() == [1, 1, 2]
