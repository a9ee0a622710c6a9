"""Every REST interface on a port of its own, before one real RIC; nothing they are asked for starts a program or calls out."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from services.common.rest_guard import protect
from services.common.rest_server import serving
from services.console.composition import running_console
from services.console.settings import ConsoleSettings
from services.manager.composition import running_manager
from services.manager.settings import ManagerSettings
from services.registry.registry import Registry
from services.registry.routes import create_app
from services.registry.settings import RegistrySettings
from tests.contract.rest.scripted_engine import scripted_engine
from tests.harness import eventually, ric_on_embedded_store
from tests.untrained import untrained_folder

NAMES = ("manager", "manager-osc", "registry", "console")
MODEL = "routing-amarl-video"


@dataclass(frozen=True, slots=True)
class RestApps:
    """URL by name; `tokens_file` is theirs, None if they ask for no token."""

    urls: dict[str, str]
    tokens_file: Path | None


@contextlib.asynccontextmanager
async def rest_apps(folder: Path, tokens_file: Path | None = None, console_token: Path | None = None) -> AsyncIterator[RestApps]:
    """All of them, with state in `folder`; the registry holds two versions of `MODEL`.

    Args:
        console_token: file with the token that the console brings to manager and registry.
    """
    log = structlog.get_logger()
    async with contextlib.AsyncExitStack() as stack:
        ric_port = (await stack.enter_async_context(ric_on_embedded_store())).grpc_port
        common: dict[str, Any] = {"http_port": 0, "ric": f"127.0.0.1:{ric_port}", "tokens_file": tokens_file}
        lifecycle = {
            "xapp_folder": folder / "xapps",
            "driver": "docker",  # whatever a made-up descriptor names, nothing is started
            "docker_socket": await stack.enter_async_context(scripted_engine()),
            "docker_project": "ricity-fuzz",
        }
        manager = await stack.enter_async_context(
            running_manager(ManagerSettings(**common, **lifecycle, ab_folder=folder / "ab"), log=log)
        )
        osc = ManagerSettings(**common, a1_dialect="osc", ab_folder=folder / "ab-osc")
        other = await stack.enter_async_context(running_manager(osc, log=log))
        registry = Registry(folder / "registry")
        for seed in range(2):
            registry.publish(MODEL, untrained_folder(folder / f"weights-{seed}", ["video"], seed=seed))
        app = create_app(registry)
        protect(app, RegistrySettings(tokens_file=tokens_file), log=log)
        registry_port = await stack.enter_async_context(serving(app, host="127.0.0.1", port=0))
        console = await stack.enter_async_context(
            running_console(
                ConsoleSettings(
                    **common,
                    manager=f"http://127.0.0.1:{manager.http_port}",
                    registry_url=f"http://127.0.0.1:{registry_port}",
                    manager_token_file=console_token,
                    registry_token_file=console_token,
                )
            )
        )
        await eventually(lambda: console.hub.get("load").get("connected"))  # it has seen the city
        ports = (manager.http_port, other.http_port, registry_port, console.http_port)
        yield RestApps({name: f"http://127.0.0.1:{port}" for name, port in zip(NAMES, ports, strict=True)}, tokens_file)
