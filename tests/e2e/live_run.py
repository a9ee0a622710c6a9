"""A `ricity run` under test, and other commands of the same installation."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WITHIN_S = 240.0


def ricity(*words: object) -> list[str]:
    return [sys.executable, "-m", "services.cli.main", *map(str, words)]


def run_ricity(*words: object, within_s: float = WITHIN_S) -> tuple[int, Any, str]:
    """Exit code, the JSON object on stdout (None for an empty one) and stderr of a command with --json."""
    done = subprocess.run(ricity(*words, "--json"), capture_output=True, text=True, timeout=within_s, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def runs(pid: int) -> bool:
    """Whether the process exists and is not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class LiveRun:
    """A `ricity run --json` as a process, watched through the files it keeps current."""

    def __init__(self, out: Path, *words: object) -> None:
        self.out = out
        self.seen_pids: dict[str, int] = {}
        self._stdout = out.with_suffix(".stdout")
        self._stderr = out.with_suffix(".stderr")
        with self._stdout.open("w") as stdout, self._stderr.open("w") as stderr:
            command = ricity("run", "--out", out, "--ric-port", 0, "--json", *words)
            self.process = subprocess.Popen(command, stdout=stdout, stderr=stderr)

    @property
    def said(self) -> str:
        """What it wrote to stdout and stderr so far."""
        return self._stdout.read_text() + self._stderr.read_text()

    def read(self, name: str) -> dict[str, Any]:
        """A JSON file of the run; empty while it is not there."""
        path = self.out / name
        return json.loads(path.read_text()) if path.exists() else {}

    def pids(self) -> dict[str, int]:
        """Of everything that runs; all that were ever seen are kept in `seen_pids`."""
        pids = self.read("pids.json")
        self.seen_pids |= {f"{name} {pid}": pid for name, pid in pids.items()}
        return pids

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits for a condition as long as the run goes on."""
        deadline_s = time.monotonic() + WITHIN_S
        while not condition():
            self.pids()
            assert time.monotonic() < deadline_s, f"{what} did not come true: {self.said}"
            try:
                self.process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            assert condition(), f"the run ended before {what}: {self.said}"

    def until_settled(self, n_requests: int) -> None:
        """Waits until so many requests of the day have their final record."""
        self.until(lambda: self.read("progress.json").get("settled", 0) >= n_requests, f"{n_requests} requests settled")

    def kill(self, name: str, number: signal.Signals) -> int:
        """Sends a signal to a process of the deployment; returns its process id."""
        pid = self.pids()[name]
        os.kill(pid, number)
        return pid

    def finish(self) -> tuple[int, Any]:
        """Exit code and the object on stdout; nothing of the run may be left then."""
        self.until(lambda: self.process.poll() is not None, "the end of the run")
        self.gone()
        text = self._stdout.read_text()
        return self.process.returncode, json.loads(text) if text else None

    def gone(self) -> None:
        """Waits until no process of the run is left."""
        deadline_s = time.monotonic() + 90
        left = {name for name, pid in self.seen_pids.items() if runs(pid)}
        while left:
            assert time.monotonic() < deadline_s, f"still there: {left}"
            left = {name for name, pid in self.seen_pids.items() if runs(pid)}
