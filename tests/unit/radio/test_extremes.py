"""Networks that are as lopsided as they can be: everyone in one cell, nobody in a slice, nobody at all."""

import numpy as np
import pytest

from ric_sim.radio.learned import SHIPPED_FOLDER, load_slicing
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World

POLICIES = {"learned": lambda: load_slicing(SHIPPED_FOLDER), "need-tuned": lambda: make_slicing_policy("need-tuned")}


@pytest.fixture(params=POLICIES)
def policy(request):
    return POLICIES[request.param]()


def play(world, policy, frames, change):
    """Every frame is changed before the next one is looked at; the results of all."""
    results = []
    for _ in range(frames):
        change(world.state)
        results.append(world.apply(policy.allocate(world)))
        assert np.isfinite(world.observe()).all()
        assert np.isfinite(world.need_rbs).all()
    for result in results:
        assert np.isfinite(result.reward).all()
        assert (result.quota_rbs.sum(axis=-1) <= 100).all()
        assert (result.used_rbs <= result.quota_rbs).all()
    return results


def test_all_ues_in_one_cell(policy):
    def gather(state):
        state.x_m[:], state.y_m[:] = 250.0, 260.0

    world = World(n_replicas=2)
    last = play(world, policy, 12, gather)[-1]
    assert (world.state.serving == 0).all()
    assert not last.used_rbs[:, 1:].any()
    assert last.satisfied[:, 1:].all()
    assert last.used_rbs[:, 0].sum(axis=-1).min() > 50
    assert last.reward[:, 0].max() < last.reward[:, 1:].min()


@pytest.mark.parametrize("slice_id", [0, 1, 2])
def test_a_slice_without_traffic(policy, slice_id):
    world = World(n_replicas=2)

    def silence(state):
        state.load[:, :, slice_id] = 0.0

    world.state.queue_bits[:] = 0.0
    last = play(world, policy, 12, silence)[-1]
    assert last.satisfied[:, :, slice_id].all()
    assert not last.used_rbs[:, :, slice_id].any()
    assert last.used_rbs.sum() > 0


def test_no_traffic_at_all(policy):
    def silence(state):
        state.load[:] = 0.0

    world = World(n_replicas=1)
    world.state.queue_bits[:] = 0.0
    last = play(world, policy, 5, silence)[-1]
    assert last.all3.all()
    assert not last.used_rbs.any()
