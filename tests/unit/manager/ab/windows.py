"""Windows of two emulated versions."""

import numpy as np

from services.manager.ab.counts import N_BUCKETS, Counts, WindowCounts

FAST, SLOW = 4, 10
"""Buckets: up to 5 ms, up to 500 ms."""


def counts(answered: int, refused: int = 0, *, expired: int = 0, aborted: int = 0, lost: int = 0, slow: int = 0) -> Counts:
    """`refused` counts the expired, too."""
    latency = [0] * N_BUCKETS
    latency[FAST], latency[SLOW] = answered - slow, slow
    return Counts(answered - refused, refused - expired, expired, aborted, lost, tuple(latency))


def drawn(rng: np.random.Generator, refused_ratios: tuple[float, float], *, percent: float, requests: int = 100) -> WindowCounts:
    """A window of one service, `requests` split at random."""
    own = int(rng.binomial(requests, percent / 100))
    sides = ((requests - own, refused_ratios[0]), (own, refused_ratios[1]))
    pair = [counts(n, int(rng.binomial(n, ratio))) for n, ratio in sides]
    return {"voip": (pair[0], pair[1])}
