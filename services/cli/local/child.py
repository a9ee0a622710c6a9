"""One supervised process: when it is ready, how it ended, what it said last."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.cli.local.runner import Runner

ReadyProbe = Callable[[int], Mapping[str, Any] | None]
"""Asked with the process id: the facts the process published once it takes work, None before that."""

_ERROR_TAIL_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of a deployment.

    Attributes:
        name: unique in the deployment; names its log and its entry in pids.json.
        runner: starts it.
        ready: says whether it takes work.
        ready_within_s: a process that is not ready by then has failed.
        ends_by_itself: it does one piece of work: exit code 0 means that this is done, and it is never started again.
    """

    name: str
    runner: Runner
    ready: ReadyProbe
    ready_within_s: float = 120.0
    ends_by_itself: bool = False


class ChildState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    WAITING = "restarting"  # died; its back-off runs
    DONE = "done"  # its work is over
    STOPPED = "stopped"  # by the launcher


@dataclass(slots=True)
class Restart:
    """One death of a process and the start that followed, wall clock in seconds since the epoch."""

    name: str
    reason: str
    died_unix_s: float
    ready_unix_s: float | None = None


@dataclass(slots=True)
class Child:
    """A `ProcessSpec` and its current incarnation."""

    spec: ProcessSpec
    log: Path
    state: ChildState = ChildState.STARTING
    facts: Mapping[str, Any] = field(default_factory=dict)
    started_s: float = 0.0
    ready_once: bool = False
    restarts: int = 0
    due_s: float = 0.0
    started_pid: int = 0
    _log_offset: int = 0

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int | None:
        """Of the incarnation that runs, None between two of them."""
        return self.spec.runner.pid

    def start(self) -> None:
        """Starts the next incarnation."""
        self._log_offset = self.log.stat().st_size if self.log.exists() else 0
        self.state = ChildState.STARTING
        self.started_s = time.monotonic()
        self.started_pid = self.spec.runner.start(self.log)

    def has_finished(self) -> bool:
        """Whether it ended because its work is done."""
        return self.spec.ends_by_itself and self.spec.runner.exit_code == 0

    def ending(self) -> str:
        """How the last incarnation ended, for people."""
        code = self.spec.runner.exit_code or 0
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def last_error(self) -> tuple[str, str]:
        """Error code and message of the last incarnation: its typed error if it printed one, else its last line."""
        if not self.log.exists():
            return "internal", "it printed nothing"
        with self.log.open("rb") as log:
            log.seek(max(self._log_offset, self.log.stat().st_size - _ERROR_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        for line in reversed(lines):
            if line.startswith("{") and '"process.failed"' in line:
                record = json.loads(line)
                return record["code"], record["error"]
        return "internal", lines[-1].strip() if lines else "it printed nothing"


def ready_file_probe(path: Path) -> ReadyProbe:
    """Readiness by the file that a process writes (`services.common.process.write_ready_file`)."""

    def probe(pid: int) -> Mapping[str, Any] | None:
        try:
            facts = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        return facts if facts["pid"] == pid else None

    return probe
