"""Learned policies in serving: weights as files, inference without a learning framework, hop by hop inside the mask."""

from ric_sim.network.policies.learned.policy import ALGORITHMS, LearnedPolicy, compile_kernels, load_policy
from ric_sim.network.policies.learned.weights import (
    Lineage,
    Weights,
    WeightsSpec,
    Widths,
    load_weights,
    save_weights,
    weight_files,
)

__all__ = [
    "ALGORITHMS",
    "LearnedPolicy",
    "Lineage",
    "Weights",
    "WeightsSpec",
    "Widths",
    "compile_kernels",
    "load_policy",
    "load_weights",
    "save_weights",
    "weight_files",
]
