"""Frames on the wire: KPIs and outcomes to messages, controls to what the world can play."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange
from ric_sim.radio.config import N_SLICES
from ric_sim.radio.decoding import N_BETAS
from ric_sim.radio.world import StepResult
from ricity.radio.v1 import radio_pb2

PROTOCOL_VERSION = 1


@dataclass(frozen=True, slots=True)
class Wish:
    """A control that can be read: quota_rbs int64 [3], beta float64 [2], over_ratio >= 0."""

    quota_rbs: npt.NDArray[np.int64]
    beta: npt.NDArray[np.float64]
    over_ratio: float


def wish_of(control: radio_pb2.Control, n_rbs: int) -> Wish:
    """Reads a control; quotas beyond the cell are for the shield to cut, and count as an over-request.

    Raises:
        OutOfRange: not one number per slice, an exponent outside [0, 1], a negative over-request.
    """
    quota, beta = np.array(control.quota_rbs, dtype=np.int64), np.array(control.beta, dtype=np.float64)
    if len(quota) != N_SLICES or len(beta) != N_BETAS:
        raise OutOfRange(f"control with {len(quota)} quotas and {len(beta)} exponents: expected {N_SLICES} and {N_BETAS}")
    if not np.all((beta >= 0.0) & (beta <= 1.0)):
        raise OutOfRange(f"exponents {beta.tolist()}: expected 0 to 1")
    if not 0.0 <= control.over_ratio < np.inf:
        raise OutOfRange(f"over_ratio {control.over_ratio}: expected 0 or more")
    beyond_rbs = max(0, int(quota.sum()) - n_rbs)
    return Wish(quota, beta, control.over_ratio + beyond_rbs / n_rbs)


@dataclass(frozen=True, slots=True)
class Applied:
    """What an O-DU did with the control of a frame, or without one."""

    result: radio_pb2.ControlResult.ValueType
    detail: str = ""


def outcome_of(
    played: StepResult, du: int, *, frame: int, applied: Applied, beta: npt.NDArray[np.float64]
) -> radio_pb2.FrameOutcome:
    """The outcome of one O-DU in the only replica of a result."""
    return radio_pb2.FrameOutcome(
        frame=frame,
        control_result=applied.result,
        detail=applied.detail,
        quota_rbs=played.quota_rbs[0, du].tolist(),
        beta=beta.tolist(),
        used_rbs=played.used_rbs[0, du].tolist(),
        reward=float(played.reward[0, du]),
        qos=played.qos[0, du].tolist(),
        satisfied=played.satisfied[0, du].tolist(),
    )
