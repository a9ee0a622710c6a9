"""Compiled channel: path loss, Rayleigh fading, spectral efficiency, and the scheduler's estimate of the rates (eq. 1)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.radio.arrays import RBS_PER_BLOCK, Network, SingleArray, State
from ric_sim.radio.kernels_logarithm import log2_single
from ric_sim.radio.kernels_random import FADING, fill_exponential, split
from ric_sim.radio.kernels_traffic import MIN_DISTANCE_M

LOSS_AT_1M_DB, LOSS_PER_DECADE_DB = 15.3, 37.6
"""Of a 3GPP macro cell: 15.3 + 37.6 log10(d) dB, an exponent eta of 3.76."""

RB_BANDWIDTH_HZ = 200e3
MAX_EFFICIENCY = 7.4
"""Most bit/s/Hz that one link carries: 256-QAM."""


@njit(cache=True, error_model="numpy")
def path_gain(square_distance_m2: float) -> float:
    """Power gain d^-eta of a squared distance, from `MIN_DISTANCE_M` on."""
    square_m2 = max(square_distance_m2, MIN_DISTANCE_M**2)
    return np.exp(-np.log(10.0) / 10.0 * LOSS_AT_1M_DB - LOSS_PER_DECADE_DB / 20.0 * np.log(square_m2))


@njit(cache=True, error_model="numpy")
def efficiency(sinr: float) -> float:
    """Spectral efficiency in bit/s/Hz."""
    return min(np.log2(1.0 + sinr), MAX_EFFICIENCY)


@njit(cache=True, error_model="numpy")
def receive(network: Network, state: State) -> None:
    """Writes `power_w`: transmit power x path gain x |h|^2, |h|^2 ~ Exp(1) anew per frame, UE, O-DU and block."""
    n_dus, n_blocks = state.power_w.shape[2:]
    fading = np.empty(n_dus * n_blocks, dtype=np.float32)
    for world in range(len(state.key)):
        key = split(state.key[world], FADING)
        for index in range(state.group[world, -1]):
            ue = state.member[world, index]
            fill_exponential(split(key, ue), fading)
            for du in range(n_dus):
                along_m, across_m = state.x_m[world, ue] - network.du_x_m[du], state.y_m[world, ue] - network.du_y_m[du]
                mean_w = np.float32(network.rb_power_w * path_gain(along_m * along_m + across_m * across_m))
                for block in range(n_blocks):
                    state.power_w[world, ue, du, block] = mean_w * fading[du * n_blocks + block]


@njit(cache=True, error_model="numpy")
def estimate(network: Network, state: State, world: int) -> None:
    """Writes the rates the schedulers expect of each active UE: what was on the air last frame is taken to stay there."""
    n_dus, n_blocks = state.power_w.shape[2:]
    interference_w, sinr = np.empty(n_blocks, dtype=np.float32), np.empty(n_blocks, dtype=np.float32)
    for index in range(state.group[world, -1]):
        ue = state.member[world, index]
        own = state.serving[world, ue]
        interference_w[:] = np.float32(network.rb_noise_w)
        for du in range(n_dus):
            if du != own:
                for block in range(n_blocks):
                    interference_w[block] += state.block_activity[world, du, block] * state.power_w[world, ue, du, block]
        for block in range(n_blocks):
            sinr[block] = state.power_w[world, ue, own, block] / interference_w[block]
        rates_bps = state.estimate_bps[world, ue]
        fill_rates(sinr, rates_bps)
        weighted_bps = 0.0
        for block in range(n_blocks):
            weighted_bps += network.rbs_of_block[block] * rates_bps[block]
        state.mean_estimate_bps[world, ue] = weighted_bps / network.n_rbs


@njit(cache=True, error_model="numpy", fastmath=True)
def fill_rates(sinr: SingleArray, rates_bps: SingleArray) -> None:
    """Rate of one RB for each SINR, within 0.2 bit/s."""
    most = np.float32(MAX_EFFICIENCY)
    for index in range(len(sinr)):
        rates_bps[index] = np.float32(RB_BANDWIDTH_HZ) * min(log2_single(np.float32(1.0) + sinr[index]), most)


@njit(cache=True, error_model="numpy")
def carry(network: Network, state: State, world: int, du: int) -> None:
    """Writes `rate_bps` of the O-DU's UEs: their RBs under the interference of what the others do transmit in this frame."""
    rb_ue, rate_bps = state.rb_ue[world, du], state.rate_bps[world]
    power_w, transmits = state.power_w[world], state.transmits[world]
    for rb in range(network.n_rbs):
        ue = rb_ue[rb]
        if ue >= 0:
            rate_bps[ue] += rb_rate_bps(power_w, transmits, network.rb_noise_w, ue, (du, rb))


@njit(cache=True, error_model="numpy")
def rb_rate_bps(power_w: SingleArray, transmits: npt.NDArray[np.uint8], noise_w: float, ue: int, where: tuple[int, int]) -> float:
    """Rate of a UE on one RB of its O-DU, eq. (1).

    Args:
        power_w: float32 [N, M, S], what UEs receive from each O-DU on one RB of each block.
        transmits: uint8 [M, K], who is on the air.
        where: O-DU and RB.
    """
    own, rb = where
    block = rb // RBS_PER_BLOCK
    interference_w = noise_w
    for du in range(len(transmits)):
        # A product, not a branch: whether a cell sends cannot be predicted.
        interference_w += power_w[ue, du, block] * (transmits[du, rb] * (du != own))
    return RB_BANDWIDTH_HZ * efficiency(power_w[ue, own, block] / interference_w)
