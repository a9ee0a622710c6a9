"""Compiled movement, association and traffic of the UEs; one frame is 10 ms."""

from __future__ import annotations

import numpy as np
from numba import njit

from ric_sim.radio.arrays import Network, State
from ric_sim.radio.kernels_random import ARRIVALS, BURSTS, HOT_SPOT, MOTION, RESET, TURN, poisson, split, uniform

EMBB, MMTC, URLLC = range(3)
N_SLICES = 3

MIN_DISTANCE_M = 10.0
HOT_RADIUS_M = 250.0

TURN_PROBABILITY = 0.2
TURNS_RAD = np.pi * np.array([-1 / 3, -1 / 6, -1 / 12, 0.0, 1 / 12, 1 / 6, 1 / 3])
"""The seven headings of the paper, taken as turns: as headings all of them point east."""

FILE_BITS, FILE_PROBABILITY, FILE_QUEUE_BITS = 1e6, 0.06, 4e6
REPORT_BITS, REPORT_PROBABILITY, REPORT_QUEUE_BITS = 8e3, 0.35, 64e3
PACKET_BITS, PACKETS_PER_FRAME = 3e3, 0.5
STARTED_FILE_PROBABILITY = 0.3

BURST_FACTORS = np.array([0.4, 1.0, 1.8])
BURST_CHANGE_PROBABILITY = 0.04


@njit(cache=True, error_model="numpy")
def place(network: Network, state: State, world: int, speeds_mps: tuple[float, float], hot_ratio: float) -> None:
    """Draws where the UEs of a world start and how fast they go, their half-loaded files and the first bursts."""
    key = split(state.episode_key[world], RESET)
    hot_key = split(state.episode_key[world], HOT_SPOT)
    hot_du = int(uniform(hot_key, 0) * len(network.du_x_m))
    for ue in range(len(network.slice_of_ue)):
        own = split(key, ue)
        x_m, y_m = uniform(own, 0) * network.width_m, uniform(own, 1) * network.height_m
        if uniform(own, 2) < hot_ratio:
            radius_m, angle_rad = HOT_RADIUS_M * np.sqrt(uniform(own, 3)), 2.0 * np.pi * uniform(own, 4)
            x_m = min(max(network.du_x_m[hot_du] + radius_m * np.cos(angle_rad), 0.0), network.width_m)
            y_m = min(max(network.du_y_m[hot_du] + radius_m * np.sin(angle_rad), 0.0), network.height_m)
        state.x_m[world, ue], state.y_m[world, ue] = x_m, y_m
        state.heading_rad[world, ue] = 2.0 * np.pi * uniform(own, 5)
        state.speed_mps[world, ue] = speeds_mps[0] + (speeds_mps[1] - speeds_mps[0]) * uniform(own, 6)
        started = network.slice_of_ue[ue] == EMBB and uniform(own, 7) < STARTED_FILE_PROBABILITY
        state.queue_bits[world, ue] = FILE_BITS * uniform(own, 8) if started else 0.0
    for du in range(len(network.du_x_m)):
        for slice_id in range(N_SLICES):
            state.burst[world, du, slice_id] = BURST_FACTORS[int(3.0 * uniform(hot_key, 1 + N_SLICES * du + slice_id))]


@njit(cache=True, error_model="numpy")
def move(network: Network, state: State, world: int) -> None:
    """One stride of every UE, with a turn now and then; walls reflect."""
    key, turn_key = split(state.key[world], MOTION), split(state.key[world], TURN)
    for ue in range(len(network.slice_of_ue)):
        heading_rad = state.heading_rad[world, ue]
        if uniform(key, ue) < TURN_PROBABILITY:
            heading_rad += TURNS_RAD[int(7.0 * uniform(turn_key, ue))]
        x_m, y_m, heading_rad = reflected(
            state.x_m[world, ue] + state.speed_mps[world, ue] * network.stride_s * np.cos(heading_rad),
            state.y_m[world, ue] + state.speed_mps[world, ue] * network.stride_s * np.sin(heading_rad),
            heading_rad,
            (network.width_m, network.height_m),
        )
        state.x_m[world, ue], state.y_m[world, ue], state.heading_rad[world, ue] = x_m, y_m, heading_rad


