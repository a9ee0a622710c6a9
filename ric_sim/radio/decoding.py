"""From an actor's continuous action to resource blocks: which slice gets how many, and how its scheduler ranks the UEs.

Every decoding is a pure function of the action and, for `resid5`, of the cell's own needs, so that a dApp decodes as the world
does. All arrays may have any leading axes, written [...].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.radio.arrays import IntArray
from ric_sim.radio.config import N_SLICES, FloatArray

PROPORTIONAL_FAIR = 0.5
N_BETAS = 2
SOFT_SLOPE, RESIDUAL_SLOPE, NEED_OFFSET_RBS = 6.0, 4.0, 2.0


@dataclass(frozen=True, slots=True)
class Allocation:
    """What O-DUs do in a frame.

    Attributes:
        quota_rbs: int64 [..., 3], RBs of each slice; their sum is at most the cell's.
        beta: float64 [..., 2] in [0, 1], exponents of the eMBB and the mMTC scheduler: 0 max-min, 0.5 proportional fair, 1 close
            to maximum C/I.
        over_ratio: float64 [...], RBs wanted beyond the cell's, as a part of them; 0 or more. The reward pays for it.
        rb_slice: int64 [..., K], the slice of each RB, -1 for muted; None: the quotas one after the other.
        round_robin: RBs go to the slice's active UEs in turn, whatever the channel.
    """

    quota_rbs: IntArray
    beta: FloatArray
    over_ratio: FloatArray
    rb_slice: IntArray | None = None
    round_robin: bool = False

    @classmethod
    def of_wanted(cls, wanted_rbs: npt.ArrayLike, n_rbs: int, *, beta: npt.ArrayLike = PROPORTIONAL_FAIR) -> Allocation:
        """Grants wishes as they are while they fit; beyond the cell, all slices are cut in proportion.

        Args:
            wanted_rbs: integers [..., 3], 0 or more.
            beta: broadcast to [..., 2].
        Raises:
            OutOfRange: negative wishes.
        """
        wanted = np.asarray(wanted_rbs, dtype=np.int64)
        if np.any(wanted < 0):
            raise OutOfRange(f"wish for {wanted.min()} RBs: expected 0 or more for every slice")
        total = wanted.sum(axis=-1)
        quota = np.where((total > n_rbs)[..., None], shared_out(wanted, n_rbs), wanted)
        betas = np.broadcast_to(np.asarray(beta, dtype=np.float64), (*total.shape, N_BETAS))
        return cls(quota, betas, np.maximum(total - n_rbs, 0) / n_rbs)


def shared_out(weights: npt.NDArray[Any], n_rbs: int) -> IntArray:
    """All RBs in proportion to weights by largest remainder, ties to the lower slice; exact for integer weights.

    Args:
        weights: [..., 3], 0 or more; where all are 0, nothing is given.
    Returns:
        int64 [..., 3].
    """
    total = weights.sum(axis=-1, keepdims=True)
    if weights.dtype.kind == "f":
        scaled = weights * (n_rbs / np.where(total > 0.0, total, 1.0))
        quota = np.floor(scaled)
        remainder = scaled - quota
    else:
        quota, remainder = np.divmod(weights * n_rbs, np.maximum(total, 1))
    given: IntArray = quota.astype(np.int64)
    left = np.where(total > 0, n_rbs - given.sum(axis=-1, keepdims=True), 0)
    # How many slices are served before each: those with a larger remainder, and lower ones with the same.
    before = (remainder[..., None, :] > remainder[..., :, None]) | (
        (remainder[..., None, :] == remainder[..., :, None]) & np.tri(N_SLICES, k=-1, dtype=np.bool_)
    )
    return given + (before.sum(axis=-1) < left)


def _share3(action: FloatArray, _need_rbs: FloatArray, n_rbs: int) -> Allocation:
    """Each slice wants its share of the band; wishes beyond it are cut and paid for, what nobody wants stays silent."""
    return Allocation.of_wanted(np.floor(n_rbs * action + 0.5).astype(np.int64), n_rbs)


def _soft3(action: FloatArray, _need_rbs: FloatArray, n_rbs: int) -> Allocation:
    """The whole band by a softmax."""
    quota = shared_out(np.exp(SOFT_SLOPE * (action - 0.5)), n_rbs)
    return Allocation(quota, np.full((*quota.shape[:-1], N_BETAS), PROPORTIONAL_FAIR), np.zeros(quota.shape[:-1]))


def _share5(action: FloatArray, _need_rbs: FloatArray, n_rbs: int) -> Allocation:
    """`share3`, and the exponents of the schedulers."""
    wanted = np.floor(n_rbs * action[..., :N_SLICES] + 0.5).astype(np.int64)
    return Allocation.of_wanted(wanted, n_rbs, beta=action[..., N_SLICES:])


def _resid5(action: FloatArray, need_rbs: FloatArray, n_rbs: int) -> Allocation:
    """The whole band in proportion to the needs, which the action scales by e^-2 to e^2; and the exponents of the schedulers."""
    weights = (need_rbs + NEED_OFFSET_RBS) * np.exp(RESIDUAL_SLOPE * (action[..., :N_SLICES] - 0.5))
    return Allocation(shared_out(weights, n_rbs), action[..., N_SLICES:], np.zeros(action.shape[:-1]))


def _twobit(action: FloatArray, _need_rbs: FloatArray, n_rbs: int) -> Allocation:
    """The paper's two binaries per RB, thresholded at 0.5: b + 2 e is 0 for a muted RB, else one more than the slice.

    One bit cannot name one of three slices, nor one of dozens of UEs; so both together name the slice, and the scheduler the UE.
    """
    bits = (action > 0.5).astype(np.int64)
    rb_slice = bits[..., :n_rbs] + 2 * bits[..., n_rbs:] - 1
    quota = np.stack([(rb_slice == slice_id).sum(axis=-1) for slice_id in range(N_SLICES)], axis=-1)
    betas = np.full((*quota.shape[:-1], N_BETAS), PROPORTIONAL_FAIR)
    return Allocation(quota, betas, np.zeros(quota.shape[:-1]), rb_slice)


@dataclass(frozen=True, slots=True)
class Decoding:
    """A way to read actions.

    Attributes:
        decode: from action [..., dim], need_rbs [..., 3] and the cell's RBs.
        dim: numbers in an action, on top of `per_rb` ones for each RB.
    """

    decode: Callable[[FloatArray, FloatArray, int], Allocation]
    dim: int = 0
    per_rb: int = 0


DECODINGS: dict[str, Decoding] = {
    "twobit": Decoding(_twobit, per_rb=2),
    "share3": Decoding(_share3, N_SLICES),
    "soft3": Decoding(_soft3, N_SLICES),
    "share5": Decoding(_share5, N_SLICES + N_BETAS),
    "resid5": Decoding(_resid5, N_SLICES + N_BETAS),
}


def action_dim(name: str, n_rbs: int = 100) -> int:
    """Numbers in an action of a decoding; `UnknownKey` lists the decodings."""
    if name not in DECODINGS:
        raise UnknownKey("decoding", name, DECODINGS)
    return DECODINGS[name].dim + DECODINGS[name].per_rb * n_rbs


def decode(name: str, action: npt.ArrayLike, need_rbs: npt.ArrayLike, n_rbs: int = 100) -> Allocation:
    """Reads actions.

    Args:
        action: floats [..., `action_dim`] in [0, 1].
        need_rbs: floats [..., 3], RBs that the slices need (`World.need_rbs`).
    Raises:
        UnknownKey: no such decoding.
        OutOfRange: an action of another size, or with a number that is not in [0, 1]; needs that are negative or not finite.
    """
    size = action_dim(name, n_rbs)
    numbers, needs = np.asarray(action, dtype=np.float64), np.asarray(need_rbs, dtype=np.float64)
    if numbers.shape[-1:] != (size,) or needs.shape != (*numbers.shape[:-1], N_SLICES):
        raise OutOfRange(
            f"action and needs of shapes {numbers.shape} and {needs.shape}: decoding {name!r} takes [..., {size}] and [..., 3]"
        )
    if not np.all((numbers >= 0.0) & (numbers <= 1.0)):
        raise OutOfRange("an action has a number that is not in [0, 1] or not a number: check the actor that made it")
    if not np.all((needs >= 0.0) & (needs < np.inf)):
        raise OutOfRange("needs are negative or not finite: check the reports they were made from")
    return DECODINGS[name].decode(numbers, needs, n_rbs)
