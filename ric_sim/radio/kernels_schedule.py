"""Compiled schedulers: which UE of a slice gets which of the slice's RBs, and how many RBs a slice needs."""

from __future__ import annotations

import numpy as np
from numba import njit

from ric_sim.radio.arrays import RBS_PER_BLOCK, IntArray, Network, SingleArray, State
from ric_sim.radio.config import FloatArray
from ric_sim.radio.kernels_traffic import EMBB, MMTC, N_SLICES, URLLC

SERVED_BPS = 0.2e6
"""Rate from which on an mMTC UE counts as served: lambda of eq. (4) and (5)."""

RATE_FLOOR_BPS = 1e3
STARVED_FACTOR = 1e6
LATENCY_MARGIN_S = 1.5e-3
"""Time a burst may take on the air: the URLLC limit less the processing."""


@njit(cache=True, error_model="numpy")
def schedule_by_priority(network: Network, state: State, where: tuple[int, int], rb_slice: IntArray, beta: FloatArray) -> None:
    """Writes `rb_ue` of one O-DU: RB by RB, the UE of highest priority takes its best free block.

    Args:
        where: world and O-DU.
        rb_slice: int64 [K], the slice of each RB, -1 for a muted one.
        beta: float64 [2], exponents of the eMBB and mMTC scheduler: 0 max-min, 0.5 proportional fair, 1 close to maximum C/I.
    """
    world, du = where
    rb_ue = state.rb_ue[world, du]
    rb_ue[:] = -1
    free = np.zeros(state.estimate_bps.shape[2], dtype=np.int64)
    for slice_id in range(N_SLICES):
        ues = state.member[world, state.group[world, N_SLICES * du + slice_id] : state.group[world, N_SLICES * du + slice_id + 1]]
        free[:] = 0
        left = 0
        for rb in range(network.n_rbs):
            if rb_slice[rb] == slice_id:
                free[rb // RBS_PER_BLOCK] += 1
                left += 1
        if len(ues) == 0 or left == 0:
            continue
        weight = np.empty(len(ues))
        for index in range(len(ues)):
            queue_bits, mean_bps = state.queue_bits[world, ues[index]], state.mean_estimate_bps[world, ues[index]]
            weight[index] = queue_bits if slice_id == URLLC else mean_bps ** (2.0 * beta[slice_id])
        _give(state.estimate_bps[world], rb_ue, ues, weight, (rb_slice, free, left), slice_id)


# Kernels that are called often take single arrays: a call with all of `State` copies two hundred words.
@njit(cache=True, error_model="numpy")
def _give(
    estimate_bps: SingleArray,
    rb_ue: IntArray,
    ues: IntArray,
    weight: FloatArray,
    band: tuple[IntArray, IntArray, int],
    slice_id: int,
) -> None:
    """Gives away the RBs of one slice; `band` is the slices of all RBs, this slice's free RBs per block, and their sum."""
    rb_slice, free, left = band
    assigned_bps, priority = np.zeros((2, len(ues)))
    best, next_rb = np.empty(len(ues), dtype=np.int64), np.arange(len(free)) * RBS_PER_BLOCK
    for index in range(len(ues)):
        priority[index] = priority_of(weight[index], 0.0, slice_id)
        best[index] = best_block(estimate_bps, ues[index], free)
    for _ in range(left):
        chosen, most = 0, priority[0]
        for index in range(1, len(ues)):
            chosen = index if priority[index] > most else chosen
            most = max(priority[index], most)
        ue, block = ues[chosen], best[chosen]
        # A UE's best block stays the best until it is full: blocks only fill up.
        if free[block] == 0:
            block = best_block(estimate_bps, ue, free)
            best[chosen] = block
        free[block] -= 1
        rb = next_rb[block]
        while rb_slice[rb] != slice_id:
            rb += 1
        next_rb[block] = rb + 1
        rb_ue[rb] = ue
        assigned_bps[chosen] += estimate_bps[ue, block]
        priority[chosen] = priority_of(weight[chosen], assigned_bps[chosen], slice_id)


@njit(cache=True, error_model="numpy")
def priority_of(weight: float, assigned_bps: float, slice_id: int) -> float:
    """Priority of a UE with so much assigned; URLLC: the largest remaining latency, mMTC: first those not yet served."""
    priority = weight / (assigned_bps + RATE_FLOOR_BPS)
    return priority * STARVED_FACTOR if slice_id == MMTC and assigned_bps < SERVED_BPS else priority


@njit(cache=True, error_model="numpy")
def best_block(estimate_bps: SingleArray, ue: int, free: IntArray) -> int:
    """The free block of the highest rate of a UE, the lowest index on ties; one must be free."""
    best, most_bps = -1, np.float32(-1.0)
    for block in range(len(free)):
        rate_bps = estimate_bps[ue, block] if free[block] > 0 else np.float32(-1.0)
        best = block if rate_bps > most_bps else best
        most_bps = max(rate_bps, most_bps)
    return best


@njit(cache=True, error_model="numpy")
def schedule_round_robin(network: Network, state: State, where: tuple[int, int], rb_slice: IntArray) -> None:
    """Writes `rb_ue` of one O-DU: the RBs of a slice, lowest first, to its active UEs in turn."""
    world, du = where
    given = np.zeros(N_SLICES, dtype=np.int64)
    for rb in range(network.n_rbs):
        slice_id = rb_slice[rb]
        state.rb_ue[world, du, rb] = -1
        if slice_id >= 0:
            first, last = state.group[world, N_SLICES * du + slice_id], state.group[world, N_SLICES * du + slice_id + 1]
            if last > first:
                state.rb_ue[world, du, rb] = state.member[world, first + given[slice_id] % (last - first)]
                given[slice_id] += 1


@njit(cache=True, error_model="numpy")
def write_needs(network: Network, state: State, world: int) -> None:
    """Writes `need_rbs`: the RBs each slice needs for its minimum QoS at the estimated rates, 0 for an empty slice."""
    for du in range(len(network.du_x_m)):
        for slice_id in range(N_SLICES):
            first, last = state.group[world, N_SLICES * du + slice_id], state.group[world, N_SLICES * du + slice_id + 1]
            sum_bps, each_rbs = 0.0, 0.0
            for index in range(first, last):
                ue = state.member[world, index]
                rate_bps = max(state.mean_estimate_bps[world, ue], RATE_FLOOR_BPS)
                sum_bps += rate_bps
                wanted_bps = SERVED_BPS if slice_id == MMTC else state.queue_bits[world, ue] / LATENCY_MARGIN_S
                each_rbs += np.ceil(wanted_bps / rate_bps)
            n = last - first
            if n == 0:
                state.need_rbs[world, du, slice_id] = 0.0
            elif slice_id == EMBB:
                wanted_ues = n if network.mean_reading else 1
                state.need_rbs[world, du, slice_id] = wanted_ues * network.min_qos[EMBB] * 1e6 * n / sum_bps
            elif slice_id == MMTC:
                state.need_rbs[world, du, slice_id] = max(network.min_qos[MMTC] * 1e6 * n / sum_bps, each_rbs)
            else:
                state.need_rbs[world, du, slice_id] = each_rbs
