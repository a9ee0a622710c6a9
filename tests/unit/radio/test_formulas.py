"""F01 to F15, F17 and F19: each formula of the radio network on a case small enough for a pocket calculator."""

import math

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.radio import kernels, kernels_channel, kernels_qos, kernels_schedule, kernels_traffic
from ric_sim.radio.arrays import new_network, new_state
from ric_sim.radio.config import RadioConfig

TWO_CELLS = RadioConfig(n_dus=2, n_ues=10)
"""UEs 0 and 1 are eMBB, 2 to 6 mMTC, 7 to 9 URLLC; O-DUs at (250, 250) and (750, 250)."""


@pytest.fixture
def world():
    """(network, state) of one world in which nobody is active; every UE is 200 m from O-DU 0 and 300 m from O-DU 1."""
    network, state = new_network(TWO_CELLS), new_state(TWO_CELLS, 1)
    state.x_m[:], state.y_m[:] = 450.0, 250.0
    for du, distance_m in enumerate((200.0, 300.0)):
        state.power_w[0, :, du] = network.rb_power_w * kernels_channel.path_gain(distance_m**2)
    state.rb_ue[:] = -1
    return network, state


def activate(world, backlog_bits):
    """Backlogs by UE; writes the groups."""
    network, state = world
    for ue, bits in backlog_bits.items():
        state.queue_bits[0, ue] = bits
    kernels_traffic.associate(network, state, 0)
    kernels_traffic.group_active(network, state, 0)


def test_f01_power_and_noise_of_a_resource_block():
    assert RadioConfig().rb_power_w == pytest.approx(3.98107, rel=1e-5)
    assert RadioConfig(n_rbs=50).rb_power_w == pytest.approx(2 * 3.98107, rel=1e-5)
    assert RadioConfig().rb_noise_w == pytest.approx(1.00237e-15, rel=1e-5)


@pytest.mark.parametrize(("distance_m", "loss_db"), [(10.0, 52.9), (100.0, 90.5), (250.0, 105.4625), (3.0, 52.9), (0.0, 52.9)])
def test_f02_path_loss(distance_m, loss_db):
    assert -10 * math.log10(kernels_channel.path_gain(distance_m**2)) == pytest.approx(loss_db, abs=1e-4)


def test_f03_an_idle_network_is_limited_by_the_modulation_not_by_noise():
    config = RadioConfig()
    snr_db = 10 * math.log10(config.rb_power_w * kernels_channel.path_gain(250.0**2) / config.rb_noise_w)
    assert snr_db == pytest.approx(50.53, abs=0.01)


@pytest.mark.parametrize(("sinr", "expected"), [(0.0, 0.0), (1.0, 1.0), (3.0, 2.0), (4.59, 2.48285), (1e5, 7.4)])
def test_f04_spectral_efficiency_and_its_cap(sinr, expected):
    assert kernels_channel.efficiency(sinr) == pytest.approx(expected, abs=1e-5)


def test_f05_received_power_is_mean_power_times_unit_mean_fading(world):
    network, state = world
    activate(world, {0: 1.0})
    means = []
    for key in range(400):
        state.key[0] = key
        kernels_channel.receive(network, state)
        means.append(state.power_w[0, 0].mean(axis=-1))
    expected = network.rb_power_w * np.array([kernels_channel.path_gain(d**2) for d in (200.0, 300.0)])
    np.testing.assert_allclose(np.mean(means, axis=0), expected, rtol=0.03)


def test_f06_four_rbs_fade_together_and_blocks_alone(world):
    network, state = world
    activate(world, {0: 1.0})
    state.power_w[0, 0, 0] = np.arange(1, 26) * np.float32(1e-15)
    state.rb_ue[0, 0, :8] = 0
    rates = [kernels_channel.rb_rate_bps(state.power_w[0], state.transmits[0], network.rb_noise_w, 0, (0, rb)) for rb in range(8)]
    assert rates[:4] == [rates[0]] * 4
    assert rates[4:] == [rates[4]] * 4
    assert rates[4] > rates[0]


def test_f07_interference_is_what_the_ue_itself_receives(world):
    network, state = world
    activate(world, {0: 1.0})
    state.transmits[0, 1, :] = 1
    of_first_rb = (state.power_w[0], state.transmits[0], network.rb_noise_w, 0, (0, 0))
    rate_bps = kernels_channel.rb_rate_bps(*of_first_rb)
    # (300 / 200)^3.76 = 4.59; the strength of the neighbour's own signal at a user 50 m from its mast would give 0.005.
    assert rate_bps == pytest.approx(200e3 * math.log2(1 + 1.5**3.76), rel=1e-5)
    state.transmits[0, 1, 0] = 0
    assert kernels_channel.rb_rate_bps(*of_first_rb) == pytest.approx(200e3 * 7.4)


