"""Keeps the processes of a local deployment alive: start, readiness, restart with back-off, orderly stop."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ric_sim.domain.errors import DeploymentFailed, InvalidInput, RicityError, RicUnreachable, StoreUnreachable
from services.cli.local.child import Child, ChildState, ProcessSpec, Restart
from services.common.errors import EXIT_UNREACHABLE, EXIT_UNUSABLE_INPUT

BACKOFF_S = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Wait before the n-th restart of one process; after the last one the deployment has failed."""

_POLL_S = 0.02


class Supervisor:
    """Owns the child processes. Single-threaded: everything happens inside `tick`, which its callers repeat."""

    def __init__(
        self, logs: Path, pids_file: Path, *, tell: Callable[[str], None], backoff_s: Sequence[float] = BACKOFF_S
    ) -> None:
        """`tell` receives one line per death and restart, for people."""
        self.children: dict[str, Child] = {}
        self.restarts: list[Restart] = []
        self._logs = logs
        self._pids_file = pids_file
        self._tell = tell
        self._backoff_s = backoff_s

    def start(self, *specs: ProcessSpec) -> None:
        """Starts processes side by side; `wait_ready` says when they take work."""
        for spec in specs:
            child = Child(spec, self._logs / f"{spec.name}.jsonl")
            self.children[spec.name] = child
            child.start()
        self._publish_pids()

    def tick(self) -> None:
        """Looks at every process once; restarts what died.

        Raises:
            DeploymentFailed: a process did not start, or died once more than the back-off allows.
            InvalidInput, StoreUnreachable, RicUnreachable: what a process itself said when it refused to start.
        """
        for child in self.children.values():
            if child.state == ChildState.STARTING:
                self._watch_start(child)
            elif child.state == ChildState.READY:
                self._watch_work(child)
            elif child.state == ChildState.WAITING and time.monotonic() >= child.due_s:
                child.start()
                self._publish_pids()

    def wait(self, until: Callable[[], bool], *, each: Callable[[], None] = lambda: None) -> None:
        """Ticks until the condition holds; `each` runs between two ticks."""
        while True:
            self.tick()
            if until():
                return
            each()
            time.sleep(_POLL_S)

    def wait_ready(self, *names: str, each: Callable[[], None] = lambda: None) -> None:
        """Ticks until the named processes take work (or are done)."""
        passed = (ChildState.READY, ChildState.DONE)
        self.wait(lambda: all(self.children[name].state in passed for name in names), each=each)

    def facts(self, name: str) -> Mapping[str, Any]:
        """What the process published when it became ready."""
        return self.children[name].facts

    def pids(self) -> dict[str, int]:
        """Name to process id of everything that runs, the launcher included."""
        running = {name: child.pid for name, child in self.children.items()}
        return {"launcher": os.getpid(), **{name: pid for name, pid in running.items() if pid is not None}}

    def stop(self, names: Iterable[str], *, grace_s: float = 8.0) -> list[str]:
        """SIGTERM to the named processes, SIGKILL to those that outlive the grace; returns the latter."""
        leaving = [self.children[name] for name in names if name in self.children]
        for child in leaving:
            child.state = ChildState.STOPPED
            child.spec.runner.signal(signal.SIGTERM)
        deadline_s = time.monotonic() + grace_s
        while any(child.pid for child in leaving) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
        killed = [child.name for child in leaving if child.pid]
        for child in leaving:
            child.spec.runner.signal(signal.SIGKILL)
            while child.pid:
                time.sleep(_POLL_S)
        self._publish_pids()
        return killed

    def _watch_start(self, child: Child) -> None:
        has_ended = child.pid is None  # asked first: what it published before its end still counts
        facts = child.spec.ready(child.started_pid)
        if facts is not None:
            self._mark_ready(child, facts)
        elif has_ended:
            if self._has_finished(child):
                return
            if not child.ready_once:
                raise _start_failure(child)
            self._schedule_restart(child)
        elif time.monotonic() - child.started_s > child.spec.ready_within_s:
            raise DeploymentFailed(f"{child.name} is not ready after {child.spec.ready_within_s:.0f} s; see {child.log}")

    def _mark_ready(self, child: Child, facts: Mapping[str, Any]) -> None:
        child.facts = facts
        child.state = ChildState.READY
        if child.ready_once:
            restart = next(entry for entry in reversed(self.restarts) if entry.name == child.name)
            restart.ready_unix_s = time.time()
            away_s = restart.ready_unix_s - restart.died_unix_s
            self._tell(f"{child.name} is back after {away_s:.1f} s (pid {child.started_pid})")
        child.ready_once = True

    def _watch_work(self, child: Child) -> None:
        if child.pid is None and not self._has_finished(child):
            self._schedule_restart(child)

    def _has_finished(self, child: Child) -> bool:
        """True if the process ended because its work is done."""
        if not child.has_finished():
            return False
        child.state = ChildState.DONE
        self._publish_pids()
        return True

    def _schedule_restart(self, child: Child) -> None:
        name, reason = child.name, child.ending()
        if child.spec.ends_by_itself:
            raise DeploymentFailed(f"{name} died ({reason}) in the middle of its work: {child.last_error()[1]}; see {child.log}")
        if child.restarts >= len(self._backoff_s):
            raise DeploymentFailed(
                f"{name} died {child.restarts + 1} times, last: {reason}, {child.last_error()[1]}; see {child.log}"
            )
        if child.state == ChildState.READY:
            self.restarts.append(Restart(name, reason, died_unix_s=time.time()))
        child.due_s = time.monotonic() + self._backoff_s[child.restarts]
        child.restarts += 1
        child.state = ChildState.WAITING
        self._tell(f"{name} died ({reason}); restart {child.restarts} of at most {len(self._backoff_s)}")
        self._publish_pids()

    def _publish_pids(self) -> None:
        part = self._pids_file.with_suffix(".part")
        part.write_text(json.dumps(self.pids(), indent=2) + "\n")
        part.replace(self._pids_file)


def _start_failure(child: Child) -> RicityError:
    """What a process said when it refused to start, as the error it is."""
    code, message = child.last_error()
    text = f"{child.name} did not start: {message} ({child.ending()}; see {child.log})"
    exit_code = child.spec.runner.exit_code
    if exit_code == EXIT_UNUSABLE_INPUT:
        return InvalidInput(text)
    if exit_code == EXIT_UNREACHABLE:
        return StoreUnreachable(text) if code == StoreUnreachable.code else RicUnreachable(text)
    return DeploymentFailed(text)
