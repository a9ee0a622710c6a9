"""Need rules: each slice the RBs it needs by the channel's estimate, in an order of priority, then what is left in proportion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.radio.config import N_SLICES, SLICES
from ric_sim.radio.decoding import PROPORTIONAL_FAIR, Allocation, shared_out
from ric_sim.radio.policies.base import RulePolicy
from ric_sim.radio.policies.splits import granted
from ric_sim.radio.world import World

URLLC = SLICES.index("urllc")


def by_need(
    name: str,
    *,
    order: Sequence[str],
    beta: float = PROPORTIONAL_FAIR,
    margins: Sequence[float] = (1.0, 1.0, 1.0),
) -> RulePolicy:
    """Takes ceil(margin x need) slice by slice while RBs last; of the rest, each gets in proportion to its need.

    Args:
        order: the three slices' keys, first served first; empty: all at once, in proportion to their needs.
        margins: factors on the needs of eMBB, mMTC and URLLC, 0 or more.
    Raises:
        OutOfRange: an order that does not name every slice once, or other margins.
    """
    if order and sorted(order) != sorted(SLICES):
        raise OutOfRange(f"order {', '.join(order)}: expected each of {', '.join(SLICES)} once, or nothing")
    if len(margins) != N_SLICES or not all(0.0 <= margin < np.inf for margin in margins):
        raise OutOfRange(f"margins {margins}: expected {N_SLICES} numbers, 0 or more")
    ranked = [SLICES.index(key) for key in order]

    def rule(world: World) -> Allocation:
        wanted = np.ceil(world.need_rbs * np.asarray(margins)).astype(np.int64)
        if not ranked:
            return granted(world, shared_out(wanted, world.config.n_rbs), beta=beta)
        return granted(world, in_order(wanted, ranked, world.config.n_rbs), beta=beta)

    return RulePolicy(name, rule)


def in_order(wanted_rbs: np.ndarray, ranked: Sequence[int], n_rbs: int) -> np.ndarray:
    """int64 [..., 3]: wishes granted slice by slice, the rest in proportion to the wishes, rounding to URLLC."""
    quota = np.zeros_like(wanted_rbs)
    left = np.full(wanted_rbs.shape[:-1], n_rbs, dtype=np.int64)
    for slice_id in ranked:
        quota[..., slice_id] = np.minimum(wanted_rbs[..., slice_id], left)
        left -= quota[..., slice_id]
    total = np.maximum(wanted_rbs.sum(axis=-1, keepdims=True), 1)
    quota += left[..., None] * wanted_rbs // total
    quota[..., URLLC] += n_rbs - quota.sum(axis=-1)
    return quota
