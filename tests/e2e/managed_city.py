"""A RIC on an embedded store, a manager and nodes, each a real process; the manager runs the xApps."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.common.child_environment import clean_environment
from tests.e2e.live_run import WITHIN_S, run_ricity


class Part:
    """One process, and what it published once it was ready."""

    def __init__(self, module: str, folder: Path, **settings: Any) -> None:
        name = module.split(".")[1]
        self.ready_file = folder / f"{name}.json"
        self.ready_file.unlink(missing_ok=True)
        self.log = folder / f"{name}.log"
        chosen = {f"RICITY_{key.upper()}": str(value) for key, value in settings.items()}
        env = {**clean_environment(), **chosen, "RICITY_READY_FILE": str(self.ready_file)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen((sys.executable, "-m", module), env=env, stdout=log, stderr=subprocess.STDOUT)

    def facts(self) -> dict[str, Any]:
        """Waits for it to be ready."""
        self.until(self.ready_file.exists, "ready")
        return json.loads(self.ready_file.read_text())

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + WITHIN_S
        while not condition():
            assert time.monotonic() < deadline_s, f"{what} did not come true: {self.log.read_text()[-2000:]}"
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            assert condition(), f"ended before {what}: {self.log.read_text()[-2000:]}"

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(WITHIN_S)


class ManagedCity:
    """Stops everything it has started, the manager's xApps too."""

    def __init__(self, folder: Path, store_url: str) -> None:
        self.folder = folder
        self._store_url = store_url
        self.ric_port = 0
        self.ric: Part | None = None
        self.manager: Part | None = None
        self.nodes: Part | None = None
        try:
            self.start_ric()
            self.start_manager()
        except BaseException:
            self.close()
            raise

    def start_ric(self) -> None:
        """The second time on the same port and store."""
        self.ric = Part("services.ric.main", self.folder, grpc_port=self.ric_port, store_url=self._store_url)
        self.ric_port = self.ric.facts()["grpc_port"]

    def start_manager(self) -> None:
        settings = {"xapp_folder": self.folder / "xapps", "ab_folder": self.folder / "ab"}
        self.manager = Part("services.manager.main", self.folder, ric=f"127.0.0.1:{self.ric_port}", http_port=0, **settings)
        self.url = f"http://127.0.0.1:{self.manager.facts()['http_port']}"

    def play(self, flow_file: Path, **settings: Any) -> Part:
        """Nodes that play a day and end with it."""
        self.nodes = Part(
            "services.nodes.main",
            self.folder,
            ric=f"127.0.0.1:{self.ric_port}",
            flow_file=flow_file,
            exit_when_done=True,
            out=self.folder,
            **settings,
        )
        return self.nodes

    def settled(self) -> int:
        """Requests of the day that have their final record."""
        progress = self.folder / "progress.json"
        return json.loads(progress.read_text()).get("settled", 0) if progress.exists() else 0

    def xapp(self, *words: object) -> tuple[int, Any]:
        """A `ricity xapp` command: exit code and its object."""
        code, said, error = run_ricity("xapp", *words, "--manager", self.url)
        assert said is not None, error
        return code, said

    def close(self) -> None:
        if self.manager is not None:
            self.manager.end()  # first: it would start again what ends
        end_instances(self.folder / "xapps")
        for part in (self.nodes, self.ric):
            if part is not None:
                part.end()


def end_instances(xapp_folder: Path) -> None:
    """What a manager that has gone has left running."""
    for pid_file in (xapp_folder / "instances").glob("*/pid"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(pid_file.read_text()), signal.SIGTERM)
