"""A training small enough for tests: one city, few lanes, narrow layers."""

from __future__ import annotations

from typing import Any

from xapps.learning.config import TrainingConfig

_PPO = {"rollout": 16, "minibatch": 32, "epochs": 1, "learning_rate": 1e-3, "gamma": 1.0, "gae_lambda": 0.97}


def tiny_config(**changes: Any) -> TrainingConfig:
    values: dict[str, Any] = {
        "name": "tiny",
        "traffic": {"profiles": ["paper"], "lanes": 12, "stretch": 500, "filled": 6, "validation_flows": 96},
        "network": {"graph": 8, "context": 8, "trunk": [16, 8], "pointer": 8, "prior": 3.0},
        "mask": {},
        "reward": {"scarcity_first": 2, "scarcity_steps": 1},
        "amarl": _PPO,
        "sarl": _PPO,
        "ticks": 12,
        "total_steps": 400,
        "evaluate_every": 200,
        "patience": 3,
    }
    return TrainingConfig.model_validate(values | changes)
