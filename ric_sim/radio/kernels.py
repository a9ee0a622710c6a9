"""Compiled frames of batched radio worlds; the doorway to the other kernels of this folder.

A frame is: queues served, UEs moved, arrivals (`begin_frame`); power received (a `ChannelModel`); estimates, needs and
observations (`look`); then, with the slices' RBs decided, schedules, rates, QoS and rewards (`play`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.radio.arrays import RBS_PER_BLOCK, IntArray, Network, Outcome, SingleArray, State
from ric_sim.radio.config import FloatArray
from ric_sim.radio.kernels_channel import RB_BANDWIDTH_HZ, carry, estimate
from ric_sim.radio.kernels_qos import write_qos, write_rewards
from ric_sim.radio.kernels_random import split
from ric_sim.radio.kernels_schedule import schedule_by_priority, schedule_round_robin, write_needs
from ric_sim.radio.kernels_traffic import (
    N_SLICES,
    arrive,
    associate,
    change_bursts,
    group_active,
    move,
    place,
    serve_queues,
)

FRAME_S = 0.01
N_FEATURES, N_PAPER_FEATURES = 18, 9
USUAL_BACKLOG_BITS = np.array([1e6, 1e4, 2e3])
USUAL_EFFICIENCY = 4.0
USUAL_NEED_RBS, MOST_NEED = 50.0, 3.0


@njit(cache=True, error_model="numpy")
def begin_episode(network: Network, state: State, seed: int, speeds_mps: FloatArray, hot_ratio: FloatArray) -> None:
    """Puts every world at its first frame, before the channel is known; `state.load` is set already.

    Args:
        speeds_mps: float64 [B, 2], least and most.
        hot_ratio: float64 [B].
    """
    for world in range(len(state.key)):
        state.episode_key[world] = split(split(np.uint64(seed), 0), world)
        state.key[world] = split(state.episode_key[world], 0)
        place(network, state, world, (speeds_mps[world, 0], speeds_mps[world, 1]), hot_ratio[world])
        associate(network, state, world)
        arrive(network, state, world)
        group_active(network, state, world)
    state.block_activity[:] = 1.0
    state.transmits[:] = 0
    state.rb_ue[:] = -1
    state.rate_bps[:] = 0.0
    state.qos_normalised[:] = 0.5
    state.share[:] = 1.0 / N_SLICES


@njit(cache=True, error_model="numpy")
def begin_frame(network: Network, state: State, frame: int) -> None:
    """Ends the frame that was played and begins the `frame`-th, before the channel is known."""
    for world in range(len(state.key)):
        serve_queues(network, state, world, FRAME_S)
        state.key[world] = split(state.episode_key[world], frame)
        move(network, state, world)
        associate(network, state, world)
        change_bursts(network, state, world)
        arrive(network, state, world)
        group_active(network, state, world)


@njit(cache=True, error_model="numpy")
def look(network: Network, state: State, observation: SingleArray) -> None:
    """Writes estimates, needs and the features [B, M, 9 or 18] of the frame about to be decided."""
    for world in range(len(state.key)):
        estimate(network, state, world)
        write_needs(network, state, world)
        for du in range(len(network.du_x_m)):
            _write_features(network, state, (world, du), observation[world, du])


@njit(cache=True, error_model="numpy")
def _write_features(network: Network, state: State, where: tuple[int, int], features: SingleArray) -> None:
    world, du = where
    for slice_id in range(N_SLICES):
        first, last = state.group[world, N_SLICES * du + slice_id], state.group[world, N_SLICES * du + slice_id + 1]
        features[slice_id] = state.qos_normalised[world, du, slice_id]
        features[N_SLICES + slice_id] = (last - first) / network.usual_active[slice_id]
        features[2 * N_SLICES + slice_id] = state.share[world, du, slice_id]
        if len(features) == N_PAPER_FEATURES:
            continue
        backlog_bits, sum_bps = 0.0, 0.0
        for index in range(first, last):
            backlog_bits += state.queue_bits[world, state.member[world, index]]
            sum_bps += state.mean_estimate_bps[world, state.member[world, index]]
        features[3 * N_SLICES + slice_id] = np.log1p(backlog_bits / USUAL_BACKLOG_BITS[slice_id])
        features[4 * N_SLICES + slice_id] = sum_bps / max(last - first, 1) / RB_BANDWIDTH_HZ / USUAL_EFFICIENCY
        features[5 * N_SLICES + slice_id] = min(state.need_rbs[world, du, slice_id] / USUAL_NEED_RBS, MOST_NEED)


@njit(cache=True, error_model="numpy")
def map_slices(network: Network, quota_rbs: IntArray, rb_slice: npt.NDArray[np.int64]) -> None:
    """Writes `rb_slice` [B, M, K]: the slices' quotas one after the other, from another RB on in each O-DU, the rest muted (-1).

    The offset of O-DU m is floor(K m / M): what cells leave muted then lies apart, like fractional reuse.
    """
    n_worlds, n_dus, n_rbs = rb_slice.shape
    for world in range(n_worlds):
        for du in range(n_dus):
            rb = n_rbs * du // n_dus
            rb_slice[world, du] = -1
            for slice_id in range(N_SLICES):
                for _ in range(quota_rbs[world, du, slice_id]):
                    rb_slice[world, du, rb] = slice_id
                    rb = rb + 1 if rb + 1 < n_rbs else 0


@njit(cache=True, error_model="numpy")
def play(
    network: Network,
    state: State,
    rb_slice: IntArray,
    controls: tuple[FloatArray, FloatArray, IntArray, bool],
    outcome: Outcome,
) -> None:
    """Plays the frame that `look` has shown.

    Args:
        rb_slice: int64 [B, M, K], -1 for muted.
        controls: beta [B, M, 2]; over_ratio [B, M]; quota_rbs [B, M, 3]; whether the scheduler is round robin.
        outcome: written, as are `rb_ue`, `rate_bps`, `transmits`, `block_activity`, `qos_normalised` and `share`.
    """
    beta, over_ratio, quota_rbs, round_robin = controls
    n_dus = len(network.du_x_m)
    state.rate_bps[:] = 0.0
    for world in range(len(state.key)):
        for du in range(n_dus):
            if round_robin:
                schedule_round_robin(network, state, (world, du), rb_slice[world, du])
            else:
                schedule_by_priority(network, state, (world, du), rb_slice[world, du], beta[world, du])
            transmit(network, state, (world, du))
        for du in range(n_dus):
            carry(network, state, world, du)
        write_qos(network, state, world, outcome.qos[world])
        write_rewards(network, state, world, over_ratio[world], outcome)
        _count_used(network, state.rb_ue[world], outcome.used_rbs[world])
    state.share[:] = quota_rbs / network.n_rbs


@njit(cache=True, error_model="numpy")
def transmit(network: Network, state: State, where: tuple[int, int]) -> None:
    """Writes what an O-DU puts on the air: the RBs that it gave to a UE, and no other."""
    world, du = where
    activity = state.block_activity[world, du]
    activity[:] = 0.0
    for rb in range(network.n_rbs):
        on = state.rb_ue[world, du, rb] >= 0
        state.transmits[world, du, rb] = on
        if on:
            activity[rb // RBS_PER_BLOCK] += np.float32(1.0)
    for block in range(len(activity)):
        activity[block] /= np.float32(network.rbs_of_block[block])


@njit(cache=True, error_model="numpy")
def _count_used(network: Network, rb_ue: IntArray, used_rbs: IntArray) -> None:
    """Counts RBs with data by O-DU and slice."""
    used_rbs[:] = 0
    for du in range(len(rb_ue)):
        for rb in range(network.n_rbs):
            if rb_ue[du, rb] >= 0:
                used_rbs[du, network.slice_of_ue[rb_ue[du, rb]]] += 1
