"""What does not fit is refused with its cause, counted, and leaves everything as it was."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import grpc
import numpy as np
import pytest

from ric_sim.radio.learned import ActorWeights, encode_actor
from ricity.learning.v1 import learning_pb2, learning_pb2_grpc
from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from tests.contract.slicing.parts import critic_process, radio_network
from tests.harness import Stream, eventually
from xapps.slicing.agent import RadioFacts, SlicingAgent
from xapps.slicing.metrics import SlicingMetrics
from xapps.slicing.staging import WeightsStage

N_OBS, N_ACT = 18, 5
JOIN = {"protocol_version": 1, "agent": "du_0", "instance_id": "a", "observation": "ext", "observation_dim": N_OBS, "n_dus": 2}


@pytest.fixture
async def critic(tmp_path):
    async with critic_process(tmp_path, out=None) as running:
        yield running


@contextlib.asynccontextmanager
async def joined(critic, **changes):
    """A scripted actor and the answer to its join."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{critic.grpc_port}") as channel:
        stream = Stream(learning_pb2_grpc.LearningServiceStub(channel).Learn())
        await stream.send(learning_pb2.LearnRequest(join=learning_pb2.JoinRequest(**{**JOIN, **changes})))
        yield stream, await stream.receive("join_result")


def batch(sequence=1, **changes):
    n = changes.get("transitions", 3)
    rows = np.full((n, 2 * N_OBS + N_ACT + 1), 0.5, dtype="<f4").tobytes()
    facts = {"agent": "du_0", "sequence": sequence, "transitions": n, "observation_dim": N_OBS, "action_dim": N_ACT, "rows": rows}
    return learning_pb2.ExperienceBatch(**{**facts, **changes})


async def answer(stream, message):
    await stream.send(learning_pb2.LearnRequest(experience=message))
    return await stream.receive("experience_result")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"agent": "du_7"}, learning_pb2.REFUSAL_UNKNOWN_AGENT),
        ({"protocol_version": 9}, learning_pb2.REFUSAL_PROTOCOL_VERSION),
        ({"n_dus": 6}, learning_pb2.REFUSAL_OTHER_WORLD),
        ({"observation": "paper", "observation_dim": 9}, learning_pb2.REFUSAL_OTHER_WORLD),
    ],
)
async def test_an_actor_that_does_not_fit_cannot_join(critic, changes, refusal):
    async with joined(critic, **changes) as (_, result):
        assert (result.accepted, result.refusal) == (False, refusal)
        assert result.detail
    assert not critic.servicer.sessions


@pytest.mark.parametrize(
    ("changes", "refusal", "fate"),
    [
        ({"agent": "du_1"}, learning_pb2.REFUSAL_UNKNOWN_AGENT, ("du_1", "unknown_agent")),
        ({"agent": "nobody"}, learning_pb2.REFUSAL_UNKNOWN_AGENT, ("unknown", "unknown_agent")),
        ({"observation_dim": 9}, learning_pb2.REFUSAL_WRONG_SHAPE, ("du_0", "wrong_shape")),
        ({"rows": b"short"}, learning_pb2.REFUSAL_WRONG_SHAPE, ("du_0", "wrong_shape")),
        ({"transitions": 0}, learning_pb2.REFUSAL_WRONG_SHAPE, ("du_0", "wrong_shape")),
        ({"transitions": 257}, learning_pb2.REFUSAL_OVERSIZE, ("du_0", "oversize")),
        (
            {"rows": np.full((3, 2 * N_OBS + N_ACT + 1), np.nan, dtype="<f4").tobytes()},
            learning_pb2.REFUSAL_IMPOSSIBLE_VALUES,
            ("du_0", "impossible_values"),
        ),
        (
            {"rows": np.full((3, 2 * N_OBS + N_ACT + 1), 1.5, dtype="<f4").tobytes()},
            learning_pb2.REFUSAL_IMPOSSIBLE_VALUES,
            ("du_0", "impossible_values"),
        ),
    ],
)
async def test_experience_that_does_not_fit_is_refused_and_counted(critic, changes, refusal, fate):
    counted = critic.learner.metrics.batches[fate]._value
    async with joined(critic) as (stream, _):
        before = counted.get()
        result = await answer(stream, batch(**changes))
        assert result.refusal == refusal
        assert result.detail
        assert counted.get() == before + 1
        assert critic.learner.n_transitions == 0
        assert (await answer(stream, batch(sequence=1))).refusal == learning_pb2.REFUSAL_UNSPECIFIED
        assert critic.learner.n_transitions == 3


