"""From decisions to batches: what is a transition, what is a gap, and how much is kept."""

import numpy as np
import pytest

from ricity.learning.v1 import learning_pb2
from ricity.radio.v1 import radio_pb2
from xapps.slicing.agent import Decision
from xapps.slicing.experience import ExperienceBuffer
from xapps.slicing.metrics import SlicingMetrics

N_OBS, N_ACT = 3, 2
APPLIED = radio_pb2.CONTROL_RESULT_APPLIED


@pytest.fixture
def buffer():
    return ExperienceBuffer("du_0", batch_transitions=4, most_batches=3, metrics=SlicingMetrics("du_0"))


def report(frame, *, epoch=1, result=APPLIED, reward=None, value=None):
    outcome = radio_pb2.FrameOutcome(
        frame=max(0, frame - 1), control_result=result, reward=float(frame - 1) if reward is None else reward
    )
    observation = [float(frame) if value is None else value] * N_OBS
    return radio_pb2.Report(epoch=epoch, frame=frame, observation=observation, outcome=outcome)


def decision(frame, version=1):
    control = radio_pb2.Control(policy_version=version)
    return Decision(control, np.full(N_OBS, frame, dtype=np.float32), np.full(N_ACT, 0.5, dtype=np.float32))


def play(buffer, frames, version=1):
    for frame in frames:
        buffer.decided(report(frame), decision(frame, version))


def test_rows_are_observation_action_reward_and_what_followed(buffer):
    play(buffer, range(5))
    (batch,) = buffer.unsent()
    assert (batch.agent, batch.sequence, batch.policy_version, batch.transitions) == ("du_0", 1, 1, 4)
    rows = np.frombuffer(batch.rows, dtype="<f4").reshape(4, 2 * N_OBS + N_ACT + 1)
    for index, row in enumerate(rows):
        np.testing.assert_array_equal(row, [index] * 3 + [0.5] * 2 + [index] + [index + 1] * 3)


@pytest.mark.parametrize(
    "second",
    [
        report(2),
        report(1, epoch=2),
        report(1, result=radio_pb2.CONTROL_RESULT_MISSING),
        report(1, result=radio_pb2.CONTROL_RESULT_REFUSED),
        report(1, reward=float("nan")),
        report(1, value=float("inf")),
    ],
)
def test_a_gap_makes_no_transition(buffer, second):
    gaps = SlicingMetrics("du_0").experience["gap"]._value
    before = gaps.get()
    buffer.decided(report(0), decision(0))
    buffer.decided(second, decision(second.frame))
    assert gaps.get() == before + 1
    play(buffer, range(second.frame + 1, second.frame + 4))
    assert not buffer.unsent()


def test_a_rule_makes_no_experience(buffer):
    for frame in range(20):
        buffer.decided(report(frame), Decision(radio_pb2.Control()))
    assert not buffer.unsent()


def test_a_batch_is_of_one_policy(buffer):
    play(buffer, range(3), version=1)
    play(buffer, range(3, 9), version=2)
    versions = [(batch.policy_version, batch.transitions) for batch in buffer.unsent()]
    assert versions == [(1, 3), (2, 4)]


def test_batches_are_kept_until_acknowledged_and_the_oldest_give_way(buffer):
    play(buffer, range(8 * 4 + 1))
    assert len(buffer) == 3
    assert [batch.sequence for batch in buffer.unsent()] == [6, 7, 8]
    assert not buffer.unsent()
    buffer.settle(learning_pb2.ExperienceResult(sequence=7))
    buffer.settle(learning_pb2.ExperienceResult(sequence=99))
    buffer.resend()
    assert [batch.sequence for batch in buffer.unsent()] == [6, 8]
