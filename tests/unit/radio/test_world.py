"""Invariants of the batched world, what it refuses, and that random numbers do not hang on actions."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.radio import kernels, kernels_traffic
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.decoding import DECODINGS, Allocation
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.profiles import RADIO_PROFILES
from ric_sim.radio.world import World

HALF = 0.5


def half(world):
    return np.full((world.n_replicas, world.n_dus, world.action_dim), HALF)


def check_frame(world, allocation, before, result):
    """Eq. (7b) and (7c): an RB has one slice and one UE, which is active, served by this O-DU and in this slice."""
    groups, serving = before
    rb_slice = np.empty((world.n_replicas, world.n_dus, world.config.n_rbs), dtype=np.int64)
    kernels.map_slices(world.network, np.ascontiguousarray(allocation.quota_rbs), rb_slice)
    if allocation.rb_slice is not None:
        rb_slice = allocation.rb_slice
    given_ue = world.state.rb_ue
    for replica, du, rb in zip(*np.nonzero(given_ue >= 0), strict=True):
        ue = given_ue[replica, du, rb]
        assert ue in groups[replica]
        assert serving[replica, ue] == du
        assert world.network.slice_of_ue[ue] == rb_slice[replica, du, rb]
    assert np.all(result.quota_rbs.sum(axis=-1) <= world.config.n_rbs)
    served = result.active_ues > 0
    np.testing.assert_array_equal(result.used_rbs, np.where(served, result.quota_rbs, 0))
    assert np.all(world.state.rate_bps >= 0.0)
    assert np.all(world.state.queue_bits >= 0.0)
    assert np.all((result.reward >= -1.5 - result.over_ratio - 1e-6) & (result.reward <= 2.2344))
    assert np.all(np.isfinite(world.observe()))


def active_and_serving(world):
    groups = [set(world.state.member[row, : world.state.group[row, -1]].tolist()) for row in range(world.n_replicas)]
    return groups, world.state.serving.copy()


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n_dus=st.integers(2, 10),
    n_rbs=st.sampled_from([50, 75, 100]),
    decoding=st.sampled_from(sorted(DECODINGS)),
    profile=st.sampled_from(sorted(RADIO_PROFILES)),
)
def test_every_frame_keeps_the_constraints(seed, n_dus, n_rbs, decoding, profile):
    world = World(RadioConfig(n_dus=n_dus, n_ues=60, n_rbs=n_rbs), n_replicas=2, decoding=decoding)
    world.reset(seed, profile)
    rng = np.random.default_rng(seed)
    for _ in range(4):
        allocation = world.decode(rng.random((2, n_dus, world.action_dim)))
        before = active_and_serving(world)
        check_frame(world, allocation, before, world.apply(allocation))


def test_shapes_and_types():
    world = World(n_replicas=3, observation="paper", decoding="share3")
    assert (world.obs_dim, world.action_dim) == (9, 3)
    assert world.observe().shape == (3, 6, 9)
    np.testing.assert_allclose(world.observe()[..., :3], 0.5)
    np.testing.assert_allclose(world.observe()[..., 6:], 1 / 3)
    result = world.step(half(world))
    assert {name: (array.shape, array.dtype.name) for name, array in vars_of(result).items()} == {
        "reward": ((3, 6), "float32"),
        "qos": ((3, 6, 3), "float32"),
        "active_ues": ((3, 6, 3), "int64"),
        "qos_normalised": ((3, 6, 3), "float32"),
        "satisfied": ((3, 6, 3), "bool"),
        "quota_rbs": ((3, 6, 3), "int64"),
        "used_rbs": ((3, 6, 3), "int64"),
        "over_ratio": ((3, 6), "float32"),
    }
    assert result.all3.shape == (3, 6)
    np.testing.assert_allclose(world.observe()[..., :3], result.qos_normalised)
    np.testing.assert_allclose(world.observe()[..., 6:], result.quota_rbs / 100, rtol=1e-6)


def vars_of(result):
    return {name: getattr(result, name) for name in result.__slots__}


def test_the_extended_observation_describes_backlog_channel_and_need():
    world = World(n_replicas=2)
    world.reset(5)
    seen, state = world.observe(), world.state
    backlog = np.zeros((2, 6, 3))
    for replica in range(2):
        for ue in range(200):
            backlog[replica, state.serving[replica, ue], world.network.slice_of_ue[ue]] += state.queue_bits[replica, ue]
    np.testing.assert_allclose(seen[..., 3:6], world.active_ues / (40 / 6, 100 / 6, 10), rtol=1e-6)
    np.testing.assert_allclose(seen[..., 9:12], np.log1p(backlog / (1e6, 1e4, 2e3)), rtol=1e-6)
    np.testing.assert_allclose(seen[..., 15:], np.minimum(world.need_rbs / 50, 3), rtol=1e-6)
    assert 0.2 < seen[..., 12:15].mean() < 1.85


def test_random_numbers_do_not_hang_on_actions():
    one, other = World(n_replicas=2), World(n_replicas=2)
    policies = [make_slicing_policy("need-tuned"), make_slicing_policy("random", seed=4)]
    for world in (one, other):
        world.reset(31)
    urllc = one.network.slice_of_ue == 2
    for _ in range(12):
        for world, policy in zip((one, other), policies, strict=True):
            world.apply(policy.allocate(world))
        for name in ("x_m", "y_m", "heading_rad", "serving", "burst"):
            np.testing.assert_array_equal(getattr(one.state, name), getattr(other.state, name))
        np.testing.assert_array_equal(one.state.queue_bits[:, urllc], other.state.queue_bits[:, urllc])
        both = (one.state.queue_bits > 0) & (other.state.queue_bits > 0)
        np.testing.assert_array_equal(one.state.power_w[both], other.state.power_w[both])
    assert not np.array_equal(one.state.queue_bits, other.state.queue_bits)


def test_a_seed_is_an_episode_and_a_replica_keeps_its_own_beside_any_others():
    many, alone = World(n_replicas=3), World(n_replicas=1)
    for _ in range(2):
        many.reset(8)
        alone.reset(8)
        for _ in range(5):
            result, lone = many.step(half(many)), alone.step(half(alone))
        np.testing.assert_array_equal(result.reward[0], lone.reward[0])
        np.testing.assert_array_equal(many.observe()[0], alone.observe()[0])
    assert not np.array_equal(result.reward[0], result.reward[1])
    many.reset(9)
    assert not np.array_equal(many.observe()[0], alone.observe()[0])


def test_replicas_may_have_profiles_of_their_own():
    world = World(n_replicas=2)
    world.reset(8, ["nominal", "fast_hot"])
    assert world.state.speed_mps[0].max() < 20.0 < 25.0 < world.state.speed_mps[1].min()
    spread = [np.bincount(serving, minlength=6).max() for serving in world.state.serving]
    assert spread[1] > 80 > spread[0]


def test_bursts_stay_among_their_factors_and_change_now_and_then():
    world, changes = World(n_replicas=4), 0
    for _ in range(200):
        before = world.state.burst.copy()
        world.step(half(world))
        changes += np.count_nonzero(world.state.burst != before)
    assert set(np.unique(world.state.burst)) == {0.4, 1.0, 1.8}
    # 4 % of 200 x 4 x 18, of which a third stays the same.
    assert changes == pytest.approx(14_400 * 0.04 * 2 / 3, rel=0.15)


def test_arrivals_have_the_rates_of_their_slice():
    world = World(n_replicas=16)
    world.reset(3, "even")
    world.state.burst[:] = 1.0
    queued = []
    for frame in range(200):
        world.state.queue_bits[:] = 0.0
        for row in range(16):
            world.state.key[row] = frame * 16 + row
            kernels_traffic.arrive(world.network, world.state, row)
        queued.append([world.state.queue_bits[:, world.network.slice_of_ue == kind].mean() for kind in range(3)])
    np.testing.assert_allclose(np.mean(queued, axis=0), (0.06e6, 0.35 * 8e3, 0.5 * 3e3), rtol=0.02)


def test_a_slice_without_ues_counts_as_met():
    world = World(RadioConfig(n_ues=3), n_replicas=2)
    assert world.config.slice_sizes == (1, 2, 0)
    result = world.step(half(world))
    assert np.all(result.satisfied[..., 2])
    assert np.all(result.qos_normalised[..., 2] == 1.0)
    assert np.all(world.need_rbs[..., 2] == 0.0)
    empty = result.active_ues.sum(axis=-1) == 0
    assert np.any(empty)
    np.testing.assert_allclose(result.reward[empty], 2.2343, atol=1e-4)


def test_all_ues_in_one_cell():
    world = World(n_replicas=1)
    world.state.x_m[:], world.state.y_m[:], world.state.speed_mps[:] = 750.0, 300.0, 0.0
    world.state.queue_bits[:] = 1e4
    world.step(half(world))
    assert np.all(world.state.serving == 1)
    result = world.step(half(world))
    assert np.all(result.active_ues[0, [0, 2, 3, 4, 5]] == 0)
    assert result.used_rbs[0, 1].sum() == 100
    np.testing.assert_allclose(result.reward[0, [0, 2, 3, 4, 5]], 2.2343, atol=1e-4)


@pytest.mark.parametrize("wrong", [np.nan, 1.5, -0.1])
def test_a_refused_action_changes_nothing(wrong):
    world, twin = World(n_replicas=2), World(n_replicas=2)
    actions = half(world)
    actions[1, 3, 2] = wrong
    with pytest.raises(OutOfRange, match="not in"):
        world.step(actions)
    assert world.frame == 0
    np.testing.assert_array_equal(world.step(half(world)).reward, twin.step(half(twin)).reward)


def allocation_of(world, **changed):
    cells = (world.n_replicas, world.n_dus)
    given = {
        "quota_rbs": np.tile([40, 30, 20], (*cells, 1)),
        "beta": np.full((*cells, 2), 0.5),
        "over_ratio": np.zeros(cells),
        "rb_slice": None,
    }
    return Allocation(**(given | changed))


def test_an_allocation_that_cannot_be_is_refused():
    world = World(n_replicas=2)
    shaped = (2, 6)
    one_slice = np.zeros((*shaped, 100), dtype=np.int64)
    wrong = [
        ({"quota_rbs": np.tile([50, 30, 21], (*shaped, 1))}, "more than 100"),
        ({"quota_rbs": np.tile([50, -1, 20], (*shaped, 1))}, "negative"),
        ({"quota_rbs": np.tile([50, 20], (*shaped, 1))}, "shapes"),
        ({"beta": np.full((*shaped, 2), np.nan)}, "exponent"),
        ({"over_ratio": np.full(shaped, -0.1)}, "negative"),
        ({"rb_slice": one_slice}, "map"),
        ({"rb_slice": np.full((*shaped, 100), 3)}, "map"),
    ]
    for changed, message in wrong:
        with pytest.raises(OutOfRange, match=message):
            world.apply(allocation_of(world, **changed))
    assert world.frame == 0
    quota = np.tile([100, 0, 0], (*shaped, 1))
    assert np.all(world.apply(allocation_of(world, rb_slice=one_slice, quota_rbs=quota)).used_rbs[..., 1:] == 0)


def test_other_misuse_is_refused():
    with pytest.raises(OutOfRange, match="0 replicas"):
        World(n_replicas=0)
    with pytest.raises(UnknownKey, match="paper"):
        World(observation="papers")
    world = World(n_replicas=2)
    with pytest.raises(UnknownKey, match="nominal"):
        world.reset(1, "nominall")
    with pytest.raises(OutOfRange, match="2 replicas"):
        world.reset(1, ["nominal"])
    with pytest.raises(OutOfRange, match="seed"):
        world.reset(-1)


def test_batched_worlds_are_fast(record_property):
    """The figure is printed; the floor only catches a hot path that is no longer compiled."""
    world = World(n_replicas=32)
    actions = half(world)
    world.step(actions)
    started_s = time.process_time()
    for _ in range(20):
        world.step(actions)
    per_s = 20 * 32 * 6 / (time.process_time() - started_s)
    record_property("DU-steps per CPU second", per_s)
    assert per_s > 8_000


class _Flat:
    """A channel without fading, to show that the world takes another model."""

    name = "flat"

    def begin_episode(self, network, state):
        self.begun = True

    def receive(self, network, state):
        state.power_w[:] = 1e-12


def test_another_channel_stands_behind_the_same_interface():
    world = World(n_replicas=1, channel=_Flat())
    world.step(half(world))
    active = world.state.member[0, : world.state.group[0, -1]]
    rates = world.state.estimate_bps[0, active]
    on_air = world.state.block_activity[0].sum(axis=0) - world.state.block_activity[0, world.state.serving[0, active]]
    np.testing.assert_allclose(rates, 200e3 * np.minimum(np.log2(1 + 1e-12 / (on_air * 1e-12 + 1.00237e-15)), 7.4), rtol=1e-4)
