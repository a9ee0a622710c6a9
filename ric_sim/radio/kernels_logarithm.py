"""A logarithm in single precision that fills whole vector registers, which calls of the system's library do not."""

from __future__ import annotations

import numpy as np
from numba import njit

_LOG2_E = np.float32(1.4426950408889634)
_SQRT_2 = np.float32(1.4142135623730951)
_MANTISSA, _ONE_BITS, _EXPONENT_BIAS = np.int32(0x7FFFFF), np.int32(0x3F800000), np.int32(127)


@njit(cache=True, error_model="numpy", fastmath=True)
def log2_single(x: np.float32) -> np.float32:
    """Base-2 logarithm of a positive, normal float32: within 1e-6 absolute.

    Exponent plus a half plus 2 artanh((m - sqrt 2) / (m + sqrt 2)) / ln 2, by four terms.
    """
    bits = np.float32(x).view(np.int32)
    exponent = np.float32(np.int32(bits >> np.int32(23)) - _EXPONENT_BIAS)
    mantissa = np.float32(np.int32(np.int32(bits & _MANTISSA) | _ONE_BITS).view(np.float32))
    t = (mantissa - _SQRT_2) / (mantissa + _SQRT_2)
    s = t * t
    series = t * (np.float32(2.0) + s * (np.float32(2 / 3) + s * (np.float32(2 / 5) + s * np.float32(2 / 7))))
    return np.float32(exponent + np.float32(0.5) + series * _LOG2_E)
