"""How much better one slicing is than a named other, in percent, the way the paper's tables count."""

from __future__ import annotations

import math

from ric_sim.domain.errors import OutOfRange
from ric_sim.radio.config import SLICES

LATENCY_SLICES = ("urllc",)
"""Slices whose QoS is a latency: less is better."""


def gain_percent(slice_name: str, value: float, reference: float) -> float:
    """Gain of a slice's QoS over a reference: 100 (value - reference) / reference for rates, the negative for latencies.

    Raises:
        OutOfRange: no such slice, or a reference that is not a finite number above 0.
    """
    if slice_name not in SLICES:
        raise OutOfRange(f"slice {slice_name!r}: expected one of {', '.join(SLICES)}")
    if not (math.isfinite(value) and math.isfinite(reference) and reference > 0):
        raise OutOfRange(f"gain of {value} over {reference}: expected finite numbers and a reference above 0")
    change = 100 * (value - reference) / reference
    return -change if slice_name in LATENCY_SLICES else change