async def test_a_repeated_batch_is_kept_once_and_a_gap_is_counted(critic):
    batches = critic.learner.metrics.batches
    missing, duplicate = batches["du_0", "missing"]._value, batches["du_0", "duplicate"]._value
    async with joined(critic) as (stream, _):
        before = missing.get(), duplicate.get()
        assert not (await answer(stream, batch(1))).refusal
        assert (await answer(stream, batch(1))).refusal == learning_pb2.REFUSAL_DUPLICATE
        assert not (await answer(stream, batch(5))).refusal
        assert (await answer(stream, batch(4))).refusal == learning_pb2.REFUSAL_DUPLICATE
    assert (missing.get(), duplicate.get()) == (before[0] + 3, before[1] + 1 + 1)
    assert critic.learner.n_transitions == 6
    async with joined(critic, instance_id="b") as (stream, _):
        assert not (await answer(stream, batch(1))).refusal


async def test_experience_of_a_policy_too_far_back_is_refused(tmp_path):
    async with critic_process(tmp_path, out=None, stale_after=3) as critic, joined(critic, policy_version=10) as (stream, _):
        assert (await answer(stream, batch(1, policy_version=6))).refusal == learning_pb2.REFUSAL_STALE
        assert not (await answer(stream, batch(1, policy_version=8))).refusal


async def test_a_critic_that_is_behind_its_actors_counts_on_from_them(critic):
    assert critic.learner.try_actors()
    async with joined(critic, policy_version=40) as (stream, _):
        stage = await stream.receive("stage")
        assert stage.version == 41
        await stream.send(_notice(41, learning_pb2.WEIGHTS_STATE_REFUSED))
        pushed = critic.learner.metrics.pushes["du_0", "refused"]._value
        before = pushed.get()
        await eventually(lambda: pushed.get() >= max(1, before))


def _notice(version, state):
    return learning_pb2.LearnRequest(weights=learning_pb2.WeightsNotice(version=version, state=state))


# --- weights at the dApp ---------------------------------------------------------------------------------------------


@pytest.fixture
def made(critic):
    """Weights of du_0 as a critic makes them."""
    assert critic.learner.try_actors()
    return critic.learner.next_weights()[0]


@pytest.fixture
def stage():
    metrics = SlicingMetrics("du_0")
    agent = SlicingAgent(seed=0, metrics=metrics)
    agent.enter(RadioFacts(n_dus=2, n_rbs=100, observation="ext", observation_dim=N_OBS))
    return agent, WeightsStage(agent, "du_0", metrics=metrics)


def message(weights, **changes):
    facts = {"agent": "du_0", "version": weights.spec.version, "sha256": weights.sha256, "content": encode_actor(weights)}
    return learning_pb2.StageWeights(**{**facts, **changes})


async def test_weights_serve_after_both_phases_and_not_before(stage, made):
    agent, weights_stage = stage
    assert weights_stage.activate(1).state == learning_pb2.WEIGHTS_STATE_REFUSED
    assert weights_stage.stage(message(made)).state == learning_pb2.WEIGHTS_STATE_STAGED
    assert agent.policy is None
    assert weights_stage.activate(1).state == learning_pb2.WEIGHTS_STATE_ACTIVATED
    assert agent.policy.version == 1
    assert weights_stage.activate(1).state == learning_pb2.WEIGHTS_STATE_REFUSED


