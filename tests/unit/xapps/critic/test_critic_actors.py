"""Whom the critic teaches: from what its actors start, and how one that comes later begins."""

import numpy as np
import pytest
import structlog

from ric_sim.domain.errors import InvalidInput, WeightsMismatch
from ric_sim.radio.learned import ActorStack, starting_weights
from ricity.learning.v1 import learning_pb2
from tests.contract.slicing.parts import QUICK_LEARNING
from xapps.critic.checkpoint import load_checkpoint, save_checkpoint
from xapps.critic.learner import LiveLearner, nearest
from xapps.critic.settings import CriticSettings

LOG = structlog.get_logger()
THREE = QUICK_LEARNING.replace("n_dus: 2", "n_dus: 3")
OBSERVATION = np.random.default_rng(0).random((1, 18), dtype=np.float32)


@pytest.fixture
def settings(tmp_path):
    config = tmp_path / "quick.yaml"
    config.write_text(THREE)
    return CriticSettings(config=config, out=tmp_path / "critic", later_dus=1, trial_decisions=0)


def feed(learner, n=12, sequence=1):
    rows = np.random.default_rng(sequence).random((n, 42), dtype=np.float32)
    facts = {"sequence": sequence, "transitions": n, "observation_dim": 18, "action_dim": 5, "rows": rows.tobytes()}
    for agent in learner.agents:
        batch = learning_pb2.ExperienceBatch(agent=agent, **facts)
        assert not learner.intake.take(batch, agent=agent, instance_id="a", version=0).refusal


def actions(learner):
    assert learner.try_actors()
    return [ActorStack([weights]).greedy(OBSERVATION)[0] for weights in learner.next_weights()]


def test_the_nearest_cell_is_found_on_the_grid():
    assert nearest("du_5", ["du_0", "du_1", "du_2", "du_3", "du_4"], 6) == 2  # du_4 is as near, du_2 comes first
    assert nearest("du_0", ["du_5", "du_3"], 6) == 1
    assert nearest("du_6", ["du_1", "du_5", "du_2"], 7) == 1


def test_actors_start_with_the_shipped_weights_and_the_first_push_gives_these(tmp_path):
    learner = LiveLearner(CriticSettings(out=tmp_path, slicing_weights="shipped"), log=LOG)
    assert learner.version == 1
    pushed = learner.next_weights()
    for weights in pushed:
        shipped = starting_weights("shipped", weights.spec.agent)
        assert weights.spec.version == 2
        assert all((weights.tensors[name] == shipped.tensors[name]).all() for name in shipped.tensors)


def test_weights_that_its_network_cannot_hold_are_refused(settings):
    with pytest.raises(WeightsMismatch, match="learn with that network"):
        LiveLearner(settings.model_copy(update={"slicing_weights": "shipped"}), log=LOG)


def test_an_actor_that_comes_later_begins_as_its_neighbour(settings):
    learner = LiveLearner(settings, log=LOG)
    assert (learner.agents, learner.known) == (["du_0", "du_1"], ["du_0", "du_1", "du_2"])
    feed(learner)
    while learner.is_due:
        learner.update()
    before = actions(learner)
    learner.welcome("du_2")
    assert learner.agents == ["du_0", "du_1", "du_2"]
    after = actions(learner)
    np.testing.assert_allclose(after[:2], before, atol=1e-6)
    np.testing.assert_allclose(after[2], before[1], atol=1e-6)
    learner.welcome("du_2")
    assert len(learner.agents) == 3
    n_updates = learner.n_updates
    feed(learner, sequence=2)
    while learner.is_due:
        learner.update()
    assert learner.n_updates > n_updates
    assert learner.facts(2).keys() == {"rho", "selected", "td_variance"}
    assert not np.allclose(actions(learner)[2], actions(learner)[1])


def test_a_restarted_critic_remembers_who_came_later(settings):
    one = LiveLearner(settings, log=LOG)
    feed(one)
    one.welcome("du_2")
    feed(one, sequence=2)
    while one.is_due:
        one.update()
    assert one.try_actors()
    save_checkpoint(settings.out, one.state_dict())
    other = LiveLearner(settings, log=LOG)
    other.load_state_dict(load_checkpoint(settings.out))
    assert other.agents == one.agents
    assert [weights.sha256 for weights in other.next_weights()] == [weights.sha256 for weights in one.next_weights()]


def test_a_checkpoint_without_those_who_are_there_from_the_start_is_refused(settings):
    state = LiveLearner(settings, log=LOG).state_dict()
    with pytest.raises(InvalidInput, match="there from the start"):
        LiveLearner(settings.model_copy(update={"later_dus": 0}), log=LOG).load_state_dict(state)
