"""The critic's own emulated network: random play at the start, and trials before a push."""

import numpy as np
import pytest
import structlog

from ric_sim.domain.errors import Conflict
from ric_sim.radio.learned import ActorStack, starting_weights
from tests.contract.slicing.parts import QUICK_LEARNING
from xapps.critic.learner import LiveLearner
from xapps.critic.rehearsal import Rehearsal
from xapps.critic.settings import CriticSettings
from xapps.learning.slicing.config import WorldConfig
from xapps.learning.slicing.export import adopt_actor
from xapps.learning.slicing.replay import Replay

LOG = structlog.get_logger()


@pytest.fixture
def learner(tmp_path):
    return LiveLearner(CriticSettings(out=tmp_path, slicing_weights="shipped", trial_decisions=20), log=LOG)


def shipped(dus):
    return ActorStack([starting_weights("shipped", f"du_{du}") for du in dus])


def test_random_play_is_experience_of_every_actor():
    rehearsal = Rehearsal(WorldConfig(n_ues=60), range(6), seed=0)
    replay = Replay(6, observation_dim=18, action_dim=5, capacity=200)
    rehearsal.play_at_random(replay, 10)
    assert (replay.n_added == 40).all()
    batch = replay.sample(64, np.random.default_rng(0))
    assert 0.2 < float(batch.action.std()) < 0.35  # of a uniform distribution: 0.289
    assert float(batch.reward.std()) > 0.1


def test_a_trial_tells_good_actors_from_bad_ones_and_repeats_itself():
    rehearsal = Rehearsal(WorldConfig(), range(6), seed=0)
    good = rehearsal.reward_of(shipped(range(6)), 20)
    assert good == rehearsal.reward_of(shipped(range(6)), 20)
    bad = shipped(range(6))
    bad._layers[-1][1][:, :3] += np.array([-3, 3, 0], dtype=np.float32)
    assert rehearsal.reward_of(bad, 20) < good - 0.2


def test_a_cell_without_an_actor_is_off_the_air_until_it_has_one():
    rehearsal = Rehearsal(WorldConfig(), [0, 1, 2, 3, 4], seed=0)
    five = rehearsal.reward_of(shipped(range(5)), 20)
    assert not rehearsal._world.on_air[5]
    rehearsal.welcome(5)
    assert rehearsal.reward_of(shipped(range(6)), 20) != five
    assert rehearsal._world.on_air[5]


def test_actors_that_are_worse_in_the_trial_are_withheld_and_counted(learner):
    withheld = learner.metrics.pushes["du_0", "withheld"]._value
    before = withheld.get()
    assert learner.try_actors()
    good = learner.next_weights()
    head = learner._learner.actor_shape.head
    kept = learner._learner.actors.clone()
    learner._learner.actors[:, head] *= -1
    assert not learner.try_actors()
    assert withheld.get() == before + 1
    given = learner.next_weights()
    assert given[0].spec.version == good[0].spec.version + 1
    assert all((given[0].tensors[name] == good[0].tensors[name]).all() for name in good[0].tensors)
    learner._learner.actors.copy_(kept)
    assert learner.try_actors()


def test_rehearsed_experience_is_not_taken_for_live(tmp_path):
    config = tmp_path / "quick.yaml"
    config.write_text(QUICK_LEARNING)
    learner = LiveLearner(CriticSettings(config=config, rehearsal_steps=10), log=LOG)
    learner.rehearse()
    assert learner._replay.n_added.tolist() == [40, 40]
    assert learner.n_transitions == 0
    assert not learner.is_due


def test_the_first_weights_are_given_out_once_they_are_about_as_good_as_the_rule(tmp_path):
    learner = LiveLearner(CriticSettings(out=tmp_path, trial_decisions=20), log=LOG)
    assert not learner.has_weights
    assert not learner.try_actors()  # untrained
    with pytest.raises(Conflict, match="try_actors"):
        learner.next_weights()
    for index, agent in enumerate(learner.agents):
        adopt_actor(learner._learner, index, starting_weights("shipped", agent))
    assert learner.try_actors()
    assert learner.has_weights
    assert learner.next_weights()[0].spec.version == 1


def test_the_rule_is_what_the_dapps_decide_by():
    rehearsal = Rehearsal(WorldConfig(), range(6), seed=0)
    rule, learned = (rehearsal.reward_of(actors, 20) for actors in (None, shipped(range(6))))
    assert 1.8 < rule < learned
