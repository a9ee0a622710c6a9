"""The folder a run leaves behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ric_sim.domain.errors import InvalidInput, MalformedFile


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths below the `--out` of a run; docs/operations.md lists them for people."""

    root: Path

    def create(self) -> None:
        """Makes the folder; `InvalidInput` if a run is in it already, or it cannot be written."""
        if self.deployment.exists():
            raise InvalidInput(f"--out {self.root}: a run is in there already; name a new folder or remove it")
        try:
            for folder in (self.logs, self.ready, self.plots, self.root / "store"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f"--out {self.root}: cannot be written ({error.strerror})") from error

    @property
    def logs(self) -> Path:
        """`<process>.jsonl` each."""
        return self.root / "logs"

    @property
    def ready(self) -> Path:
        return self.root / "ready"

    @property
    def plots(self) -> Path:
        return self.root / "plots"

    @property
    def store(self) -> Path:
        """Data of the embedded store: the append-only file."""
        return self.root / "store"

    @property
    def pids(self) -> Path:
        """Process name -> process id, of what runs now."""
        return self.root / "pids.json"

    @property
    def deployment(self) -> Path:
        """Where the RIC and the store are, and what was started."""
        return self.root / "deployment.json"

    @property
    def progress(self) -> Path:
        """Written by the nodes while the day is played."""
        return self.root / "progress.json"

    @property
    def nodes_summary(self) -> Path:
        return self.root / "nodes_summary.json"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.npz"

    @property
    def slicing(self) -> Path:
        """Written by the radio network: reward and QoS per O-DU over time."""
        return self.root / "slicing.json"

    @property
    def summary(self) -> Path:
        return self.root / "summary.json"


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file that is always replaced as a whole; None while it is not there.

    Raises:
        MalformedFile: it holds something else.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise MalformedFile(f"{path}: expected one JSON object ({error})") from error
    if not isinstance(content, dict):
        raise MalformedFile(f"{path}: expected one JSON object, found a {type(content).__name__}")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replaces a JSON file at once."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    part.replace(path)