def test_f08_the_estimate_takes_the_last_frames_activity_of_a_block(world):
    network, state = world
    activate(world, {0: 1.0})
    state.rb_ue[0, 1, :2] = 2
    kernels.transmit(network, state, (0, 1))
    kernels_channel.estimate(network, state, 0)
    rates_bps = state.estimate_bps[0, 0]
    # Noise takes the remaining 4e-5.
    assert rates_bps[0] == pytest.approx(200e3 * math.log2(1 + 2 * 1.5**3.76), rel=1e-4)
    assert rates_bps[1] == pytest.approx(200e3 * 7.4)
    assert state.mean_estimate_bps[0, 0] == pytest.approx(rates_bps.mean(), rel=1e-6)


def qos_of(world, config, rates_bps):
    _, state = world
    for ue, rate in rates_bps.items():
        state.rate_bps[0, ue] = rate
    qos = np.empty((2, 3))
    kernels_qos.write_qos(new_network(config), state, 0, qos)
    return qos[0]


def test_f09_embb_is_the_mean_over_active_ues_or_their_sum(world):
    activate(world, {0: 1e6, 1: 1e6})
    rates = {0: 8e6, 1: 16e6}
    assert qos_of(world, TWO_CELLS, rates)[0] == pytest.approx(12.0)
    assert qos_of(world, RadioConfig(n_dus=2, n_ues=10, qos_reading="sum"), rates)[0] == pytest.approx(24.0)
    activate(world, {1: 0.0})
    assert qos_of(world, TWO_CELLS, rates)[0] == pytest.approx(8.0)


def test_f10_mmtc_is_capacity_times_the_served_part(world):
    activate(world, dict.fromkeys(range(2, 6), 8e3))
    assert qos_of(world, TWO_CELLS, {2: 10e6, 3: 0.2e6, 4: 0.19e6, 5: 5.61e6})[1] == pytest.approx(16.0 * 3 / 4)


def test_f11_urllc_is_the_worst_latency_with_its_cap(world):
    activate(world, {7: 3e3, 8: 6e3})
    assert qos_of(world, TWO_CELLS, {7: 2e6, 8: 6e6})[2] == pytest.approx(2.0)
    assert qos_of(world, TWO_CELLS, {7: 0.0, 8: 6e6})[2] == 10.0


@pytest.mark.parametrize(
    ("qos", "minimum", "slice_id", "expected"),
    [(10, 10, 0, 0.5), (40, 10, 0, 1.0), (2, 10, 0, 0.1), (2, 2, 2, 0.5), (0.5, 2, 2, 0.875), (10, 2, 2, 0.0)],
)
def test_f12_normalised_qos_is_half_at_the_minimum(qos, minimum, slice_id, expected):
    assert kernels_qos.normalised(qos, minimum, slice_id) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("qos", "minimum", "slice_id", "expected"),
    [(10, 10, 0, 0.0), (2.5, 10, 0, 0.75), (20, 10, 0, 0.0), (3, 2, 2, 0.5), (1, 2, 2, 0.0), (10, 2, 2, 1.0)],
)
def test_f13_deficits_are_relative_and_latency_counts_the_other_way(qos, minimum, slice_id, expected):
    assert kernels_qos.deficit(qos, minimum, slice_id) == pytest.approx(expected)


NOMINAL = RadioConfig()


def reward_of(qos, config=NOMINAL, occupied=(True, True, True), over_ratio=0.0):
    return kernels_qos.reward_of(new_network(config), np.array(occupied), np.array(qos, float), over_ratio, np.empty(3))


def test_f14_reward_at_its_ends_and_at_the_minima():
    assert reward_of((20, 100 / 6, 0)) == pytest.approx(2.2343, abs=1e-4)
    assert reward_of((10, 50 / 6, 2)) == pytest.approx(1.9157, abs=1e-4)
    assert reward_of((0, 0, 10)) == pytest.approx(-1.5)
    assert reward_of((10, 50 / 6, 2), over_ratio=0.25) == pytest.approx(1.9157 - 0.25, abs=1e-4)
    assert reward_of((0, 0, 10), RadioConfig(penalty_weight=2.0)) == pytest.approx(-4.5)


def test_f15_an_empty_slice_counts_as_served_in_full():
    assert reward_of((0, 0, 0), occupied=(False, False, False)) == pytest.approx(2.2343, abs=1e-4)
    with_embb = reward_of((10, 0, 0), occupied=(True, False, False))
    assert with_embb == pytest.approx(2.2343 - 1 / (1 + math.exp(-1.0)) + 1 / (1 + math.exp(-0.5)), abs=1e-4)


