"""Cost of a learning update of the slicing agents: plain SAC, critic-SAM, TA-SAM with 2 of 6 actors chosen, and RLlib's SAC.

    ricity bench train-slicing

Two shapes: the paper's (300-400-400 tanh, batch 128, one critic) and that of the `ci` size (64-64 ReLU, batch 48, two critics).
Observation 18, action 5, one thread each. The variants take turns, update by update, in one process; RLlib's SAC, one agent,
local learner and local replay, has a process of its own. Per update: drawing the batch, losses, steps, target networks; medians
of processor time. Ours updates six agents and their global critic, so per agent it is a sixth.
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
UPDATES = {("ours", "paper"): 40, ("rllib", "paper"): 60, ("ours", "ci"): 400, ("rllib", "ci"): 200}
ROUNDS = 2
GOALS = {"critic-sam": "<= 1.25", "ta-sam": "<= 1.5", "both-sam": ""}
RLLIB_GOAL = ">= 4"

Tell = Callable[[str], None]


def measure(*, quick: bool, tell: Tell) -> dict[str, Any]:
    """Runs everything; `figures` has one row per ratio, `runs` what each process measured."""
    runs: list[dict[str, Any]] = []
    for _ in range(1 if quick else ROUNDS):
        for (loop, shape), count in UPDATES.items():
            row = _run(loop, shape, max(5, count // 10) if quick else count)
            tell(f"{loop}, {shape} shape: {row['update_ms']} ms per update")
            runs.append(row)
    return {"figures": [figure for shape in ("paper", "ci") for figure in figures_of(runs, shape)], "runs": runs}


def figures_of(runs: list[dict[str, Any]], shape: str) -> list[dict[str, Any]]:
    """Rows of one shape: each variant over plain SAC, and RLlib over plain SAC, per agent."""
    mine = [row for row in runs if (row["loop"], row["shape"]) == ("ours", shape)]
    theirs = [row for row in runs if (row["loop"], row["shape"]) == ("rllib", shape)]
    cost_ms = {name: statistics.median(row["update_ms"][name] for row in mine) for name in mine[0]["update_ms"]}
    figures = [
        {
            "name": f"{variant} update, {shape} shape",
            "value": cost_ms[variant],
            "unit": "ms",
            "reference": "plain SAC update of six agents",
            "reference_value": cost_ms["plain"],
            "ratio": statistics.median(row["update_ms"][variant] / row["update_ms"]["plain"] for row in mine),
            "goal": goal,
        }
        for variant, goal in GOALS.items()
    ]
    per_agent_ms = cost_ms["plain"] / mine[0]["n_agents"]
    rllib_ms = statistics.median(row["update_ms"] for row in theirs)
    figures.append(
        {
            "name": f"plain update per agent, {shape} shape",
            "value": per_agent_ms,
            "unit": "ms",
            "reference": "RLlib SAC update of one agent",
            "reference_value": rllib_ms,
            "ratio": rllib_ms / per_agent_ms,
            "goal": RLLIB_GOAL,
        }
    )
    return figures


def _run(loop: str, shape: str, updates: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.train_slicing_loops", loop, shape, str(updates)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"loop {loop} {shape} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    row: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return row
