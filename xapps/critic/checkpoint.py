"""The critic's memory on disk: one file, replaced as a whole, survived by a crash at any moment."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

CHECKPOINT_FILE = "checkpoint.pt"
_REQUIRED = {"config", "agents", "learner", "replay", "intake", "rng", "version", "n_learnt_from", "given"}


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Writes a state beside the former one, then takes its place.

    Raises:
        OSError: the disk is full or away; the former checkpoint stands.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{CHECKPOINT_FILE}.part"
    try:
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / CHECKPOINT_FILE)
    except (OSError, RuntimeError) as error:  # torch turns a failed write into a RuntimeError
        part.unlink(missing_ok=True)
        raise OSError(f"{folder / CHECKPOINT_FILE}: {error}") from error


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The last state, None if there is none.

    Raises:
        ValueError: the file cannot be read as one; it has been set aside as `checkpoint.pt.unreadable`.
    """
    path = folder / CHECKPOINT_FILE
    try:
        state = torch.load(path, weights_only=False)
        if not isinstance(state, dict) or not state.keys() >= _REQUIRED:
            raise ValueError("no state of a critic")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RuntimeError, EOFError, KeyError, AttributeError, pickle.UnpicklingError) as error:
        path.replace(path.with_suffix(".pt.unreadable"))
        raise ValueError(f"{path} is no checkpoint ({error}); set aside as {path.name}.unreadable") from error
    return state
