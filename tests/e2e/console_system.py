"""A whole small system as processes for the console's tests: store, RIC, nodes, xApps, radio, dApps, critic, manager, registry,
console."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ric_sim.store.embedded import EmbeddedServer
from services.registry.registry import Registry
from tests.untrained import untrained_folder

WITHIN_S = 240.0
STOPS_WITHIN_S = 90.0
SERVICES = ("ar", "gaming", "industry", "iot", "video", "voip")
MANAGED = "voip"
"""Its xApp is run by the manager, the others from here."""

MODEL = f"routing-amarl-{MANAGED}"
OLD, NEW = "1.0.0", "2.0.0"
N_DUS = 3
LEARNING = """
name: quick
variant: ta-sam
world: {n_dus: 3, replicas: 1, episode: 100}
network: {hidden: [16, 16]}
sac: {batch: 8, replay: 400, warm_up: 8}
sam: {critic: true, actors: selected}
evaluation: {every: 1000}
total_steps: 1000
"""


def until(condition: Callable[[], Any], what: str, *, within_s: float = WITHIN_S) -> Any:
    """The first truthy value of the condition."""
    deadline_s = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what}"
        threading.Event().wait(0.05)
    return value


def descriptor(name: str, version: str) -> dict[str, Any]:
    """As the manager takes it."""
    return {
        "xapp_name": name,
        "version": version,
        "module": "xapps.routing.main",
        "env": {"RICITY_SERVICE": MANAGED, "RICITY_POLICY": "cspf"},
        "subscriptions": {"inserts": [MANAGED]},
        "controls": ["route", "reject"],
    }


class System:
    """Processes by name, in a folder laid out as a run's: `ready/<name>.json` and `<name>.log`."""

    def __init__(self, folder: Path, services: tuple[str, ...] = SERVICES, *, slicing: bool = True) -> None:
        self.folder, self.services, self.slicing = folder, services, slicing
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._specs: dict[str, tuple[str, dict[str, object]]] = {}
        self._store = EmbeddedServer()
        (folder / "ready").mkdir(parents=True)

    def __enter__(self) -> "System":
        self._store.start()
        try:
            self._start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(STOPS_WITHIN_S)
        for pid in (self.folder / "xapps").glob("instances/*/pid"):  # what the manager runs outlives it
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGTERM)
        self._store.close()

    def _start_all(self) -> None:
        self.start("ric", "services.ric.main", grpc_port=0, store_url=self._store.url)
        ric = f"127.0.0.1:{self.facts('ric')['grpc_port']}"
        folders = {"xapp_folder": self.folder / "xapps", "ab_folder": self.folder / "ab"}
        self.start("manager", "services.manager.main", ric=ric, http_port=0, **folders)
        self._start_registry()
        self.start("console", "services.console.main", run_folder=self.folder, http_port=0, manager="http://127.0.0.1:9")
        for service in self.services:
            if service == MANAGED:
                continue
            self.start(f"routing-{service}", "xapps.routing.main", ric=ric, service=service, policy="cspf")
        if self.slicing:
            self._start_slicing()
        self.start(
            "nodes", "services.nodes.main", ric=ric, wait_for_services=self.services == SERVICES, speed=60, max_flows=40_000
        )
        for name in self._specs:
            self.facts(name)
        self._manage_one()

    def _start_slicing(self) -> None:
        self.start("radio", "services.radio.main", grpc_port=0, dus=N_DUS, ues=60, frames_per_s=20, deadline_ms=1000)
        (self.folder / "quick.yaml").write_text(LEARNING)
        learning = {"config": self.folder / "quick.yaml", "push_every": 4, "trial_decisions": 0, "rehearsal_steps": 20}
        self.start("critic", "xapps.critic.main", grpc_port=0, **learning)
        critic = f"127.0.0.1:{self.facts('critic')['grpc_port']}"
        radio = f"127.0.0.1:{self.facts('radio')['grpc_port']}"
        for du in range(N_DUS):
            links = {"radio": radio, "critic": critic, "batch_transitions": 4}
            self.start(f"slicing-du-{du}", "xapps.slicing.main", du=du, **links)

    def _start_registry(self) -> None:
        """With two versions of a model."""
        registry = Registry(self.folder / "registry")
        for seed in range(2):
            weights = untrained_folder(self.folder / f"weights-{seed}", [MANAGED], seed=seed)
            registry.publish(MODEL, weights, metrics={"gos_validation": 0.97 + seed / 100})
        self.start("registry", "services.registry.main", registry=registry.root, rest_port=0)

    def _manage_one(self) -> None:
        """The manager deploys an xApp, upgrades it and compares the two versions."""
        name = f"routing-{MANAGED}"
        for version in (OLD, NEW):
            self.ask_manager("POST", "/v1/xapps", descriptor(name, version))
        self.ask_manager("POST", f"/v1/xapps/{name}/deploy", {"version": OLD, "replicas": 1})
        self.attached(name, OLD)
        plan = {"to": NEW, "weights_percent": [50, 100], "step_s": 1.0, "drain_within_s": 5.0, "ready_within_s": WITHIN_S}
        rollout = self.ask_manager("POST", f"/v1/xapps/{name}/upgrade", plan)["id"]
        ended = until(lambda: self._ended(rollout), f"the rollout: {self.log('manager')}")
        assert ended["state"] == "succeeded", ended
        self.ask_manager("POST", f"/v1/xapps/{name}/deploy", {"version": OLD, "replicas": 1, "standby": True})
        self.attached(name, OLD)
        self.ask_manager("POST", "/v1/ab", {"xapp": name, "baseline": NEW, "candidate": OLD, "candidate_percent": 40})

    def _ended(self, rollout: str) -> dict[str, Any] | None:
        found: dict[str, Any] = self.ask_manager("GET", f"/v1/rollouts/{rollout}")
        return found if found["ended_at"] is not None else None

    def attached(self, name: str, version: str) -> None:
        """Waits until an instance of the version is ready at the RIC."""

        def is_ready() -> bool:
            rows = {row["name"]: row for row in self.ask_manager("GET", "/v1/xapps")["xapps"]}[name]["versions"]
            return any(row["version"] == version and row["state"] == "ready" for row in rows)

        until(is_ready, f"{name} {version} ready")

    def ask_manager(self, method: str, path: str, body: Any = None) -> Any:
        """The manager's answer; a refusal fails the test."""
        url = f"http://127.0.0.1:{self.facts('manager')['http_port']}{path}"
        request = urllib.request.Request(url, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def start(self, name: str, module: str, **settings: object) -> None:
        """Starts a process with these settings."""
        self._specs[name] = (module, settings)
        self.start_again(name)

    def start_again(self, name: str, **overrides: object) -> None:
        """Starts a process as it was started before, but for `overrides`."""
        module, settings = self._specs[name]
        ready = self.folder / "ready" / f"{name}.json"
        ready.unlink(missing_ok=True)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("RICITY_")}
        given = {"ready_file": ready, "die_with_parent": True, **settings, **overrides}
        env = inherited | {f"RICITY_{key.upper()}": str(value) for key, value in given.items()}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen([sys.executable, "-m", module], env=env, stdout=log, stderr=log)

    def stop(self, name: str) -> None:
        """Ends a process and forgets where it was."""
        process = self.processes[name]
        process.send_signal(signal.SIGTERM)
        process.wait(STOPS_WITHIN_S)

    def facts(self, name: str) -> dict[str, int]:
        """What the process published once it was ready; waits for that."""
        path = self.folder / "ready" / f"{name}.json"
        ended = self.processes[name].poll
        until(lambda: path.exists() or ended() is not None, f"{name} ready: {self.log(name)}")
        assert path.exists(), self.log(name)
        return json.loads(path.read_text())

    def log(self, name: str) -> str:
        """What a process has logged."""
        return (self.folder / f"{name}.log").read_text()

    @property
    def page(self) -> str:
        """URL of the console."""
        return self.page_of("console")

    def page_of(self, console: str) -> str:
        """URL of one of several consoles."""
        return f"http://127.0.0.1:{self.facts(console)['http_port']}/"

    def cpu_s(self, name: str) -> float:
        """CPU seconds a process has used."""
        fields = Path(f"/proc/{self.processes[name].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str) -> Any:
        """A JSON document of the console."""
        with urllib.request.urlopen(self.page + path, timeout=10) as answer:
            return json.load(answer)
