"""One learner per process: `python -m benchmarks.train_slicing_loops ours|rllib SHAPE UPDATES`; one JSON line on stdout.

Made-up experience of the right shape, so that only learning is measured: drawing a batch from the replay and the update.
`ours` gives the update of six agents with each variant, the variants taking turns update by update; `rllib` the update of one.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

N_AGENTS, OBSERVATION_DIM, ACTION_DIM = 6, 18, 5
REPLAY = 2000
SEED = 1
LOUD_AGENTS = 2
"""Agents whose rewards vary so much more that the selection takes exactly them."""


@dataclass(frozen=True)
class Shape:
    hidden: tuple[int, ...]
    activation: str
    batch: int
    critics: int


SHAPES = {
    "paper": Shape((300, 400, 400), "tanh", 128, critics=1),
    "ci": Shape((64, 64), "relu", 48, critics=2),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "critic-sam": {"critic": True},
    "ta-sam": {"critic": True, "actors": "selected", "threshold": 2.0},
    "both-sam": {"critic": True, "actors": "all"},
}


def ours(shape: Shape, n_updates: int) -> dict[str, Any]:
    """Median milliseconds per update of all six agents, by variant."""
    import torch

    from xapps.learning.slicing.config import NetworkConfig, RegularisationConfig, SacConfig, SamConfig
    from xapps.learning.slicing.replay import Replay
    from xapps.learning.slicing.sac import LearnerPlan, SacLearner

    torch.set_num_threads(1)
    replay, rng = Replay(N_AGENTS, observation_dim=OBSERVATION_DIM, action_dim=ACTION_DIM, capacity=REPLAY), _stream()
    spread = np.where(np.arange(N_AGENTS) < LOUD_AGENTS, 6.0, 1.0)
    observation, following = (rng.normal(size=(REPLAY, N_AGENTS, OBSERVATION_DIM)).astype(np.float32) for _ in range(2))
    action = rng.random((REPLAY, N_AGENTS, ACTION_DIM), dtype=np.float32)
    replay.add_all(observation, action, (spread * rng.normal(size=(REPLAY, N_AGENTS))).astype(np.float32), following)
    network = NetworkConfig.model_validate({"hidden": shape.hidden, "activation": shape.activation})
    learners = {
        name: SacLearner(
            LearnerPlan(
                N_AGENTS,
                OBSERVATION_DIM,
                ACTION_DIM,
                n_updates=10 * n_updates,
                network=network,
                sac=SacConfig.model_validate({"critics": shape.critics}),
                regularisation=RegularisationConfig(),
                sam=SamConfig.model_validate(sam),
            ),
            seed=SEED,
        )
        for name, sam in VARIANTS.items()
    }
    taken_s: dict[str, list[float]] = {name: [] for name in learners}
    under_sam = []
    for _ in range(n_updates):
        for name, learner in learners.items():
            begun_s = time.process_time()
            report = learner.update(replay.sample(shape.batch, rng))
            taken_s[name].append(time.process_time() - begun_s)
            if name == "ta-sam":
                under_sam.append(int(report.selected.sum()))
    medians = {name: 1000 * statistics.median(times[n_updates // 5 :]) for name, times in taken_s.items()}
    return {"update_ms": medians, "under_sam": statistics.mean(under_sam), "n_agents": N_AGENTS}


def rllib(shape: Shape, n_updates: int) -> dict[str, Any]:
    """Milliseconds per update of one agent of RLlib's SAC, everything in one process; sampling is not counted."""
    import logging

    import gymnasium
    import ray
    import torch
    from ray.rllib.algorithms.sac import SACConfig
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    class Noise(gymnasium.Env):
        """Costs nothing and means nothing."""

        observation_space = gymnasium.spaces.Box(-8, 8, (OBSERVATION_DIM,), np.float32)
        action_space = gymnasium.spaces.Box(0, 1, (ACTION_DIM,), np.float32)

        def __init__(self, _config: object = None) -> None:
            self._rng = _stream()

        def reset(self, *, seed: int | None = None, options: object = None) -> tuple[Any, dict]:
            return self._look(), {}

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
            return self._look(), float(self._rng.normal()), False, False, {}

        def _look(self) -> Any:
            return self._rng.normal(size=OBSERVATION_DIM).clip(-8, 8).astype(np.float32)

    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    config = (
        SACConfig()
        .environment(Noise)
        .env_runners(num_env_runners=0, rollout_fragment_length=1)
        .learners(num_learners=0)
        .training(
            train_batch_size_per_learner=shape.batch,
            twin_q=shape.critics == 2,
            num_steps_sampled_before_learning_starts=2 * shape.batch,
            actor_lr=1e-3,
            critic_lr=1e-3,
            alpha_lr=1e-3,
            lr=None,
        )
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=list(shape.hidden), fcnet_activation=shape.activation))
        .reporting(min_sample_timesteps_per_iteration=1, min_time_s_per_iteration=0)
        .debugging(seed=SEED)
    )
    algorithm = config.build_algo()
    sampling_s = [0.0]
    group = algorithm.env_runner_group
    sample = algorithm.env_runner.sample

    def timed_sample(*args: Any, **kwargs: Any) -> Any:
        begun_s = time.process_time()
        try:
            return sample(*args, **kwargs)
        finally:
            sampling_s[0] += time.process_time() - begun_s

    algorithm.env_runner.sample = timed_sample
    assert group is not None
    for _ in range(2 * shape.batch + 10):
        algorithm.training_step()
    taken_s = []
    for _ in range(n_updates):
        begun_s, sampled_s = time.process_time(), sampling_s[0]
        algorithm.training_step()
        taken_s.append(time.process_time() - begun_s - (sampling_s[0] - sampled_s))
    return {"update_ms": 1000 * statistics.median(taken_s), "n_agents": 1}


def _stream() -> np.random.Generator:
    return np.random.default_rng(SEED)


def main() -> None:
    loop, shape, n_updates = sys.argv[1], SHAPES[sys.argv[2]], int(sys.argv[3])
    row = {"loop": loop, "shape": sys.argv[2], **(ours if loop == "ours" else rllib)(shape, n_updates)}
    print(json.dumps(row), flush=True)
    os._exit(0)  # Ray's shutdown takes seconds and measures nothing


if __name__ == "__main__":
    main()
