"""What a local deployment consists of, as process specifications."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ric_sim.radio.learned.starting import NONE, SHIPPED
from ric_sim.store.embedded import EmbeddedServer
from services.cli.local.child import ProcessSpec, ready_file_probe
from services.cli.local.folder import RunFolder
from services.cli.local.options import RunOptions
from services.cli.local.runner import EmbeddedStoreRunner, ProgramRunner
from services.cli.local.slicing import CRITIC, N_DUS, RADIO

STORE, RIC, NODES, PLANNERS = "store", "ric", "nodes", "planners"
HOST = "127.0.0.1"


class Deployment:
    """Process specifications of one run; building one starts nothing."""

    def __init__(self, options: RunOptions, folder: RunFolder, *, store_url: str, namespace: str, ric_port: int) -> None:
        self._options = options
        self._folder = folder
        self._city = {"RICITY_PROFILE": options.profile} | _given("RICITY_CITY_FILE", options.city)
        self.store_url = store_url
        self.namespace = namespace
        self.ric = f"{HOST}:{ric_port}"
        self._ric_port = ric_port

    def ric_process(self) -> ProcessSpec:
        """E2 termination, delivery and the door to the store."""
        env = {
            "RICITY_GRPC_PORT": str(self._ric_port),
            "RICITY_STORE_URL": self.store_url,
            "RICITY_NAMESPACE": self.namespace,
            **_given(
                "RICITY_STORE_PASSWORD_FILE", self._options.store_password_file and self._options.store_password_file.resolve()
            ),
            **_given("RICITY_PREEMPTION", self._options.preempt or None),
            **_given("RICITY_CONGESTION_SIGNALS", self._options.signals or None),
        }
        return self._process(RIC, "services.ric.main", {**self._city, **env})

    def xapp_processes(self, services: Sequence[str]) -> list[ProcessSpec]:
        """One routing xApp per service key."""
        return [
            self._process(
                f"routing-{key}",
                "xapps.routing.main",
                {
                    "RICITY_RIC": self.ric,
                    "RICITY_SERVICE": key,
                    "RICITY_POLICY": self._options.policy,
                    "RICITY_REPLANS": str(self._options.replans),
                    **_given("RICITY_WEIGHTS", self._options.weights and self._options.weights.resolve()),
                },
            )
            for key in services
        ]

    def nodes_process(self) -> ProcessSpec:
        """The emulated E2 nodes, which play the day once every service has a subscriber."""
        options = self._options
        env = {
            "RICITY_RIC": self.ric,
            "RICITY_DAY": options.day,
            "RICITY_IN_FLIGHT": str(options.in_flight),
            "RICITY_OUT": str(self._folder.root.resolve()),
            "RICITY_EXIT_WHEN_DONE": str(not options.keep),
            "RICITY_WAIT_FOR_SERVICES": "true",
            "RICITY_SPEED": options.speed,
            **_given("RICITY_RATE", options.rate),
            **_given("RICITY_SEED", options.seed),
            **_given("RICITY_MAX_FLOWS", options.max_flows),
            **_given("RICITY_FLOW_FILE", options.flows),
        }
        return self._process(NODES, "services.nodes.main", {**self._city, **env}, ends_by_itself=True)

    def slicing_processes(self) -> list[ProcessSpec]:
        """The radio network, one dApp per O-DU, and their critic; they find each other in any order."""
        radio_port, critic_port = free_port(), free_port()
        out = self._folder.root.resolve()
        seed = str(self._options.seed or 0)
        radio = {"RICITY_GRPC_PORT": str(radio_port), "RICITY_DUS": str(N_DUS), "RICITY_RADIO_SEED": seed, "RICITY_OUT": str(out)}
        radio["RICITY_RIC"] = self.ric
        critic = {
            "RICITY_GRPC_PORT": str(critic_port),
            "RICITY_DUS": str(N_DUS),
            "RICITY_LEARN_SEED": seed,
            "RICITY_NICENESS": "5",
            "RICITY_SLICING_WEIGHTS": self._slicing_weights,
            "RICITY_OUT": str(out / CRITIC),
        }
        links = {
            "RICITY_RADIO": f"{HOST}:{radio_port}",
            "RICITY_CRITIC": f"{HOST}:{critic_port}",
            "RICITY_SLICING_WEIGHTS": self._slicing_weights,
        }
        dapps = [
            self._process(f"slicing-du-{du}", "xapps.slicing.main", {"RICITY_DU": str(du), "RICITY_EXPLORE_SEED": seed, **links})
            for du in range(N_DUS)
        ]
        return [
            self._process(RADIO, "services.radio.main", radio),
            self._process(CRITIC, "xapps.critic.main", critic),
            *dapps,
        ]

    @property
    def _slicing_weights(self) -> str:
        """As the processes take it, whatever folder they run in."""
        choice = self._options.slicing_weights
        return choice if choice in (NONE, SHIPPED) else str(Path(choice).resolve())

    def _process(self, name: str, module: str, env: Mapping[str, str], *, ends_by_itself: bool = False) -> ProcessSpec:
        ready_file = (self._folder.ready / f"{name}.json").resolve()
        runner = ProgramRunner((sys.executable, "-m", module), {**env, "RICITY_READY_FILE": str(ready_file)})
        return ProcessSpec(name, runner, ready_file_probe(ready_file), ends_by_itself=ends_by_itself)


def store_process(server: EmbeddedServer) -> ProcessSpec:
    """The embedded store; it answers as soon as it is started."""
    return ProcessSpec(STORE, EmbeddedStoreRunner(server), ready=lambda _pid: {})


def planners_process() -> ProcessSpec:
    """Compiles the planners into the on-disk cache or finds them there, so that six xApps that start together only load them."""
    runner = ProgramRunner((sys.executable, "-m", "ric_sim.network.policies"), {})
    return ProcessSpec(PLANNERS, runner, ready=lambda _pid: None, ready_within_s=300.0, ends_by_itself=True)


def free_port(preferred: int = 0) -> int:
    """`preferred` if nothing listens there, else a port that is free now."""
    if preferred and not _listens(preferred):
        return preferred
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    """Found by connecting: gRPC listens on IPv6 sockets, which a bind to the IPv4 address does not always run into."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _given(name: str, value: object | None) -> dict[str, str]:
    """A variable that is only set when there is something to say."""
    return {} if value is None else {name: str(value)}
