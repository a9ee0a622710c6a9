"""What the compiled kernels of the radio network work on: constants of one network, and the state of its parallel worlds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ric_sim.radio.config import N_SLICES, FloatArray, RadioConfig

RBS_PER_BLOCK = 4
"""Adjacent RBs that fade together: 800 kHz."""

IntArray = npt.NDArray[np.int64]
SingleArray = npt.NDArray[np.float32]


class Network(NamedTuple):
    """Constants of one network; M O-DUs, N UEs, K RBs, S fading blocks.

    Attributes:
        du_x_m, du_y_m: float64 [M].
        width_m, height_m: of the area, whose walls reflect.
        rb_power_w, rb_noise_w: on one RB.
        n_rbs: K.
        rbs_of_block: float64 [S].
        slice_of_ue: int64 [N].
        min_qos: float64 [3]: Mbps, Mbps, ms.
        mean_reading: `RadioConfig.qos_reading` is `mean`.
        weighted_alpha: `RadioConfig.alpha_mode` is `weighted`.
        penalty_weight: zeta of eq. (8).
        usual_active: float64 [3], UEs of each slice per O-DU if spread evenly.
        stride_s: movement between two decisions.
    """

    du_x_m: FloatArray
    du_y_m: FloatArray
    width_m: float
    height_m: float
    rb_power_w: float
    rb_noise_w: float
    n_rbs: int
    rbs_of_block: FloatArray
    slice_of_ue: IntArray
    min_qos: FloatArray
    mean_reading: bool
    weighted_alpha: bool
    penalty_weight: float
    usual_active: FloatArray
    stride_s: float


class State(NamedTuple):
    """B worlds. UEs of a world are grouped by O-DU and slice; only active ones (with bits queued) are in a group.

    Attributes:
        key: uint64 [B], of each world's random numbers in this frame; `episode_key`, the one they come from.
        x_m, y_m, heading_rad, speed_mps: float64 [B, N].
        serving: int64 [B, N], the O-DU.
        queue_bits: float64 [B, N], after this frame's arrivals.
        load, burst: float64 [B, M, 3], factors on arrivals: the profile's and the modulating chain's.
        member: int64 [B, N], active UEs ordered by O-DU, slice, index; `group`: int64 [B, 3 M + 1], where each group begins.
        power_w: float32 [B, N, M, S], received from each O-DU on one RB of each block, rows of active UEs only.
        transmits: uint8 [B, M, K], RBs that carried data in the last frame; `block_activity`: float32 [B, M, S], their
            share of each block, 1 before the first frame.
        estimate_bps: float32 [B, N, S], rate of one RB as the scheduler estimates it; `mean_estimate_bps`: float64 [B, N].
        rb_ue: int64 [B, M, K], the UE that got each RB in the last frame, -1 for none.
        rate_bps: float64 [B, N], of the last frame, 0 where not active.
        need_rbs: float64 [B, M, 3], RBs that each slice needs in this frame.
        qos_normalised, share: float64 [B, M, 3], of the last frame, 0.5 and 1/3 before the first.
    """

    key: npt.NDArray[np.uint64]
    episode_key: npt.NDArray[np.uint64]
    x_m: FloatArray
    y_m: FloatArray
    heading_rad: FloatArray
    speed_mps: FloatArray
    serving: IntArray
    queue_bits: FloatArray
    load: FloatArray
    burst: FloatArray
    member: IntArray
    group: IntArray
    power_w: SingleArray
    transmits: npt.NDArray[np.uint8]
    block_activity: SingleArray
    estimate_bps: SingleArray
    mean_estimate_bps: FloatArray
    rb_ue: IntArray
    rate_bps: FloatArray
    need_rbs: FloatArray
    qos_normalised: FloatArray
    share: FloatArray


class Outcome(NamedTuple):
    """What one frame gave, written by the kernels: float64 [B, M] rewards, [B, M, 3] QoS, int64 [B, M, 3] RBs with data."""

    reward: FloatArray
    qos: FloatArray
    used_rbs: IntArray


def new_network(config: RadioConfig) -> Network:
    """The kernels' view of a configuration."""
    du_x_m, du_y_m = config.du_positions_m()
    width_m, height_m = config.area_m
    return Network(
        du_x_m=du_x_m,
        du_y_m=du_y_m,
        width_m=width_m,
        height_m=height_m,
        rb_power_w=config.rb_power_w,
        rb_noise_w=config.rb_noise_w,
        n_rbs=config.n_rbs,
        rbs_of_block=np.bincount(np.arange(config.n_rbs) // RBS_PER_BLOCK).astype(np.float64),
        slice_of_ue=np.repeat(np.arange(N_SLICES), config.slice_sizes),
        min_qos=np.array(config.min_qos),
        mean_reading=config.qos_reading == "mean",
        weighted_alpha=config.alpha_mode == "weighted",
        penalty_weight=config.penalty_weight,
        usual_active=np.array(config.slice_sizes) / config.n_dus,
        stride_s=config.stride_s,
    )


def new_state(config: RadioConfig, n_worlds: int) -> State:
    """Arrays for `n_worlds` worlds, not yet reset."""
    n_ues, n_dus, n_rbs = config.n_ues, config.n_dus, config.n_rbs
    n_blocks = -(-n_rbs // RBS_PER_BLOCK)

    def floats(*shape: int) -> FloatArray:
        return np.zeros((n_worlds, *shape))

    def integers(*shape: int) -> IntArray:
        return np.zeros((n_worlds, *shape), dtype=np.int64)

    def singles(*shape: int) -> SingleArray:
        return np.zeros((n_worlds, *shape), dtype=np.float32)

    return State(
        key=np.zeros(n_worlds, dtype=np.uint64),
        episode_key=np.zeros(n_worlds, dtype=np.uint64),
        x_m=floats(n_ues),
        y_m=floats(n_ues),
        heading_rad=floats(n_ues),
        speed_mps=floats(n_ues),
        serving=integers(n_ues),
        queue_bits=floats(n_ues),
        load=floats(n_dus, N_SLICES),
        burst=floats(n_dus, N_SLICES),
        member=integers(n_ues),
        group=integers(N_SLICES * n_dus + 1),
        power_w=singles(n_ues, n_dus, n_blocks),
        transmits=np.zeros((n_worlds, n_dus, n_rbs), dtype=np.uint8),
        block_activity=singles(n_dus, n_blocks),
        estimate_bps=singles(n_ues, n_blocks),
        mean_estimate_bps=floats(n_ues),
        rb_ue=integers(n_dus, n_rbs),
        rate_bps=floats(n_ues),
        need_rbs=floats(n_dus, N_SLICES),
        qos_normalised=floats(n_dus, N_SLICES),
        share=floats(n_dus, N_SLICES),
    )


def new_outcome(config: RadioConfig, n_worlds: int) -> Outcome:
    """Room for the results of one frame."""
    shape = (n_worlds, config.n_dus, N_SLICES)
    return Outcome(np.zeros(shape[:2]), np.zeros(shape), np.zeros(shape, dtype=np.int64))
