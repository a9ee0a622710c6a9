"""`ricity xapp`: what the manager does with xApps, through its REST interface."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
import yaml
from rich.console import Group, RenderableType
from rich.text import Text

from ric_sim.domain.errors import DeploymentFailed, InvalidInput
from services.cli.manager_rest import DEFAULT_MANAGER, ManagerOption, ask_manager
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.watching import DEFAULT_EVERY_S, CountOption, EveryOption, Pace, View, WatchOption, present

POLL_S = 0.3
_WITHIN_S = 120.0
_PATH = "/v1/xapps"

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the xApp, e.g. routing-video.")]


def show(
    manager: ManagerOption = DEFAULT_MANAGER,
    watch: WatchOption = False,
    every_s: EveryOption = DEFAULT_EVERY_S,
    count: CountOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List the manager's catalogue: what is wanted, which versions there are, which instances run, and what does not and why.

    Examples:

      ricity xapp catalogue --json

      ricity xapp catalogue --watch
    """
    present(lambda: _catalogue_view(manager), Pace(watch, every_s, count), as_json=as_json)


def _catalogue_view(manager: str) -> View:
    found = _catalogue(manager)
    return View(found, lambda: _catalogue_text(manager, found))


def onboard(
    descriptor: Annotated[Path, typer.Argument(metavar="FILE", help="Descriptor: xapp.yaml, or O-RAN SC's config-file.json.")],
    version: Annotated[str, typer.Option(help="Onboard as this version instead of the file's.")] = "",
    env: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="RICITY_* variable of this version.")] = None,
    image: Annotated[str, typer.Option(metavar="NAME:TAG", help="Container image of this version.")] = "",
    manager: ManagerOption = DEFAULT_MANAGER,
    as_json: JsonOption = False,
) -> None:
    """Take a version into the catalogue; nothing starts. One per service if the descriptor says so.

    Examples:

      ricity xapp onboard xapps/routing/xapp.yaml

      ricity xapp onboard xapps/routing/xapp.yaml --version 0.2.0 --env RICITY_POLICY=cspf
    """
    document = _read_descriptor(descriptor)
    if version:
        document["version"] = version
    if env:
        document["env"] = {**document.get("env", {}), **_variables(env)}
    if image:
        document["containers"] = [_container(document, image)]
    done = ask_manager(manager, "POST", _PATH, json=document).json()
    emit(done, as_json=as_json, people=lambda: f"{done['version']} of {', '.join(done['xapps'])}: onboarded")


def deploy(
    name: NameArgument,
    version: Annotated[str, typer.Option(help="Version of the catalogue; default: the one onboarded last.")] = "",
    replicas: Annotated[int, typer.Option(min=0, help="Instances.")] = 1,
    standby: Annotated[bool, typer.Option("--standby", help="Beside the one that serves, at weight 0, for an A/B test.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until all are attached and subscribed.")] = True,
    manager: ManagerOption = DEFAULT_MANAGER,
    as_json: JsonOption = False,
) -> None:
    """Start instances of a version, or change how many there are. Another version takes over with `upgrade` only.

    Examples:

      ricity xapp deploy routing-video --replicas 2

      ricity xapp deploy routing-video --version 0.2.0 --standby
    """
    chosen = version or xapp_entry(manager, name)["descriptor_version"]
    body = {"version": chosen, "replicas": replicas, "standby": standby}
    done = ask_manager(manager, "POST", xapp_path(name, "deploy"), json=body).json()
    if wait:
        until_ready(manager, name, chosen, replicas)
    done = {"xapp": name, "version": chosen, "replicas": replicas, "desired": done}
    emit(done, as_json=as_json, people=lambda: f"{name} {chosen}: {replicas} {'ready' if wait else 'wanted'}")


