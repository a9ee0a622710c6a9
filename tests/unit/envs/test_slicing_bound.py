"""The bound of a frame lies above whatever is played, and on it where nothing is left to choose."""

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.slicing_bound import FrameBound
from ric_sim.radio import kernels, kernels_channel
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.decoding import Allocation
from ric_sim.radio.kernels_traffic import associate, group_active
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World

SMALL = RadioConfig(n_dus=3, n_ues=100)


@pytest.fixture(scope="module")
def bound():
    return FrameBound(SMALL)


def bounds_of(bound, world, allocation):
    return [bound.reward_at_most(world, allocation, 0, du) for du in range(world.n_dus)]


@pytest.mark.parametrize("name", ["random", "need-tuned", "oracle"])
@pytest.mark.parametrize("profile", ["nominal", "overload"])
def test_no_policy_earns_more_than_the_bound(bound, name, profile):
    world, policy = World(SMALL, n_replicas=1), make_slicing_policy(name)
    world.reset(77, profile)
    gaps = []
    for _ in range(4):
        allocation = policy.allocate(world)
        most = bounds_of(bound, world, allocation)
        gaps.append(most - world.apply(allocation).reward[0])
        assert max(most) <= 2.2344
    assert np.min(gaps) >= 0.0
    assert np.mean(gaps) < 1.5


@pytest.mark.parametrize("slice_id", [0, 1, 2])
def test_a_lone_ue_with_every_rb_earns_the_bound(bound, slice_id):
    world = World(SMALL, n_replicas=1)
    state, network = world.state, world.network
    ue = int(np.flatnonzero(network.slice_of_ue == slice_id)[0])
    state.queue_bits[:] = 0.0
    state.queue_bits[0, ue] = 6e3
    associate(network, state, 0)
    group_active(network, state, 0)
    kernels_channel.receive(network, state)
    kernels.look(network, state, np.empty((1, 3, 18), dtype=np.float32))
    quota = np.zeros((1, 3, 3), dtype=np.int64)
    quota[..., slice_id] = 100
    allocation = Allocation(quota, np.full((1, 3, 2), 0.5), np.zeros((1, 3)))
    most = bounds_of(bound, world, allocation)
    np.testing.assert_allclose(most, world.apply(allocation).reward[0], atol=2e-3)


def test_weighted_slopes_are_refused():
    with pytest.raises(OutOfRange, match="static"):
        FrameBound(RadioConfig(alpha_mode="weighted"))
