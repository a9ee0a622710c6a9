"""Random numbers as a function of what they are for: no stream is consumed, so no draw depends on an action.

A key is split by what a number is about (world, frame, purpose, UE); the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)
mixes it. Fading needs thousands of numbers per frame and takes a 32-bit mixer that fills whole vector registers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ric_sim.radio.kernels_logarithm import log2_single

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_GOLDEN_32 = np.uint32(0x9E3779B9)
_MIX_A_32, _MIX_B_32 = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_LN_2 = np.float32(0.6931471805599453)

RESET, HOT_SPOT, MOTION, TURN, ARRIVALS, BURSTS, FADING = range(7)
"""Purposes of random numbers."""


@njit(cache=True, error_model="numpy")
def split(key: np.uint64, index: int) -> np.uint64:
    """The `index`-th key that comes from another, index >= 0."""
    mixed = key + _GOLDEN * (np.uint64(index) + np.uint64(1))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@njit(cache=True, error_model="numpy")
def uniform(key: np.uint64, index: int) -> float:
    """The `index`-th number in [0, 1) of a key."""
    return float(split(key, index) >> np.uint64(11)) * 2.0**-53


@njit(cache=True, error_model="numpy")
def poisson(key: np.uint64, index: int, mean: float) -> int:
    """The `index`-th Poisson number of a key, by inversion of one uniform number; mean up to some tens."""
    left, probability, count = uniform(key, index), np.exp(-mean), 0
    while left >= probability and probability > 0.0:
        left -= probability
        count += 1
        probability *= mean / count
    return count


@njit(cache=True, error_model="numpy", fastmath=True)
def fill_exponential(key: np.uint64, out: npt.NDArray[np.float32]) -> None:
    """Fills a vector with independent Exp(1) numbers of a key: minus the natural logarithm of 24-bit uniform ones."""
    key_a, key_b = np.uint32(key & np.uint64(0xFFFFFFFF)), np.uint32(key >> np.uint64(32))
    for i in range(out.size):
        x = np.uint32(np.uint32(i) * _GOLDEN_32 + key_a)
        x = np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(16))) * _MIX_A_32)
        x = np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(15))) ^ key_b)
        x = np.uint32(x * _MIX_B_32)
        x = np.uint32(x ^ np.uint32(x >> np.uint32(16)))
        # 2^24 times a number in (0, 1); the half keeps it off both ends.
        scaled = np.float32(np.float32(np.int32(x >> np.uint32(8))) + np.float32(0.5))
        out[i] = (np.float32(24.0) - log2_single(scaled)) * _LN_2
