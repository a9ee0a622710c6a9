"""Small learners and made-up experience with a known shape."""

from __future__ import annotations

import torch

from xapps.learning.slicing.config import NetworkConfig, RegularisationConfig, SacConfig, SamConfig
from xapps.learning.slicing.replay import Batch
from xapps.learning.slicing.sac import LearnerPlan, SacLearner

N_AGENTS, OBSERVATION_DIM, ACTION_DIM = 3, 4, 2


def learner(
    *,
    seed: int = 1,
    n_agents: int = N_AGENTS,
    sam: SamConfig | None = None,
    sac: SacConfig | None = None,
    regularisation: RegularisationConfig | None = None,
    network: NetworkConfig | None = None,
) -> SacLearner:
    return SacLearner(
        LearnerPlan(
            n_agents,
            OBSERVATION_DIM,
            ACTION_DIM,
            n_updates=100,
            network=network or NetworkConfig(hidden=(16, 16)),
            sac=sac or SacConfig(batch=8),
            regularisation=regularisation or RegularisationConfig(),
            sam=sam or SamConfig(),
        ),
        seed=seed,
    )


def batches(n: int, *, n_agents: int = N_AGENTS, rows: int = 8, seed: int = 0) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator)

    return [
        Batch(
            observation=normal(n_agents, rows, OBSERVATION_DIM),
            action=torch.rand(n_agents, rows, ACTION_DIM, generator=generator),
            reward=1.7 + normal(n_agents, rows),
            following=normal(n_agents, rows, OBSERVATION_DIM),
        )
        for _ in range(n)
    ]
