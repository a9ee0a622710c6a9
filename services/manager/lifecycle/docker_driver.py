"""xApps as containers, through the Docker Engine's HTTP interface on its socket.

What the driver starts carries labels; the labels are all it knows. Containers that Compose has started in the same project
with the label `ricity.xapp: <name>` are the xApp's, too: an upgrade replaces them. Nothing else is ever touched.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from ric_sim.domain.errors import DeploymentFailed, DriverUnavailable
from services.manager.lifecycle.descriptor import Place, XappVersion
from services.manager.lifecycle.driver import Environment, Versions, Workload, WorkloadState

API = "/v1.41"
CALL_TIMEOUT_S = 10.0
START_TIMEOUT_S = 15.0
_NAME, _VERSION, _SETTINGS = "ricity.xapp", "ricity.version", "ricity.settings"
_INSTANCE, _PROJECT = "ricity.instance", "ricity.project"
_COMPOSE = "com.docker.compose"
_COMPOSE_PROJECT = f"{_COMPOSE}.project"
KEPT_FOLDER = "/runs"
"""Where a container finds what the one before it has kept."""

_TLS_FOLDER = "/tls"
_KEPT_LOGS = {"max-size": "10m", "max-file": "2"}
_NANO, _MIB = 1_000_000_000, 1 << 20
_TAIL_LINES, _DETAIL_LENGTH = 1, 300
_STREAM_HEADER_BYTES = 8
_EXIT_CODE_IN_STATUS = "Exited ("


@dataclass(frozen=True, slots=True)
class DockerPlace:
    """Where containers go.

    Attributes:
        socket: of the engine.
        network: that the RIC is on.
        image: of xApps whose descriptor names a module but no image.
        project: tells apart several systems on one engine; of Compose if that started this one.
        certificates: volume with an xApp's certificate, `{xapp}` for its name; empty: xApps speak plain text.
        kept: volume of what a critic keeps, `{xapp}` for its name.
        registry: volume of the model registry, which all others read; empty: none.
    """

    socket: Path
    network: str
    image: str
    project: str
    certificates: str = ""
    kept: str = ""
    registry: str = ""


class DockerDriver:
    """`Driver` for a Docker engine."""

    name: ClassVar[str] = "docker"
    places: ClassVar[frozenset[Place]] = frozenset(Place)

    def __init__(self, place: DockerPlace, versions: Versions, env: Environment) -> None:
        """`env`: xApp name to the `RICITY_*` variables it gets from where it runs (where the RIC is)."""
        self._place = place
        self._versions = versions
        self._env = env
        transport = httpx.AsyncHTTPTransport(uds=str(place.socket))
        self._client = httpx.AsyncClient(transport=transport, base_url=f"http://docker{API}", timeout=CALL_TIMEOUT_S)

    async def close(self) -> None:
        """Closes the connection to the engine."""
        await self._client.aclose()

    async def start(self, name: str, version: str, settings: Mapping[str, str]) -> str:
        """As `Driver.start`. The image has to be on the engine already: nothing is pulled."""
        instance_id = f"{name[:40]}-{uuid.uuid4().hex[:8]}"
        body = self._container(self._versions(name, version), instance_id, settings)
        created = await self._call("POST", f"/containers/create?name={quote(f'{self._place.project}-{instance_id}')}", json=body)
        if created.status_code != httpx.codes.CREATED:
            mend = ": build or load it on this engine, nothing is pulled" if created.status_code == httpx.codes.NOT_FOUND else ""
            raise DeploymentFailed(f"{name} {version} as image {body['Image']}: {_message(created)}{mend}")
        container = created.json()["Id"]
        try:
            started = await self._call("POST", f"/containers/{container}/start", timeout=START_TIMEOUT_S)
        except DriverUnavailable:
            with contextlib.suppress(DriverUnavailable):  # else `workloads` tells of it once it is old
                await self._remove(container)
            raise
        if not started.is_success:
            await self._remove(container)
            raise DeploymentFailed(f"{name} {version} as image {body['Image']}: {_message(started)}")
        return instance_id

    async def stop(self, instance_id: str, *, grace_s: float = 10.0) -> None:
        """As `Driver.stop`."""
        for row in await self._rows():
            if _instance_id(row) == instance_id:
                path = f"/containers/{row['Id']}/stop?t={round(grace_s)}"
                await self._call("POST", path, timeout=grace_s + CALL_TIMEOUT_S)
                await self._remove(row["Id"])

    async def workloads(self) -> Sequence[Workload]:
        """As `Driver.workloads`."""
        rows = sorted(await self._rows(), key=lambda row: int(row["Created"]))
        return [await self._workload(row) for row in rows if row["State"] != "removing"]

    async def _workload(self, row: Mapping[str, Any]) -> Workload:
        labels = row["Labels"]
        lives = row["State"] in ("running", "restarting", "paused") or is_being_started(row)
        return Workload(
            instance_id=_instance_id(row),
            name=labels[_NAME],
            version=labels.get(_VERSION, ""),
            state=WorkloadState.RUNNING if lives else WorkloadState.EXITED,
            exit_code=None if lives else _exit_code(row["Status"]),
            detail="" if lives else await self._last_words(row["Id"]),
            settings=json.loads(labels.get(_SETTINGS, "{}")),
        )

    async def _rows(self) -> list[Mapping[str, Any]]:
        """Containers of this project that are xApps."""
        ours = await self._labelled(f"{_PROJECT}={self._place.project}")
        composed = await self._labelled(f"{_COMPOSE_PROJECT}={self._place.project}")
        known = {row["Id"] for row in ours}
        return ours + [row for row in composed if row["Id"] not in known]

    async def _labelled(self, label: str) -> list[Mapping[str, Any]]:
        filters = quote(json.dumps({"label": [label, _NAME]}))
        response = await self._call("GET", f"/containers/json?all=true&filters={filters}")
        if not response.is_success:
            raise DriverUnavailable(f"the Docker engine at {self._place.socket}: {_message(response)}")
        rows: list[Mapping[str, Any]] = response.json()
        return rows

    async def _remove(self, container: str) -> None:
        await self._call("DELETE", f"/containers/{container}?force=true")

    async def _last_words(self, container: str) -> str:
        response = await self._call("GET", f"/containers/{container}/logs?stdout=true&stderr=true&tail={_TAIL_LINES}")
        return response.content[_STREAM_HEADER_BYTES:].decode(errors="replace").strip()[:_DETAIL_LENGTH]

    async def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise DriverUnavailable(
                f"the Docker engine at {self._place.socket} does not answer ({error!r}): expected a running engine, and a socket"
                " that the manager may use: start it, mount its socket there, and set DOCKER_GROUP to its group (`stat -c %g`)"
                " before `docker compose up`; see docker-compose.yml and README.md"
            ) from error

    def _container(self, spec: XappVersion, instance_id: str, settings: Mapping[str, str]) -> dict[str, Any]:
        told = {"RICITY_INSTANCE_ID": instance_id, "RICITY_XAPP_VERSION": spec.version}
        certificate = self._place.certificates.replace("{xapp}", spec.name)
        tls = {"RICITY_TLS_DIR": _TLS_FOLDER} if certificate else {}
        env = {**self._env(spec.name), **tls, **spec.env, **settings, **told}
        command = list(spec.command) or (["python", "-m", spec.module] if spec.module else [])
        return {
            "Image": spec.image or self._place.image,
            **({"Cmd": command} if command else {}),
            "Env": [f"{name}={value}" for name, value in env.items()],
            "Labels": {
                _PROJECT: self._place.project,
                _NAME: spec.name,
                _VERSION: spec.version,
                _INSTANCE: instance_id,
                _SETTINGS: json.dumps(dict(settings)),
                **_as_of_compose(self._place.project, spec.name),
            },
            "NetworkingConfig": {"EndpointsConfig": {self._place.network: {"Aliases": [spec.name]}}},
            "HostConfig": {
                "NetworkMode": self._place.network,
                "Binds": self._binds(spec, certificate),
                "LogConfig": {"Type": "json-file", "Config": _KEPT_LOGS},
                "NanoCpus": round(spec.cpus * _NANO),
                "Memory": spec.memory_mib * _MIB,
                "PidsLimit": 256,
                "ReadonlyRootfs": True,
                "Tmpfs": {"/tmp": ""},
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges:true"],
            },
        }

    def _binds(self, spec: XappVersion, certificate: str) -> list[str]:
        """A critic keeps what it has learnt where the others find the registry."""
        learns = spec.place == Place.CRITIC
        volume = self._place.kept.replace("{xapp}", spec.name) if learns else self._place.registry
        kept = [f"{volume}:{KEPT_FOLDER}{'' if learns else ':ro'}"] if volume else []
        return [*([f"{certificate}:{_TLS_FOLDER}:ro"] if certificate else []), *kept]


def _as_of_compose(project: str, name: str) -> dict[str, str]:
    """Labels that let Compose list, log and take down the container with the rest of its project."""
    return {
        _COMPOSE_PROJECT: project,
        f"{_COMPOSE}.service": name,
        f"{_COMPOSE}.oneoff": "False",
        f"{_COMPOSE}.container-number": str(int(time.time() * 1000)),
        f"{_COMPOSE}.config-hash": "manager",  # without one, Compose takes a container for none of its own
    }


def is_being_started(row: Mapping[str, Any]) -> bool:
    """Created just now. An older one is of a manager, or an engine, that ended between creating and starting it."""
    return row["State"] == "created" and time.time() - int(row["Created"]) < 2 * START_TIMEOUT_S


def _instance_id(row: Mapping[str, Any]) -> str:
    return str(row["Labels"].get(_INSTANCE) or row["Id"][:12])


def _exit_code(status: str) -> int | None:
    """From the engine's words, e.g. `Exited (137) 2 seconds ago`."""
    code = status.removeprefix(_EXIT_CODE_IN_STATUS).partition(")")[0]
    return int(code) if status.startswith(_EXIT_CODE_IN_STATUS) and code.isdigit() else None


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"
