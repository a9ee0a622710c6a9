"""An O-DU that is added while the others run: on air with its dApp, and taught from where its neighbour is."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from tests.contract.slicing.parts import critic_process, dapp, radio_network
from tests.harness import eventually

WITHIN_S = 60.0
OBSERVATION = np.zeros((1, 18), dtype=np.float32)


@pytest.fixture
async def stack():
    async with contextlib.AsyncExitStack() as opened:
        yield opened


async def test_a_later_du_is_off_the_air_until_its_dapp_attaches(stack):
    radio = await stack.enter_async_context(radio_network(later_dus=1))
    record, world = radio.network.record, radio.network.world
    await stack.enter_async_context(dapp(0, radio, 0))
    await eventually(lambda: record.frames >= 20, within_s=WITHIN_S)
    assert world.on_air.tolist() == [True, False]
    assert record.controls["missing"].tolist() == [0, 0]
    late = await stack.enter_async_context(dapp(1, radio, 0))
    await eventually(lambda: record.controls["applied"][1] >= 20, within_s=WITHIN_S)
    assert world.on_air.all()
    assert (world.state.serving == 1).any()
    await late.kill()
    await eventually(lambda: record.controls["missing"][1] >= 20, within_s=WITHIN_S)
    assert world.on_air.all()
    assert list(radio.network.outcomes[1].quota_rbs) == [55, 15, 30]


async def test_a_later_dus_actor_is_a_copy_of_its_neighbours_and_then_learns_on_its_own(stack, tmp_path):
    radio = await stack.enter_async_context(radio_network(later_dus=1))
    critic = await stack.enter_async_context(critic_process(tmp_path, later_dus=1))
    first = await stack.enter_async_context(dapp(0, radio, critic.grpc_port))
    await eventually(lambda: first.agent.policy and first.agent.policy.version >= 3, within_s=WITHIN_S)
    assert critic.learner.agents == ["du_0"]
    late = await stack.enter_async_context(dapp(1, radio, critic.grpc_port))
    await eventually(lambda: late.agent.policy, within_s=WITHIN_S)
    assert critic.learner.agents == ["du_0", "du_1"]
    assert late.agent.policy.actor.agents == ("du_1",)
    joined_at = late.agent.policy.version
    await eventually(lambda: late.agent.policy.version >= joined_at + 2, within_s=WITHIN_S)
    await eventually(lambda: radio.network.record.controls["applied"][1] >= 50, within_s=WITHIN_S)
    assert not np.allclose(first.agent.policy.actor.greedy(OBSERVATION), late.agent.policy.actor.greedy(OBSERVATION))


async def test_the_first_weights_of_a_later_du_are_those_its_neighbour_decides_with(stack, tmp_path):
    radio = await stack.enter_async_context(radio_network(later_dus=1))
    critic = await stack.enter_async_context(critic_process(tmp_path, later_dus=1, push_every=10_000))
    first = await stack.enter_async_context(dapp(0, radio, critic.grpc_port))
    await eventually(lambda: critic.learner.n_updates >= 10, within_s=WITHIN_S)
    assert critic.learner.try_actors()
    await eventually(lambda: first.agent.policy, within_s=WITHIN_S)
    late = await stack.enter_async_context(dapp(1, radio, critic.grpc_port))
    await eventually(lambda: late.agent.policy, within_s=WITHIN_S)
    ours, theirs = (each.agent.policy.actor.greedy(OBSERVATION) for each in (late, first))
    np.testing.assert_array_equal(ours, theirs)