def stop(
    name: NameArgument,
    forget: Annotated[bool, typer.Option("--forget", help="Take it out of the catalogue, too.")] = False,
    manager: ManagerOption = DEFAULT_MANAGER,
    as_json: JsonOption = False,
) -> None:
    """Drain and stop the instances that the manager has started. Requests then wait for another one for the grace time.

    Example:

      ricity xapp stop routing-video
    """
    desired = xapp_entry(manager, name)["desired"]
    if forget:
        ask_manager(manager, "DELETE", xapp_path(name))
    elif desired:
        body = {"version": desired["version"], "replicas": 0}
        ask_manager(manager, "POST", xapp_path(name, "deploy"), json=body)
    _until(manager, name, lambda found: not _started(found, name), f"{name}: stopped")
    done = {"xapp": name, "forgotten": forget}
    emit(done, as_json=as_json, people=lambda: f"{name}: stopped{' and forgotten' if forget else ''}")


def config(
    name: NameArgument,
    values: Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="New configuration, whole.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until every instance runs it.")] = True,
    manager: ManagerOption = DEFAULT_MANAGER,
    as_json: JsonOption = False,
) -> None:
    """Print the configuration, or replace it: instances take it while they run, or others with the new one take over.

    Examples:

      ricity xapp config routing-video

      ricity xapp config routing-video RICITY_REPLANS=3
    """
    done: dict[str, Any] = {}
    if values:
        desired = ask_manager(manager, "PUT", xapp_path(name, "config"), json=_variables(values)).json()
        done = {"applied": desired["applied"], "reason": desired["reason"]}
        if wait and desired["replicas"]:
            wanted = {desired["config_generation"]}
            version = desired["version"]
            _until(manager, name, lambda found: _generations(found, name, version) == wanted, f"{name}: generation {wanted}")
    xapp = xapp_entry(manager, name)
    desired = xapp["desired"] or {"config": {}, "config_generation": 0, "version": ""}
    running = sorted(_generations({"xapps": [xapp]}, name, desired["version"]))
    shown = {"xapp": name, "config": desired["config"], "generation": desired["config_generation"], "running": running} | done
    rows = [*shown["config"].items(), ("generation wanted", shown["generation"]), ("generations running", running), *done.items()]
    emit(shown, as_json=as_json, people=lambda: table(f"Configuration of {name}", ("<setting", "<value"), rows))


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the group `ricity xapp`."""
    commands: Mapping[str, Callable[..., None]] = {
        "catalogue": show,
        "onboard": onboard,
        "deploy": deploy,
        "stop": stop,
        "config": config,
    }
    for name, command in commands.items():
        app.command(name)(command)


# --- shared ------------------------------------------------------------------------------------------------------------


def xapp_path(name: str, *rest: str) -> str:
    """Of an xApp in the REST interface."""
    return "/".join((_PATH, quote(name, safe=""), *rest))


def xapp_entry(manager: str, name: str) -> dict[str, Any]:
    """What the manager's catalogue has of an xApp. Raises `InvalidInput`."""
    found = _catalogue(manager)["xapps"]
    for xapp in found:
        if xapp["name"] == name:
            return dict(xapp)
    names = ", ".join(xapp["name"] for xapp in found) or "none"
    raise InvalidInput(f"no xApp {name!r}: there is {names}; `ricity xapp onboard` takes others in")


def until_ready(manager: str, name: str, version: str, replicas: int) -> None:
    """Waits until so many instances of a version are attached and subscribed. Raises `DeploymentFailed` with what hinders it."""
    _until(manager, name, lambda found: _n_ready(found, name, version) == replicas, f"{name} {version}: {replicas} ready")


def _catalogue(manager: str) -> dict[str, Any]:
    return dict(ask_manager(manager, "GET", _PATH).json())