async def test_damaged_or_foreign_weights_are_refused_and_the_old_ones_stay(stage, made):
    agent, weights_stage = stage
    weights_stage.stage(message(made))
    weights_stage.activate(1)
    kept = agent.policy

    def spec(**changes):
        return ActorWeights(replace(made.spec, **{"version": 2, **changes}), made.tensors)

    content = bytearray(encode_actor(spec()))
    content[-1] ^= 0x40
    for bad in (
        message(spec(), content=bytes(content)),
        message(spec(), content=b"nothing"),
        message(spec(), sha256="0" * 64),
        message(spec(), version=3),
        message(made),
        message(spec(agent="du_1")),
        message(spec(), agent="du_1"),
        message(spec(n_dus=6)),
        message(spec(decoding="share3")),
    ):
        notice = weights_stage.stage(bad)
        assert notice.state == learning_pb2.WEIGHTS_STATE_REFUSED
        assert notice.detail
        assert weights_stage.activate(bad.version).state == learning_pb2.WEIGHTS_STATE_REFUSED
        assert agent.policy is kept
    assert weights_stage.stage(message(spec())).state == learning_pb2.WEIGHTS_STATE_STAGED


# --- controls at the radio network -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"quota_rbs": [10, 10]},
        {"beta": [2.0, 0.5]},
        {"beta": [float("nan"), 0.5]},
        {"over_ratio": -1.0},
    ],
)
async def test_an_impossible_control_gets_the_safe_split_and_its_cause(changes):
    async with radio_network(wait_for_dapps_s=0) as radio, grpc.aio.insecure_channel(f"127.0.0.1:{radio.grpc_port}") as channel:
        stream = Stream(radio_pb2_grpc.RadioServiceStub(channel).Attach())
        await stream.send(radio_pb2.AttachRequest(register=radio_pb2.RegisterRequest(protocol_version=1, du=1, instance_id="a")))
        assert (await stream.receive("register_result")).accepted
        report = await stream.receive("report")
        sound = {"epoch": report.epoch, "frame": report.frame, "quota_rbs": [50, 30, 10], "beta": [0.5, 0.5]}
        await stream.send(radio_pb2.AttachRequest(control=radio_pb2.Control(**{**sound, **changes})))
        outcome = (await stream.receive("report")).outcome
        assert outcome.control_result == radio_pb2.CONTROL_RESULT_REFUSED
        assert outcome.detail
        assert list(outcome.quota_rbs) == [55, 15, 30]


async def test_the_applied_value_comes_back():
    async with radio_network(wait_for_dapps_s=0) as radio, grpc.aio.insecure_channel(f"127.0.0.1:{radio.grpc_port}") as channel:
        stream = Stream(radio_pb2_grpc.RadioServiceStub(channel).Attach())
        await stream.send(radio_pb2.AttachRequest(register=radio_pb2.RegisterRequest(protocol_version=1, du=1, instance_id="a")))
        await stream.receive("register_result")
        report = await stream.receive("report")
        control = radio_pb2.Control(epoch=report.epoch, frame=report.frame, quota_rbs=[50, 30, 10], beta=[0.25, 1.0])
        await stream.send(radio_pb2.AttachRequest(control=control))
        outcome = (await stream.receive("report")).outcome
        assert (outcome.frame, outcome.control_result) == (report.frame, radio_pb2.CONTROL_RESULT_APPLIED)
        assert (list(outcome.quota_rbs), list(outcome.beta)) == ([50, 30, 10], [0.25, 1.0])
        assert all(used <= quota for used, quota in zip(outcome.used_rbs, outcome.quota_rbs, strict=True))


@pytest.mark.parametrize("changes", [{"du": 2}, {"protocol_version": 7}, {"instance_id": ""}])
async def test_a_dapp_that_does_not_fit_is_not_admitted(changes):
    register = {"protocol_version": 1, "du": 0, "instance_id": "a", **changes}
    async with radio_network() as radio, grpc.aio.insecure_channel(f"127.0.0.1:{radio.grpc_port}") as channel:
        stream = Stream(radio_pb2_grpc.RadioServiceStub(channel).Attach())
        await stream.send(radio_pb2.AttachRequest(register=radio_pb2.RegisterRequest(**register)))
        result = await stream.receive("register_result")
        assert not result.accepted
        assert result.detail
