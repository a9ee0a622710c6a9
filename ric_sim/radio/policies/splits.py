"""Splits of a cell that look at no channel: random, equal, fixed, and in proportion to demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange
from ric_sim.radio.config import N_SLICES
from ric_sim.radio.decoding import PROPORTIONAL_FAIR, Allocation, shared_out
from ric_sim.radio.kernels_schedule import LATENCY_MARGIN_S, SERVED_BPS
from ric_sim.radio.policies.base import RulePolicy
from ric_sim.radio.world import World


def granted(world: World, quota_rbs: npt.ArrayLike, *, beta: npt.ArrayLike = PROPORTIONAL_FAIR) -> Allocation:
    """The same or different quotas, broadcast over the worlds and O-DUs."""
    quota = np.broadcast_to(np.asarray(quota_rbs, dtype=np.int64), world.state.need_rbs.shape)
    return Allocation.of_wanted(quota, world.config.n_rbs, beta=beta)


def random_split(name: str, seed: int) -> RulePolicy:
    """A split drawn anew for every O-DU and frame, uniform over all splits."""
    rng = np.random.default_rng(seed)

    def rule(world: World) -> Allocation:
        shares = rng.dirichlet(np.ones(N_SLICES), size=(world.n_replicas, world.n_dus))
        return granted(world, shared_out(shares, world.config.n_rbs))

    return RulePolicy(name, rule)


def fixed_split(name: str, shares: Sequence[float], *, beta: float = PROPORTIONAL_FAIR, round_robin: bool = False) -> RulePolicy:
    """The same part of the band for each slice, always.

    Args:
        shares: three weights, 0 or more, not all 0.
    Raises:
        OutOfRange: other shares, or an exponent outside [0, 1].
    """
    weights = np.asarray(shares, dtype=np.float64)
    if weights.shape != (N_SLICES,) or not np.all((weights >= 0.0) & (weights < np.inf)) or weights.sum() <= 0.0:
        raise OutOfRange(f"shares {shares}: expected {N_SLICES} numbers, 0 or more and not all 0")
    if not 0.0 <= beta <= 1.0:
        raise OutOfRange(f"beta {beta}: expected 0 to 1")

    def rule(world: World) -> Allocation:
        return replace(granted(world, shared_out(weights, world.config.n_rbs), beta=beta), round_robin=round_robin)

    return RulePolicy(name, rule)


def by_active_ues(name: str) -> RulePolicy:
    """In proportion to the active UEs."""
    return RulePolicy(name, lambda world: granted(world, shared_out(world.active_ues, world.config.n_rbs)))


def by_demand(name: str) -> RulePolicy:
    """In proportion to the bit rates that would just do, whatever the channel."""

    def rule(world: World) -> Allocation:
        active = world.active_ues
        embb_bps = active[..., 0] * world.network.min_qos[0] * 1e6
        mmtc_bps = np.where(active[..., 1] > 0, np.maximum(world.network.min_qos[1] * 1e6, active[..., 1] * SERVED_BPS), 0.0)
        urllc_bps = backlog_bits(world)[..., 2] / LATENCY_MARGIN_S
        return granted(world, shared_out(np.stack([embb_bps, mmtc_bps, urllc_bps], axis=-1), world.config.n_rbs))

    return RulePolicy(name, rule)


def backlog_bits(world: World) -> npt.NDArray[np.float64]:
    """float64 [B, M, 3]: bits queued."""
    total = np.zeros((world.n_replicas, world.n_dus, N_SLICES))
    where = (np.arange(world.n_replicas)[:, None], world.state.serving, world.network.slice_of_ue[None, :])
    np.add.at(total, where, world.state.queue_bits)
    return total
