"""Where the parts are: from the settings, or from the ready files of a `ricity run`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ric_sim.domain.errors import InvalidInput
from services.console.settings import ConsoleSettings

RIC, NODES, RADIO, CRITIC, MANAGER, REGISTRY = "ric", "nodes", "radio", "critic", "manager", "registry"


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses of the parts.

    Attributes:
        ric: host:port of its gRPC services.
        manager: URL of its REST interface.
        registry: URL of its REST interface; empty if there is none.
        status: part name -> host:port of its status port.
    """

    ric: str
    manager: str
    registry: str
    status: Mapping[str, str]


def find_places(settings: ConsoleSettings) -> Places:
    """Reads the run folder anew, because a part that is started again has another port.

    Raises:
        InvalidInput: `parts` is not name=host:port,...
    """
    status = parse_parts(settings.parts)
    if settings.run_folder is None:
        return Places(settings.ric, settings.manager, settings.registry_url, status)
    facts = _ready_files(settings.run_folder / "ready")
    ports = {name: f"127.0.0.1:{fact['status_port']}" for name, fact in facts.items() if "status_port" in fact}
    ric, manager, registry = settings.ric, settings.manager, settings.registry_url
    if "grpc_port" in facts.get(RIC, {}):
        ric = f"127.0.0.1:{facts[RIC]['grpc_port']}"
    if "http_port" in facts.get(MANAGER, {}):
        manager = f"http://127.0.0.1:{facts[MANAGER]['http_port']}"
    if "rest_port" in facts.get(REGISTRY, {}):
        registry = f"http://127.0.0.1:{facts[REGISTRY]['rest_port']}"
    return Places(ric, manager, registry, {**ports, **status})


def parse_parts(text: str) -> dict[str, str]:
    """Part name -> host:port of `a=host:port,b=host:port`; `InvalidInput` for anything else."""
    found: dict[str, str] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, address = word.partition("=")
        host, _, port = address.rpartition(":")
        if not name or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise InvalidInput(f"RICITY_PARTS: {word!r}: expected name=host:port, e.g. nodes=127.0.0.1:9101")
        found[name] = address
    return found


def _ready_files(folder: Path) -> dict[str, dict[str, int]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
