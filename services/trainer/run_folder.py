"""One training run on disk.

config.yaml      what was trained, and how
checkpoint.pt    everything a resume needs; replaced as a whole, so a killed run always has a good one
learning.csv     one row per update of an agent
events.out.*     the same scalars for TensorBoard (docs/training.md says what each means)
weights/         the policies with the best validation so far: <algo>/<agent>.safetensors
result.json      the outcome, written at the end
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import BaseModel

from ric_sim.domain.errors import Conflict, MalformedFile

ROUTING_COLUMNS = (
    "step",
    "wall_s",
    "service",
    "return_mean",
    "entropy",
    "value_loss",
    "policy_loss",
    "kl",
    "clipped",
    "grad_norm",
    "decisions",
)


class RunFolder:
    """Reads and writes one run's files."""

    def __init__(self, path: Path, *, columns: Sequence[str] = ROUTING_COLUMNS) -> None:
        """`columns` of `learning.csv`; the third one is the agent's name."""
        self.path, self._columns = path, tuple(columns)

    @property
    def weights(self) -> Path:
        return self.path / "weights"

    def begin(self, config: BaseModel, *, algo: str, seed: int, resume: bool) -> dict[str, Any] | None:
        """Prepares the folder; the checkpoint to go on from, or None for a fresh start.

        Raises:
            Conflict: it holds a run and `resume` is False, or one of another algorithm, seed or configuration.
            MalformedFile: the checkpoint cannot be read.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        identity = {"algo": algo, "seed": seed, "config": config.model_dump(mode="json")}
        known = self.path / "config.yaml"
        if known.exists():
            if not resume:
                raise Conflict(f"{self.path} holds a run already: choose another --out, or --resume to go on with it")
            if yaml.safe_load(known.read_text()) != identity:
                raise Conflict(f"{self.path} holds a run of another algorithm, seed or configuration: choose another --out")
        else:
            _replace(known, yaml.safe_dump(identity, sort_keys=False).encode())
        return self._checkpoint()

    def _checkpoint(self) -> dict[str, Any] | None:
        path = self.path / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            # Our own file: optimiser state and random streams are more than tensors.
            return dict(torch.load(path, weights_only=False))
        except Exception as error:
            raise MalformedFile(
                f"{path} is no checkpoint ({type(error).__name__}: {error}): start afresh with another --out"
            ) from error

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replaces the checkpoint as a whole."""
        temporary = self.path / "checkpoint.pt.new"
        torch.save(dict(state), temporary)
        os.replace(temporary, self.path / "checkpoint.pt")

    def append_scalars(self, *, step: int, wall_s: float, report: Mapping[str, Mapping[str, float]]) -> None:
        """Rows of `learning.csv`, one per agent that updated."""
        path = self.path / "learning.csv"
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self._columns, extrasaction="ignore", restval="")
            if fresh:
                writer.writeheader()
            for agent, scalars in report.items():
                writer.writerow({"step": step, "wall_s": round(wall_s, 3), self._columns[2]: agent, **scalars})

    def write_result(self, result: Mapping[str, Any]) -> None:
        """`result.json`."""
        _replace(self.path / "result.json", (json.dumps(result, indent=1) + "\n").encode())


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    os.replace(temporary, path)
