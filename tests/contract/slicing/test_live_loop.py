"""Radio network, dApps and critic together: what is learnt arrives, and no death stops the O-DUs."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import numpy as np
import pytest

from ric_sim.domain.errors import WeightsMismatch
from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from tests.contract.slicing.parts import LOG, N_DUS, critic_process, dapp, radio_network
from tests.harness import Stream, eventually
from xapps.critic.service import running_critic
from xapps.critic.settings import CriticSettings

WITHIN_S = 60.0


@pytest.fixture
async def stack():
    async with contextlib.AsyncExitStack() as opened:
        yield opened


async def test_actors_learn_while_the_network_runs(stack, tmp_path):
    radio = await stack.enter_async_context(radio_network(out=tmp_path))
    critic = await stack.enter_async_context(critic_process(tmp_path))
    dapps = [await stack.enter_async_context(dapp(du, radio, critic.grpc_port)) for du in range(N_DUS)]
    await eventually(lambda: all(each.agent.policy and each.agent.policy.version >= 5 for each in dapps), within_s=WITHIN_S)
    learner = critic.learner
    assert learner.n_updates >= 8
    one, other = (each.agent.policy.actor for each in dapps)
    observation = np.zeros((1, 18), dtype=np.float32)
    assert not np.allclose(one.greedy(observation), other.greedy(observation))
    assert one.agents == ("du_0",)
    record = radio.network.record
    await eventually(lambda: record.to_dict()["dus"]["du_0"]["policy_version"] >= 5)
    assert record.controls["refused"].sum() == 0
    assert record.controls["applied"].sum() > 0.9 * N_DUS * record.frames
    assert all(each.critic.joined and each.agent.exploring for each in dapps)


async def test_a_critic_that_dies_loses_no_decision_and_goes_on_from_its_checkpoint(stack, tmp_path):
    radio = await stack.enter_async_context(radio_network())
    async with critic_process(tmp_path) as critic:
        port = critic.grpc_port
        dapps = [await stack.enter_async_context(dapp(du, radio, port, buffer_batches=8)) for du in range(N_DUS)]
        await eventually(
            lambda: critic.learner.n_updates >= 20 and (tmp_path / "critic" / "checkpoint.pt").exists(), within_s=WITHIN_S
        )
    record = radio.network.record
    await eventually(lambda: not any(each.critic.joined for each in dapps))
    held = [each.agent.policy.version for each in dapps]
    before, missing = record.frames, record.controls["missing"].copy()
    await eventually(lambda: record.frames >= before + 50, within_s=WITHIN_S)
    assert (record.controls["missing"] == missing).all()
    assert [each.agent.policy.version for each in dapps] == held
    assert not any(each.agent.exploring for each in dapps)
    assert all(1 <= len(each.buffer) <= 8 for each in dapps)
    async with critic_process(tmp_path, port=port) as again:
        assert again.learner.n_updates >= 20
        await eventually(lambda: all(each.agent.policy.version > max(held) for each in dapps), within_s=WITHIN_S)
    assert (record.controls["missing"] == missing).all()


async def test_a_dead_dapp_leaves_its_cell_on_the_safe_split_until_it_is_back(stack):
    radio = await stack.enter_async_context(radio_network())
    record = radio.network.record
    lost = await stack.enter_async_context(dapp(0, radio, 0))
    await stack.enter_async_context(dapp(1, radio, 0))
    await eventually(lambda: record.frames >= 20, within_s=WITHIN_S)
    await lost.kill()
    await eventually(lambda: record.controls["missing"][0] >= 20, within_s=WITHIN_S)
    outcome = radio.network.outcomes[0]
    assert list(outcome.quota_rbs) == [55, 15, 30]
    assert record.controls["missing"][1] == 0
    missed = record.controls["missing"][0]
    await stack.enter_async_context(dapp(0, radio, 0))
    applied = record.controls["applied"][0]
    await eventually(lambda: record.controls["applied"][0] >= applied + 20, within_s=WITHIN_S)
    assert record.controls["missing"][0] >= missed
    assert record.to_dict()["dus"]["du_0"]["missing"] == record.controls["missing"][0]


async def test_a_dapp_that_hangs_is_waited_for_a_few_frames_only(stack):
    radio = await stack.enter_async_context(radio_network(deadline_ms=200.0, wait_for_dapps_s=0))
    record = radio.network.record
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{radio.grpc_port}"))
    silent = Stream(radio_pb2_grpc.RadioServiceStub(channel).Attach())
    await silent.send(radio_pb2.AttachRequest(register=radio_pb2.RegisterRequest(protocol_version=1, du=1, instance_id="silent")))
    assert (await silent.receive("register_result")).accepted
    await stack.enter_async_context(dapp(0, radio, 0))
    began_s = asyncio.get_running_loop().time()
    frames = record.frames
    await eventually(lambda: record.frames >= frames + 100, within_s=WITHIN_S)
    assert asyncio.get_running_loop().time() - began_s < 100 * 0.2 / 2  # it would be 20 s if every frame waited for the deadline
    assert record.controls["missing"][1] >= 100


async def test_two_dapps_for_one_cell_the_newer_one_decides(stack):
    radio = await stack.enter_async_context(radio_network(wait_for_dapps_s=0))
    old = await stack.enter_async_context(dapp(0, radio, 0, instance_id="old"))
    await eventually(lambda: radio.network.record.controls["applied"][0] >= 5, within_s=WITHIN_S)
    await old.kill()
    await stack.enter_async_context(dapp(0, radio, 0, instance_id="new"))
    await eventually(lambda: radio.network.instances.get(0) == "new", within_s=WITHIN_S)


async def test_shipped_weights_decide_from_the_first_frame_and_the_critic_goes_on_from_them(stack, tmp_path):
    radio = await stack.enter_async_context(radio_network(dus=6, ues=60))
    settings = CriticSettings(grpc_port=0, out=tmp_path, slicing_weights="shipped", push_every=10_000, trial_decisions=0)
    critic = await stack.enter_async_context(running_critic(settings, log=LOG))
    dapps = [await stack.enter_async_context(dapp(du, radio, critic.grpc_port, slicing_weights="shipped")) for du in range(6)]
    record = radio.network.record
    await eventually(lambda: record.frames >= 20 and all(each.critic.joined for each in dapps), within_s=WITHIN_S)
    assert {each.agent.policy.version for each in dapps} == {1}
    assert [record.to_dict()["dus"][f"du_{du}"]["policy_version"] for du in range(6)] == [1] * 6
    assert critic.learner.version == 1
    assert not any(session.needs_weights for session in critic.servicer.sessions.values())


async def test_shipped_weights_in_another_network_end_the_dapp_with_the_cause(stack):
    radio = await stack.enter_async_context(radio_network(wait_for_dapps_s=0))
    lost = await stack.enter_async_context(dapp(0, radio, 0, slicing_weights="shipped"))
    deciding, _ = lost.tasks
    await eventually(deciding.done, within_s=WITHIN_S)
    with pytest.raises(WeightsMismatch, match="n_dus 6 for 2"):
        deciding.result()
