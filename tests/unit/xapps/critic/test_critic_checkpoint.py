"""The critic's memory: what a restart brings back, and what a bad disk costs."""

import numpy as np
import pytest
import structlog

from ric_sim.domain.errors import InvalidInput
from ricity.learning.v1 import learning_pb2
from tests.contract.slicing.parts import QUICK_LEARNING
from xapps.critic.checkpoint import load_checkpoint, save_checkpoint
from xapps.critic.learner import LiveLearner
from xapps.critic.service import CheckpointKeeper
from xapps.critic.settings import CriticSettings

LOG = structlog.get_logger()


@pytest.fixture
def settings(tmp_path):
    config = tmp_path / "quick.yaml"
    config.write_text(QUICK_LEARNING)
    return CriticSettings(config=config, out=tmp_path / "critic", trial_decisions=0)


def feed(learner, n=12, sequence=1):
    rows = np.random.default_rng(sequence).random((n, 42), dtype=np.float32)
    facts = {"sequence": sequence, "transitions": n, "observation_dim": 18, "action_dim": 5, "rows": rows.tobytes()}
    for agent in learner.agents:
        batch = learning_pb2.ExperienceBatch(agent=agent, **facts)
        assert not learner.intake.take(batch, agent=agent, instance_id="a", version=0).refusal


def test_no_update_before_everyone_has_experience_and_one_per_transition_after(settings):
    learner = LiveLearner(settings, log=LOG)
    assert not learner.is_due
    feed(learner)
    while learner.is_due:
        learner.update()
    assert learner.n_updates == 12 * learner.config.sac.updates


def test_what_fell_behind_is_learnt_from_less_often(settings):
    learner = LiveLearner(settings.model_copy(update={"most_behind": 5}), log=LOG)
    feed(learner, n=100)
    while learner.is_due:
        learner.update()
    assert learner.n_updates == 6


def test_a_resumed_critic_goes_on_as_if_it_had_never_stopped(settings):
    one = LiveLearner(settings, log=LOG)
    feed(one)
    for _ in range(6):
        one.update()
    assert one.try_actors()
    one.next_weights()
    save_checkpoint(settings.out, one.state_dict())
    other = LiveLearner(settings, log=LOG)
    other.load_state_dict(load_checkpoint(settings.out))
    assert (other.n_updates, other.version, other.n_transitions) == (6, 1, 24)
    for learner in (one, other):
        feed(learner, sequence=2)
        while learner.is_due:
            learner.update()
        assert learner.try_actors()
    pair = zip(one.next_weights(), other.next_weights(), strict=True)
    assert all(first.sha256 == second.sha256 for first, second in pair)


def test_another_configuration_is_refused(settings, tmp_path):
    state = LiveLearner(settings, log=LOG).state_dict()
    settings.config.write_text(QUICK_LEARNING.replace("[16, 16]", "[8, 8]"))
    with pytest.raises(InvalidInput, match="name another folder"):
        LiveLearner(settings, log=LOG).load_state_dict(state)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_an_unreadable_checkpoint_is_set_aside(settings, content):
    settings.out.mkdir()
    (settings.out / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ValueError, match="set aside"):
        load_checkpoint(settings.out)
    assert (settings.out / "checkpoint.pt.unreadable").read_bytes() == content
    assert load_checkpoint(settings.out) is None


async def test_a_disk_that_takes_nothing_costs_the_checkpoint_and_no_more(settings):
    settings.out.write_text("a file where the folder should be")
    learner = LiveLearner(settings, log=LOG)
    failed = learner.metrics.checkpoints["failed"]._value
    before = failed.get()
    await CheckpointKeeper(learner, settings, log=LOG).save()
    assert failed.get() == before + 1
    feed(learner)
    learner.update()
    assert learner.n_updates == 1


async def test_a_failed_write_leaves_the_former_checkpoint(settings):
    learner = LiveLearner(settings, log=LOG)
    save_checkpoint(settings.out, learner.state_dict())
    (settings.out / "checkpoint.pt.part").mkdir()
    with pytest.raises(OSError, match="checkpoint"):
        save_checkpoint(settings.out, learner.state_dict())
    assert load_checkpoint(settings.out)["version"] == 0


def test_a_disk_that_runs_full_while_it_is_written_leaves_the_former_checkpoint(settings):
    learner = LiveLearner(settings, log=LOG)
    save_checkpoint(settings.out, learner.state_dict())
    (settings.out / "checkpoint.pt.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(settings.out, learner.state_dict())
    assert load_checkpoint(settings.out)["version"] == 0
    assert not (settings.out / "checkpoint.pt.part").exists()
    save_checkpoint(settings.out, learner.state_dict())
