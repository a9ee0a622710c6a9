"""The urban microcell against the formulas of TR 38.901, table 7.4.1-1 and 7.4.2-1, and in its place in a world."""

import math

import numpy as np
import pytest

from ric_sim.domain.errors import UnknownKey
from ric_sim.radio.channel import CHANNELS, make_channel
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World

SMALL = RadioConfig(n_dus=2, n_ues=20)
DISTANCE_M = 60.0
SLANT_M = math.hypot(DISTANCE_M, 10.0 - 1.5)


@pytest.fixture(scope="module")
def channel():
    return make_channel("38901")


def mean_gain_db(channel, *, line_of_sight):
    """Over 120 places around a radio unit and the blocks of 20 MHz, in the decibels of each place."""
    bearing_rad = np.linspace(0.0, 2.0 * np.pi, 30, endpoint=False)
    ues_m = DISTANCE_M * np.cos(bearing_rad), DISTANCE_M * np.sin(bearing_rad)
    gains = [channel.link_gains(ues_m, ([0.0], [0.0]), 25, seed=seed, line_of_sight=line_of_sight) for seed in range(4)]
    return 10.0 * np.log10(np.mean(gains, axis=-1)).mean()


def test_path_loss_and_line_of_sight_are_those_of_the_standard(channel):
    """Within the breakpoint of 210 m: 32.4 + 21 lg d + 20 lg f; without sight 22.4 + 35.3 lg d + 21.3 lg f; seen by eq. 7.4.2."""
    seen_db = mean_gain_db(channel, line_of_sight=True)
    hidden_db = mean_gain_db(channel, line_of_sight=False)
    assert -seen_db == pytest.approx(32.4 + 21 * math.log10(SLANT_M) + 20 * math.log10(3.5), abs=1.5)
    assert -hidden_db == pytest.approx(22.4 + 35.3 * math.log10(SLANT_M) + 21.3 * math.log10(3.5), abs=2.5)
    probability = 18.0 / DISTANCE_M + math.exp(-DISTANCE_M / 36.0) * (1.0 - 18.0 / DISTANCE_M)
    mixed_db = mean_gain_db(channel, line_of_sight=None)
    assert (mixed_db - hidden_db) / (seen_db - hidden_db) == pytest.approx(probability, abs=0.15)


def test_gains_hang_on_the_seed_and_on_nothing_before(channel):
    places_m = ([100.0, 200.0, 300.0], [50.0, 0.0, 90.0]), ([0.0, 500.0], [0.0, 0.0])
    first = channel.link_gains(*places_m, 5, seed=7)
    other = channel.link_gains(*places_m, 5, seed=8)
    assert first.shape == (3, 2, 5)
    assert np.array_equal(first, channel.link_gains(*places_m, 5, seed=7))
    assert not np.any(first == other)


def test_two_policies_meet_the_same_channel(channel):
    played = []
    for name in ("need-tuned", "equal-rr"):
        world = World(SMALL, n_replicas=1, channel=channel)
        world.reset(3)
        for _ in range(2):
            world.apply(make_slicing_policy(name).allocate(world))
        played.append((world.state.x_m.copy(), world.state.power_w.copy()))
    assert np.array_equal(played[0][0], played[1][0])
    assert np.array_equal(played[0][1], played[1][1])


def test_ues_are_served_by_the_o_du_they_receive_best(channel):
    world = World(SMALL, n_replicas=1, channel=channel)
    world.reset(4)
    state = world.state
    best = state.power_w[0].mean(axis=-1).argmax(axis=-1)
    assert np.array_equal(state.serving[0], best)
    nearest = (np.abs(state.x_m[0][:, None] - world.network.du_x_m)).argmin(axis=-1)
    assert not np.array_equal(nearest, best)
    active = np.flatnonzero(state.queue_bits[0])
    assert world.active_ues.sum(axis=-1).tolist() == [np.bincount(best[active], minlength=2).tolist()]


def test_an_o_du_that_is_off_is_not_received(channel):
    world = World(SMALL, n_replicas=1, channel=channel)
    world.set_on_air(1, on_air=False)
    world.reset(3)
    assert not world.state.power_w[0, :, 1].any()
    assert world.state.power_w[0, :, 0].all()


def test_the_channel_is_another_one_than_rayleigh_with_the_same_arrivals(channel):
    worlds = [World(SMALL, n_replicas=1, channel=each) for each in (channel, make_channel("rayleigh"))]
    assert np.array_equal(worlds[0].state.queue_bits, worlds[1].state.queue_bits)
    assert not np.allclose(worlds[0].observe(), worlds[1].observe())


def test_channels_by_name():
    assert {make_channel(name).name for name in CHANNELS} == set(CHANNELS)
    with pytest.raises(UnknownKey, match="did you mean 'rayleigh'"):
        make_channel("raleigh")
