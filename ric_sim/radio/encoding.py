"""The other way round from decodings: a rule's allocation written as the action that would have asked for it.

So a learner can learn from what a rule did, and a rule can be varied a little in the space that a learner acts in.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import UnknownKey
from ric_sim.radio.config import FloatArray
from ric_sim.radio.decoding import NEED_OFFSET_RBS, RESIDUAL_SLOPE, SOFT_SLOPE, Allocation

_LEAST_RBS = 0.5
"""A quota of nothing has no logarithm."""

_EDGE = 0.02
"""How near to 0 and 1 varied actions begin: further out, noise before the sigmoid changes nothing."""

ENCODABLE = ("share3", "soft3", "share5", "resid5")


def encode(name: str, allocation: Allocation, need_rbs: npt.ArrayLike, n_rbs: int = 100) -> FloatArray:
    """The action [..., dim] in [0, 1] that a decoding reads as this allocation, or as near to it as it can.

    Args:
        allocation: quotas [..., 3] of the whole band; exponents are lost in decodings without them.
        need_rbs: floats [..., 3], RBs that the slices need.
    Raises:
        UnknownKey: no decoding that shares are told in.
    """
    quota = allocation.quota_rbs.astype(np.float64)
    if name in ("share3", "share5"):
        shares = quota / n_rbs
    elif name == "soft3":
        shares = _centred(np.log(np.maximum(quota, _LEAST_RBS)), SOFT_SLOPE)
    elif name == "resid5":
        needs = np.asarray(need_rbs, dtype=np.float64) + NEED_OFFSET_RBS
        shares = _centred(np.log(np.maximum(quota, _LEAST_RBS) / needs), RESIDUAL_SLOPE)
    else:
        raise UnknownKey("decoding with shares", name, ENCODABLE)
    return shares if name in ("share3", "soft3") else np.concatenate((shares, allocation.beta), axis=-1)


def varied(action: FloatArray, sigma: float, rng: np.random.Generator) -> FloatArray:
    """An action nearby: normal noise before the sigmoid, as an actor explores."""
    inner = np.clip(action, _EDGE, 1.0 - _EDGE)
    latent = np.log(inner / (1.0 - inner)) + sigma * rng.standard_normal(action.shape)
    result: FloatArray = 1.0 / (1.0 + np.exp(-latent))
    return result


def _centred(log_weights: FloatArray, slope: float) -> FloatArray:
    """Only ratios count, so the largest and the smallest are as far from the middle."""
    middle = 0.5 * (log_weights.max(axis=-1, keepdims=True) + log_weights.min(axis=-1, keepdims=True))
    result: FloatArray = np.clip(0.5 + (log_weights - middle) / slope, 0.0, 1.0)
    return result
