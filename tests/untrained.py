"""Weights that nobody trained: random layers under a strong taste for short ways, so that requests still arrive."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ric_sim.network.policies.learned import Weights, WeightsSpec, Widths, save_weights, weight_files

WIDTHS = Widths(graph=64, context=64, trunk=(256, 128), pointer=64)
NARROW = Widths(graph=8, context=8, trunk=(16, 12), pointer=8)


def untrained_weights(service: str, *, seed: int, algorithm: str = "amarl", widths: Widths = NARROW, **spec: Any) -> Weights:
    """Weights of one agent; equal arguments, equal weights."""
    rng = np.random.default_rng(seed)
    tensors = {
        name: (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32) for name, shape in widths.shapes().items()
    }
    tensors["direct.weight"][0, 0] = -3.0
    return Weights(WeightsSpec(algorithm, service, widths, **spec), tensors)


def untrained_folder(folder: Path, services: Iterable[str], *, seed: int = 0, algorithm: str = "amarl", **more: Any) -> Path:
    """Writes a folder of weights; the agents differ."""
    one_for_all = algorithm == "sarl"
    for index, (key, path) in enumerate(weight_files(algorithm, services, folder).items()):
        service, own_seed = ("all", seed) if one_for_all else (key, 100 * seed + index)
        save_weights(path, untrained_weights(service, seed=own_seed, algorithm=algorithm, **more))
    return folder
