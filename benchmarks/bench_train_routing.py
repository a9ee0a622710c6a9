"""Environment steps per second of PPO training: our lanes and learner against stock RLlib and sb3-contrib.

    ricity bench train-routing

The same city, day, features, network (graph 32, trunk 256-128, pointer 64), rollout (4096), minibatch (1024) and epochs (3),
one thread each, one agent for all services. RLlib: PPO, no remote runner, 8 environments. SB3: MaskablePPO, 8 environments in
a DummyVecEnv. The three take turns, twice, each in a process of its own; medians per second of processor time, which a busy
machine distorts least, and per second of wall time.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ITERATIONS = {"ours": 12, "sb3": 3, "rllib": 3}
QUICK_ITERATIONS = {"ours": 2, "sb3": 1, "rllib": 1}
ROUNDS = 2
REFERENCES = (("rllib", "RLlib PPO, 8 environments", 8.0), ("sb3", "sb3-contrib MaskablePPO, 8 DummyVecEnv", 4.0))

Tell = Callable[[str], None]


def measure(*, quick: bool, tell: Tell) -> dict[str, Any]:
    """Runs everything; `figures` has one row per ratio, `runs` what each process counted."""
    iterations = QUICK_ITERATIONS if quick else ITERATIONS
    runs: list[dict[str, Any]] = []
    for _ in range(1 if quick else ROUNDS):
        for name, count in iterations.items():
            row = _run(name, count)
            tell(f"{name}: {row['steps_per_cpu_s']:.0f} steps per processor second, {row['steps_per_s']:.0f} per second")
            runs.append(row)
    figures = []
    for per, unit in (("steps_per_cpu_s", "steps/cpu-s"), ("steps_per_s", "steps/s")):
        value = _median(runs, "ours", per)
        for name, label, goal in REFERENCES:
            reference = _median(runs, name, per)
            figures.append(
                {
                    "name": "PPO training",
                    "value": value,
                    "unit": unit,
                    "reference": label,
                    "reference_value": reference,
                    "ratio": value / reference,
                    "goal": f">= {goal:g}",
                }
            )
    return {"figures": figures, "runs": runs}


def _run(name: str, iterations: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.train_routing_loops", name, str(iterations)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"loop {name} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    row: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**row, "steps_per_s": row["steps"] / row["wall_s"], "steps_per_cpu_s": row["steps"] / row["cpu_s"]}


def _median(runs: list[dict[str, Any]], name: str, field: str) -> float:
    return statistics.median(row[field] for row in runs if row["loop"] == name)
