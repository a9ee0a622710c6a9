"""What a child of the launcher really is: a Python process, or the embedded store's server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ric_sim.store import exec_with_parent
from ric_sim.store.embedded import EmbeddedServer
from services.common.child_environment import clean_environment


class Runner(Protocol):
    """One process that can be started again after it ended."""

    def start(self, log: Path) -> int:
        """Starts it, output appended to `log`; returns its process id. It ends when the launcher ends, however that ends."""

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""

    @property
    def exit_code(self) -> int | None:
        """How the last one ended: the exit code, or minus the signal; None while it runs."""

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal if it runs."""


class ProgramRunner:
    """A program with arguments and environment variables."""

    def __init__(self, argv: tuple[str, ...], env: Mapping[str, str]) -> None:
        """`env` is set on top of the launcher's environment (without its `RICITY_*`)."""
        self._argv = argv
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, log: Path) -> int:
        guard = (sys.executable, "-I", "-S", exec_with_parent.__file__, str(os.getpid()))
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                (*guard, *self._argv),
                env={**clean_environment(), **self._env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,  # a Ctrl-C in the terminal reaches the launcher only, which then drains in order
            )
        return self._process.pid

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def signal(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)


class EmbeddedStoreRunner:
    """The embedded store's server. `start` returns once it has loaded its data and answers."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._pid: int | None = None
        self._exit_code: int | None = None

    def start(self, log: Path) -> int:
        self._server.kill()  # reaps the one that died
        self._server.start()
        self._pid, self._exit_code = self._server.pid, None
        return self._pid

    @property
    def pid(self) -> int | None:
        return self._pid if self.exit_code is None else None

    @property
    def exit_code(self) -> int | None:
        if self._pid is not None and self._exit_code is None:
            # Looks without reaping: the server object itself waits for its process.
            status = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if status is not None:
                exited = status.si_code == os.CLD_EXITED
                self._exit_code = status.si_status if exited else -status.si_status
        return self._exit_code

    def signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            os.kill(self.pid, number)