def _versions(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [version for xapp in found["xapps"] if xapp["name"] == name for version in xapp["versions"]]


def _instances(found: Mapping[str, Any], name: str, version: str = "") -> list[dict[str, Any]]:
    versions = [each for each in _versions(found, name) if version in ("", each["version"])]
    return [instance for each in versions for instance in each["instances"]]


def _n_ready(found: Mapping[str, Any], name: str, version: str) -> int:
    return sum(instance["state"] == "ready" for instance in _instances(found, name, version))


def _started(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Instances that are the manager's to stop."""
    return [instance for instance in _instances(found, name) if instance["managed"]]


def _generations(found: Mapping[str, Any], name: str, version: str) -> set[int]:
    return {instance["generation"] for instance in _instances(found, name, version) if instance["state"] == "ready"}


def _until(manager: str, name: str, condition: Callable[[Mapping[str, Any]], bool], what: str) -> None:
    """Waits, and tells what hinders it; Ctrl-C leaves the manager to it. Raises `DeploymentFailed` after `_WITHIN_S`."""
    deadline_s, told = time.monotonic() + _WITHIN_S, ""
    while not condition(found := _catalogue(manager)):
        hindrance = "; ".join(_hindrances(found, name))
        if hindrance not in ("", told):
            error_console.print(hindrance, markup=False, soft_wrap=True)
            told = hindrance
        if time.monotonic() > deadline_s:
            reason = hindrance or "nothing is known to hinder it: see the log of the xApp"
            raise DeploymentFailed(f"{what} not within {_WITHIN_S:.0f} s: {reason}; the manager goes on trying")
        time.sleep(POLL_S)


def _hindrances(found: Mapping[str, Any], name: str) -> list[str]:
    """Why what is wanted of an xApp is not so, one line each."""
    driver = found["driver"]
    silent = [] if driver["answers"] else [f"the driver {driver['name']} does not answer: {driver['reason']}"]
    failing = [f"{name} {each['version']}: {each['reason']}" for each in _versions(found, name) if each["reason"]]
    return silent + failing


def _catalogue_text(manager: str, found: Mapping[str, Any]) -> RenderableType:
    columns = ("<xApp", "<wanted", "replicas", "generation", "<version", "<state", "weight", "<instances")
    rows = [
        _catalogue_row(xapp, version)
        for xapp in found["xapps"]
        for version in xapp["versions"] or [{"version": "", "state": "", "weight": "", "instances": []}]
    ]
    lines = [line for name in ("", *(xapp["name"] for xapp in found["xapps"])) for line in _hindrances(found, name)]
    return Group(table(f"xApps of the manager at {manager}", columns, rows), *map(Text, dict.fromkeys(lines)))


def _catalogue_row(xapp: Mapping[str, Any], version: Mapping[str, Any]) -> tuple[object, ...]:
    desired = xapp["desired"] or {"version": "", "replicas": "", "config_generation": ""}
    instances = ", ".join(
        f"{row['instance_id']} ({row['state']}, generation {row['generation']})" for row in version["instances"]
    )
    wanted = (desired["version"], desired["replicas"], desired["config_generation"])
    return (xapp["name"], *wanted, version["version"], version["state"], version["weight"], instances)


def _read_descriptor(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{path}: cannot be read as YAML or JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInput(f"{path}: expected a mapping with xapp_name, version and module or containers")
    return document


def _container(document: Mapping[str, Any], image: str) -> dict[str, Any]:
    """The descriptor's container with another image."""
    path, _, tag = image.rpartition(":")
    if not path or "/" in tag:
        path, tag = image, "latest"
    registry, slash, name = path.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        registry, name = "", path
    first = document.get("containers", [{}])[0]
    plain_name = str(document["xapp_name"]).partition("{")[0].strip("-")
    return {"name": plain_name, **first, "image": {"registry": registry, "name": name, "tag": tag}}


def _variables(pairs: list[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    if wrong := [name for name, equals, _ in split if not equals]:
        raise InvalidInput(f"{wrong[0]!r}: expected NAME=VALUE, e.g. RICITY_POLICY=cspf")
    return {name: value for name, _, value in split}
