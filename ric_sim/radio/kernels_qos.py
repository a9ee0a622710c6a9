"""Compiled QoS of slices and reward of O-DUs (paper eq. 2 to 8)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.radio.arrays import Network, Outcome, State
from ric_sim.radio.config import FloatArray
from ric_sim.radio.kernels_schedule import SERVED_BPS
from ric_sim.radio.kernels_traffic import EMBB, MMTC, N_SLICES, URLLC

PROCESSING_MS = 0.5
FRAME_MS = 10.0
LATENCY_RATE_FLOOR_BPS = 1.0
PRIORITY_WEIGHTS = np.array([1.0, 0.5, 2.0])
"""Slopes of the sigmoids of eq. (8): eMBB, mMTC, URLLC."""
_SUM_OF_WEIGHTS = float(PRIORITY_WEIGHTS.sum())


@njit(cache=True, error_model="numpy")
def write_qos(network: Network, state: State, world: int, qos: FloatArray) -> None:
    """Writes the QoS [M, 3] of a world's slices from `rate_bps` and the backlogs at the start of the frame.

    eMBB: mean (or sum of the) rate of the active UEs in Mbps, eq. (3). mMTC: sum of rates in Mbps times the part of the active
    UEs that is served, eq. (4) and (5). URLLC: the worst latency in ms, eq. (2), at most a frame. 0 for an empty slice.
    """
    queue_bits, rates_bps, member, group = state.queue_bits[world], state.rate_bps[world], state.member[world], state.group[world]
    for index in range(len(group) - 1):
        du, slice_id = index // N_SLICES, index % N_SLICES
        sum_bps, served, worst_ms = 0.0, 0, 0.0
        for ue in member[group[index] : group[index + 1]]:
            sum_bps += rates_bps[ue]
            served += rates_bps[ue] >= SERVED_BPS
            worst_ms = max(worst_ms, latency_ms(queue_bits[ue], rates_bps[ue]))
        n = group[index + 1] - group[index]
        if n == 0:
            qos[du, slice_id] = 0.0
        elif slice_id == EMBB:
            qos[du, slice_id] = sum_bps / 1e6 / (n if network.mean_reading else 1)
        elif slice_id == MMTC:
            qos[du, slice_id] = sum_bps / 1e6 * served / n
        else:
            qos[du, slice_id] = worst_ms


@njit(cache=True, error_model="numpy")
def latency_ms(queue_bits: float, rate_bps: float) -> float:
    """Of a backlog sent as one burst, processing included."""
    return min(PROCESSING_MS + 1e3 * queue_bits / max(rate_bps, LATENCY_RATE_FLOOR_BPS), FRAME_MS)


@njit(cache=True, error_model="numpy")
def normalised(qos: float, minimum: float, slice_id: int) -> float:
    """QoS on [0, 1], half at its minimum; for latency less is better."""
    ratio = qos / (2.0 * minimum)
    return min(max(1.0 - ratio if slice_id == URLLC else ratio, 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def deficit(qos: float, minimum: float, slice_id: int) -> float:
    """How far QoS misses its minimum, on [0, 1]."""
    ratio = qos / minimum
    return min(max(ratio - 1.0 if slice_id == URLLC else 1.0 - ratio, 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def write_rewards(network: Network, state: State, world: int, over_ratio: FloatArray, outcome: Outcome) -> None:
    """Writes the rewards of a world's O-DUs and `qos_normalised`, from the QoS in `outcome`.

    Args:
        over_ratio: float64 [M], RBs wanted beyond the cell's, as a part of them.
    """
    group, occupied = state.group[world], np.empty(N_SLICES, dtype=np.bool_)
    for du in range(len(over_ratio)):
        for slice_id in range(N_SLICES):
            occupied[slice_id] = group[N_SLICES * du + slice_id + 1] > group[N_SLICES * du + slice_id]
        qos, shares = outcome.qos[world, du], state.qos_normalised[world, du]
        outcome.reward[world, du] = reward_of(network, occupied, qos, over_ratio[du], shares)


@njit(cache=True, error_model="numpy")
def reward_of(
    network: Network, occupied: npt.NDArray[np.bool_], qos: FloatArray, over_ratio: float, qos_normalised: FloatArray
) -> float:
    """Reward of one O-DU, eq. (8), and its normalised QoS; an empty slice counts as served in full.

    Args:
        occupied: bool [3], slices with an active UE.
        qos: float64 [3], of `write_qos`.
        over_ratio: RBs wanted beyond the cell's, as a part of them.
        qos_normalised: float64 [3], written.
    """
    reward, weighted = -network.penalty_weight * over_ratio, 0.0
    for slice_id in range(N_SLICES):
        qos_normalised[slice_id] = 1.0
        if occupied[slice_id]:
            qos_normalised[slice_id] = normalised(qos[slice_id], network.min_qos[slice_id], slice_id)
            reward -= network.penalty_weight * deficit(qos[slice_id], network.min_qos[slice_id], slice_id)
        weighted += PRIORITY_WEIGHTS[slice_id] * qos_normalised[slice_id]
    for slice_id in range(N_SLICES):
        slope = PRIORITY_WEIGHTS[slice_id]
        if network.weighted_alpha:
            slope = slope * qos_normalised[slice_id] * _SUM_OF_WEIGHTS / weighted if weighted > 0.0 else 0.0
        reward += 1.0 / (1.0 + np.exp(-slope * qos_normalised[slice_id]))
    return reward
