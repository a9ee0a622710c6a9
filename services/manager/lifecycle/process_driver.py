"""xApps as processes of this machine that outlive the manager.

Each instance has a folder with its record, its output, its process id and a lock. The process inherits the locked file and
holds it open for as long as it lives: whether it lives is asked of the lock, never of a process id that may be another's by now.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, ClassVar

from ric_sim.domain.errors import DeploymentFailed, DriverUnavailable
from services.common.child_environment import clean_environment
from services.manager.lifecycle.descriptor import Place, XappVersion
from services.manager.lifecycle.driver import Environment, Versions, Workload, WorkloadState

_RECORD, _LOCK, _PID, _OUTPUT = "record.json", "alive.lock", "pid", "output.jsonl"
_POLL_S = 0.02
_TAIL_BYTES = 8192
_DETAIL_LENGTH = 300
# The process writes its own id before it becomes the program, so that a manager killed meanwhile still finds it.
_ENTER = 'echo $$ >"$1.part" && mv "$1.part" "$1" && shift && exec "$@"'


@dataclass(frozen=True, slots=True)
class _Record:
    instance_id: str
    name: str
    version: str
    settings: Mapping[str, str]
    started_at: float


class ProcessDriver:
    """`Driver` for local processes."""

    name: ClassVar[str] = "process"
    places: ClassVar[frozenset[Place]] = frozenset(Place)

    def __init__(self, folder: Path, versions: Versions, env: Environment) -> None:
        """`env`: xApp name to the `RICITY_*` variables it gets from where it runs (where the RIC is)."""
        self._folder = folder
        self._versions = versions
        self._env = env
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    async def start(self, name: str, version: str, settings: Mapping[str, str]) -> str:
        """As `Driver.start`."""
        spec = self._versions(name, version)
        argv = _argv(spec)
        record = _Record(f"{name[:40]}-{uuid.uuid4().hex[:8]}", name, version, dict(settings), time.time())
        told = {"RICITY_INSTANCE_ID": record.instance_id, "RICITY_XAPP_VERSION": version}
        env = {**clean_environment(), **self._env(name), **spec.env, **settings, **told}
        try:
            self._launch(record, argv, env)
        except OSError as error:
            raise DriverUnavailable(f"{name} {version} cannot be started on this machine: {error}") from error
        except ValueError as error:
            raise DeploymentFailed(f"{name} {version} has a command or a variable that no process can have: {error}") from error
        return record.instance_id

    async def stop(self, instance_id: str, *, grace_s: float = 10.0) -> None:
        """As `Driver.stop`."""
        folder = self._folder / instance_id
        deadline_s = time.monotonic() + grace_s
        number = signal.SIGTERM
        signalled = False
        while folder.exists() and self._lives(instance_id):
            if number == signal.SIGTERM and time.monotonic() > deadline_s:
                number, signalled = signal.SIGKILL, False
            pid = _read_pid(folder)
            if pid is not None and not signalled:
                _signal(pid, number)
                signalled = True
            await asyncio.sleep(_POLL_S)
        self._forget(instance_id)

    async def workloads(self) -> Sequence[Workload]:
        """As `Driver.workloads`."""
        try:
            folders = [folder for folder in self._folder.iterdir() if folder.is_dir()]
        except OSError as error:
            raise DriverUnavailable(f"{self._folder}: {error.strerror}: it must be readable") from error
        found = [(record, folder) for folder in folders if (record := _read_record(folder)) is not None]
        found.sort(key=lambda entry: entry[0].started_at)
        return [workload for record, folder in found if (workload := self._workload(record, folder)) is not None]

    def _launch(self, record: _Record, argv: Sequence[str], env: Mapping[str, str]) -> None:
        folder = self._folder / record.instance_id
        folder.mkdir()
        lock = (folder / _LOCK).open("wb")
        with lock, (folder / _OUTPUT).open("ab") as output:
            fcntl.flock(lock, fcntl.LOCK_EX)
            part = folder / f"{_RECORD}.part"
            part.write_text(json.dumps(asdict(record)))
            part.replace(folder / _RECORD)
            self._children[record.instance_id] = subprocess.Popen(
                ("/bin/sh", "-c", _ENTER, "sh", str(folder / _PID), *argv),
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(lock.fileno(),),
                process_group=0,
            )

    def _workload(self, record: _Record, folder: Path) -> Workload | None:
        lives = self._lives(record.instance_id)
        if not lives and not (folder / _PID).exists():
            self._forget(record.instance_id)  # a manager was killed before it started the process
            return None
        child = self._children.get(record.instance_id)
        return Workload(
            instance_id=record.instance_id,
            name=record.name,
            version=record.version,
            state=WorkloadState.RUNNING if lives else WorkloadState.EXITED,
            exit_code=None if lives or child is None else child.poll(),
            detail="" if lives else _last_words(folder / _OUTPUT),
            settings=record.settings,
        )

    def _lives(self, instance_id: str) -> bool:
        child = self._children.get(instance_id)
        if child is not None:
            child.poll()  # reaps it
        try:
            with (self._folder / instance_id / _LOCK).open("rb") as lock:
                return _is_held(lock)
        except FileNotFoundError:
            return False

    def _forget(self, instance_id: str) -> None:
        child = self._children.pop(instance_id, None)
        if child is not None:
            child.wait()
        shutil.rmtree(self._folder / instance_id, ignore_errors=True)


def _argv(spec: XappVersion) -> tuple[str, ...]:
    if spec.module:
        return (sys.executable, "-m", spec.module)
    if spec.command:
        return spec.command
    raise DeploymentFailed(
        f"{spec.name} {spec.version} has neither a module nor a command in its descriptor: a process needs one of them"
    )


def _read_record(folder: Path) -> _Record | None:
    try:
        return _Record(**json.loads((folder / _RECORD).read_text()))
    except (FileNotFoundError, ValueError, TypeError):  # not written yet, or not whole after a loss of power
        return None


def _read_pid(folder: Path) -> int | None:
    try:
        return int((folder / _PID).read_text())
    except FileNotFoundError:
        return None


def _is_held(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended since


def _last_words(output: Path) -> str:
    """What it said last, its typed error if it printed one."""
    try:
        with output.open("rb") as file:
            file.seek(max(0, output.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    for line in reversed(lines):
        if line.startswith("{") and '"process.failed"' in line:
            with contextlib.suppress(ValueError, KeyError):  # anybody may write such a line, and a full disk cuts it off
                return str(json.loads(line)["error"])[:_DETAIL_LENGTH]
    return lines[-1].strip()[:_DETAIL_LENGTH] if lines else ""
