"""Compiled searches over the splits of a cell: by estimated curves per slice, and exhaustively with the rates to come."""

from __future__ import annotations

import numpy as np
from numba import njit

from ric_sim.radio.arrays import IntArray, Network, Outcome, State
from ric_sim.radio.config import FloatArray
from ric_sim.radio.kernels import transmit
from ric_sim.radio.kernels_channel import carry
from ric_sim.radio.kernels_qos import PRIORITY_WEIGHTS, deficit, latency_ms, normalised, reward_of, write_qos
from ric_sim.radio.kernels_schedule import SERVED_BPS, best_block, priority_of, schedule_by_priority
from ric_sim.radio.kernels_traffic import EMBB, MMTC, N_SLICES, URLLC


@njit(cache=True, error_model="numpy")
def search_curves(network: Network, state: State, derating: float, beta: float, quota_rbs: IntArray) -> None:
    """Writes the split [B, M, 3] with the largest sum of the slices' curves, over all splits of all RBs."""
    curves = np.empty((N_SLICES, network.n_rbs + 1))
    for world in range(len(state.key)):
        for du in range(len(network.du_x_m)):
            for slice_id in range(N_SLICES):
                _write_curve(network, state, (world, du, slice_id), (derating, beta), curves[slice_id])
            best = -np.inf
            for embb in range(network.n_rbs + 1):
                for mmtc in range(network.n_rbs + 1 - embb):
                    value = curves[EMBB, embb] + curves[MMTC, mmtc] + curves[URLLC, network.n_rbs - embb - mmtc]
                    if value > best:
                        best = value
                        quota_rbs[world, du, EMBB], quota_rbs[world, du, MMTC] = embb, mmtc
                        quota_rbs[world, du, URLLC] = network.n_rbs - embb - mmtc


@njit(cache=True, error_model="numpy")
def _write_curve(
    network: Network, state: State, where: tuple[int, int, int], tuning: tuple[float, float], curve: FloatArray
) -> None:
    """Writes a slice's part of the reward for 0 to K RBs, given RB by RB as the scheduler would from a band of its own."""
    world, du, slice_id = where
    derating, beta = tuning
    ues = state.member[world, state.group[world, N_SLICES * du + slice_id] : state.group[world, N_SLICES * du + slice_id + 1]]
    assigned_bps, free = np.zeros(len(ues)), network.rbs_of_block.astype(np.int64)
    curve[0] = _slice_value(network, state, where, assigned_bps)
    for n_given in range(1, network.n_rbs + 1):
        if len(ues) == 0:
            curve[n_given] = curve[0]
            continue
        chosen, most = 0, -np.inf
        for index in range(len(ues)):
            mean_bps = state.mean_estimate_bps[world, ues[index]]
            weight = state.queue_bits[world, ues[index]] if slice_id == URLLC else mean_bps ** (2.0 * beta)
            priority = priority_of(weight, assigned_bps[index], slice_id)
            if priority > most:
                chosen, most = index, priority
        block = best_block(state.estimate_bps[world], ues[chosen], free)
        free[block] -= 1
        assigned_bps[chosen] += derating * state.estimate_bps[world, ues[chosen], block]
        curve[n_given] = _slice_value(network, state, where, assigned_bps)


@njit(cache=True, error_model="numpy")
def _slice_value(network: Network, state: State, where: tuple[int, int, int], rates_bps: FloatArray) -> float:
    """A slice's sigmoid less its deficit, were these the rates of its active UEs (static slopes)."""
    world, du, slice_id = where
    n = len(rates_bps)
    if n == 0:
        return 0.0
    if slice_id == URLLC:
        qos = 0.0
        first = state.group[world, N_SLICES * du + slice_id]
        for index in range(n):
            qos = max(qos, latency_ms(state.queue_bits[world, state.member[world, first + index]], rates_bps[index]))
    elif slice_id == MMTC:
        qos = np.sum(rates_bps) / 1e6 * np.sum(rates_bps >= SERVED_BPS) / n
    else:
        qos = np.sum(rates_bps) / 1e6 / (n if network.mean_reading else 1)
    share = normalised(qos, network.min_qos[slice_id], slice_id)
    loss = network.penalty_weight * deficit(qos, network.min_qos[slice_id], slice_id)
    return 1.0 / (1.0 + np.exp(-PRIORITY_WEIGHTS[slice_id] * share)) - loss


@njit(cache=True, error_model="numpy")
def respond(
    network: Network,
    state: State,
    options: tuple[IntArray, FloatArray],
    outcome: Outcome,
    chosen: tuple[IntArray, FloatArray],
    rounds: int,
) -> None:
    """Each O-DU in turn takes the option that pays it most with the rates to come, the others keeping to theirs; so many rounds.

    Args:
        state: a copy whose `rb_ue`, `transmits` and `rate_bps` may be written.
        options: quotas int64 [options, 3] and exponents float64 [options, 2].
        chosen: quotas [B, M, 3] and exponents [B, M, 2]: where to start, and then the answer.
    """
    n_dus, rb_slice = len(network.du_x_m), np.empty(network.n_rbs, dtype=np.int64)
    for world in range(len(state.key)):
        for du in range(n_dus):
            put_on_air(network, state, (world, du), (chosen[0][world, du], chosen[1][world, du]), rb_slice)
        for _ in range(rounds):
            for du in range(n_dus):
                best = _value(network, state, (world, du), outcome)
                for option in range(len(options[0])):
                    quota, beta = options[0][option], options[1][option]
                    put_on_air(network, state, (world, du), (quota, beta), rb_slice)
                    value = _value(network, state, (world, du), outcome)
                    if value > best:
                        best = value
                        chosen[0][world, du], chosen[1][world, du] = quota, beta
                put_on_air(network, state, (world, du), (chosen[0][world, du], chosen[1][world, du]), rb_slice)


@njit(cache=True, error_model="numpy")
def put_on_air(
    network: Network, state: State, where: tuple[int, int], option: tuple[IntArray, FloatArray], rb_slice: IntArray
) -> None:
    """Schedules an O-DU by an option and puts it on the air."""
    rb = network.n_rbs * where[1] // len(network.du_x_m)
    rb_slice[:] = -1
    for slice_id in range(N_SLICES):
        for _ in range(option[0][slice_id]):
            rb_slice[rb] = slice_id
            rb = rb + 1 if rb + 1 < network.n_rbs else 0
    schedule_by_priority(network, state, where, rb_slice, option[1])
    transmit(network, state, where)


@njit(cache=True, error_model="numpy")
def _value(network: Network, state: State, where: tuple[int, int], outcome: Outcome) -> float:
    """Reward of an O-DU as all are on the air."""
    world, du = where
    for index in range(state.group[world, N_SLICES * du], state.group[world, N_SLICES * (du + 1)]):
        state.rate_bps[world, state.member[world, index]] = 0.0
    carry(network, state, world, du)
    write_qos(network, state, world, outcome.qos[world])
    occupied = np.empty(N_SLICES, dtype=np.bool_)
    for slice_id in range(N_SLICES):
        index = N_SLICES * du + slice_id
        occupied[slice_id] = state.group[world, index + 1] > state.group[world, index]
    return reward_of(network, occupied, outcome.qos[world, du], 0.0, np.empty(N_SLICES))