@pytest.mark.parametrize(("alpha_mode", "least", "most"), [("static", 0.0, 0.0), ("weighted", 0.1, 0.2)])
def test_a_better_slice_never_lowers_the_utility_with_static_slopes_but_may_with_weighted_ones(alpha_mode, least, most):
    config = RadioConfig(alpha_mode=alpha_mode, penalty_weight=0.0)
    grid = np.linspace(0.02, 1.0, 15)
    utility = np.array(
        [[[reward_of((20 * a, b * 100 / 6, 4 - 4 * c), config) for c in grid] for b in grid] for a in grid]
    )  # fmt: skip
    for axis in range(3):
        lowered = np.mean(np.diff(utility, axis=axis) < 0)
        assert least <= lowered <= most
    assert utility[-1, -1, -1] == pytest.approx(2.2343, abs=1e-4)


def test_f17_the_slices_lie_one_after_the_other_from_an_offset_of_each_cell():
    network, quota, rb_slice = new_network(RadioConfig()), np.tile([50, 20, 10], (1, 6, 1)), np.empty((1, 6, 100), np.int64)
    kernels.map_slices(network, quota, rb_slice)
    assert rb_slice[0, 0].tolist() == [0] * 50 + [1] * 20 + [2] * 10 + [-1] * 20
    np.testing.assert_array_equal(np.roll(rb_slice[0, 1], -16), rb_slice[0, 0])
    np.testing.assert_array_equal(np.roll(rb_slice[0, 5], -83), rb_slice[0, 0])


@pytest.mark.parametrize(
    ("position", "heading", "after"),
    [
        ((700.0, 200.0, 0.5), 0.5, (700.0, 200.0, 0.5)),
        ((-3.0, 200.0, 3.0), 3.0, (3.0, 200.0, math.pi - 3.0)),
        ((1004.0, 200.0, 0.1), 0.1, (996.0, 200.0, math.pi - 0.1)),
        ((700.0, 502.0, 1.0), 1.0, (700.0, 498.0, -1.0)),
        ((-1.0, -2.0, -2.5), -2.5, (1.0, 2.0, -(math.pi + 2.5))),
    ],
)
def test_f19_walls_reflect(position, heading, after):
    assert kernels_traffic.reflected(position[0], position[1], heading, (1000.0, 500.0)) == pytest.approx(after)


def test_f19_a_ue_moves_its_speed_times_the_stride(world):
    network, state = world
    state.speed_mps[:], state.heading_rad[:] = 20.0, np.pi / 2
    kernels_traffic.move(network, state, 0)
    moved_m = np.hypot(state.x_m[0] - 450.0, state.y_m[0] - 250.0)
    np.testing.assert_allclose(moved_m, 10.0)
    assert set(np.round(np.degrees(state.heading_rad[0] - np.pi / 2)).astype(int)) <= {0, 15, 30, 60, -15, -30, -60}


def test_needs_follow_the_channel(world):
    network, state = world
    activate(world, {0: 1e6, 1: 1e6, 2: 8e3, 3: 8e3, 7: 3e3, 8: 12e3})
    state.mean_estimate_bps[0] = 1e6
    state.mean_estimate_bps[0, 1] = 3e6
    kernels_schedule.write_needs(network, state, 0)
    assert state.need_rbs[0, 0].tolist() == pytest.approx([2 * 10 / 2, 25.0, 2 + 8])
    assert state.need_rbs[0, 1].tolist() == [0, 0, 0]


def test_a_grid_of_cells_is_as_square_as_their_number_allows():
    assert [RadioConfig(n_dus=n).grid for n in (2, 4, 6, 7, 9, 10)] == [(1, 2), (2, 2), (2, 3), (1, 7), (3, 3), (2, 5)]
    x_m, y_m = RadioConfig().du_positions_m()
    assert x_m.tolist() == [250, 750, 1250] * 2
    assert y_m.tolist() == [250] * 3 + [750] * 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_dus": 1},
        {"n_dus": 11},
        {"n_ues": 2},
        {"n_rbs": 3},
        {"cell_width_m": 0.0},
        {"stride_s": math.nan},
        {"penalty_weight": -1.0},
        {"alpha_mode": "adaptive"},
        {"qos_reading": "network"},
    ],
)
def test_a_configuration_that_makes_no_network_is_refused(wrong):
    with pytest.raises(OutOfRange, match="expected"):
        RadioConfig(**wrong)