@njit(cache=True, error_model="numpy")
def reflected(x_m: float, y_m: float, heading_rad: float, area_m: tuple[float, float]) -> tuple[float, float, float]:
    """A position at most one area's size outside, mirrored into the area, and the heading after the bounce."""
    if x_m < 0.0 or x_m > area_m[0]:
        x_m = -x_m if x_m < 0.0 else 2.0 * area_m[0] - x_m
        heading_rad = np.pi - heading_rad
    if y_m < 0.0 or y_m > area_m[1]:
        y_m = -y_m if y_m < 0.0 else 2.0 * area_m[1] - y_m
        heading_rad = -heading_rad
    return x_m, y_m, heading_rad


@njit(cache=True, error_model="numpy")
def associate(network: Network, state: State, world: int) -> None:
    """Every UE to its nearest O-DU, the lower index on ties and within `MIN_DISTANCE_M`."""
    for ue in range(len(network.slice_of_ue)):
        nearest, least_m2 = 0, np.inf
        for du in range(len(network.du_x_m)):
            along_m, across_m = state.x_m[world, ue] - network.du_x_m[du], state.y_m[world, ue] - network.du_y_m[du]
            square_m2 = max(along_m * along_m + across_m * across_m, MIN_DISTANCE_M**2)
            if square_m2 < least_m2:
                nearest, least_m2 = du, square_m2
        state.serving[world, ue] = nearest


@njit(cache=True, error_model="numpy")
def change_bursts(network: Network, state: State, world: int) -> None:
    """Redraws the modulating factor of some O-DUs and slices."""
    key = split(state.key[world], BURSTS)
    for du in range(len(network.du_x_m)):
        for slice_id in range(N_SLICES):
            index = 2 * (N_SLICES * du + slice_id)
            if uniform(key, index) < BURST_CHANGE_PROBABILITY:
                state.burst[world, du, slice_id] = BURST_FACTORS[int(3.0 * uniform(key, index + 1))]


@njit(cache=True, error_model="numpy")
def arrive(network: Network, state: State, world: int) -> None:
    """This frame's arrivals, at the rate of the serving O-DU; what a queue cannot hold is lost."""
    key = split(state.key[world], ARRIVALS)
    for ue in range(len(network.slice_of_ue)):
        slice_id, du = network.slice_of_ue[ue], state.serving[world, ue]
        factor = state.load[world, du, slice_id] * state.burst[world, du, slice_id]
        queue_bits = state.queue_bits[world, ue]
        if slice_id == EMBB:
            queue_bits = min(queue_bits + FILE_BITS * (uniform(key, ue) < FILE_PROBABILITY * factor), FILE_QUEUE_BITS)
        elif slice_id == MMTC:
            queue_bits = min(queue_bits + REPORT_BITS * (uniform(key, ue) < REPORT_PROBABILITY * factor), REPORT_QUEUE_BITS)
        else:
            queue_bits += PACKET_BITS * poisson(key, ue, PACKETS_PER_FRAME * factor)
        state.queue_bits[world, ue] = queue_bits


@njit(cache=True, error_model="numpy")
def group_active(network: Network, state: State, world: int) -> None:
    """Writes `member` and `group`: a counting sort of the active UEs by O-DU and slice."""
    group = state.group[world]
    group[:] = 0
    for ue in range(len(network.slice_of_ue)):
        if state.queue_bits[world, ue] > 0.0:
            group[N_SLICES * state.serving[world, ue] + network.slice_of_ue[ue] + 1] += 1
    for index in range(1, len(group)):
        group[index] += group[index - 1]
    filled = np.zeros(len(group) - 1, dtype=np.int64)
    for ue in range(len(network.slice_of_ue)):
        if state.queue_bits[world, ue] > 0.0:
            index = N_SLICES * state.serving[world, ue] + network.slice_of_ue[ue]
            state.member[world, group[index] + filled[index]] = ue
            filled[index] += 1


@njit(cache=True, error_model="numpy")
def serve_queues(network: Network, state: State, world: int, frame_s: float) -> None:
    """Takes what this frame carried off the queues; what is left of URLLC has expired."""
    for ue in range(len(network.slice_of_ue)):
        if network.slice_of_ue[ue] == URLLC:
            state.queue_bits[world, ue] = 0.0
        else:
            state.queue_bits[world, ue] = max(0.0, state.queue_bits[world, ue] - state.rate_bps[world, ue] * frame_s)
