"""`ricity a1`: policies over A1, through the manager's REST interface."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from ric_sim.domain.errors import InvalidInput, NotFound
from services.cli.manager_rest import DEFAULT_MANAGER, ManagerOption, ask_manager
from services.cli.output import JsonOption, emit, table
from services.cli.watching import DEFAULT_EVERY_S, CountOption, EveryOption, Pace, View, WatchOption, present

app = typer.Typer(
    help="A1 policies: what operators tell the agents to do, and whether they do it.\n\n"
    "A policy is a JSON document of one of the types that `ricity a1 types` lists; `ricity a1 types TYPE` prints its schema. "
    "It is in force when `ricity a1 status` says ENFORCED: every part that has to obey has confirmed it.",
    no_args_is_help=True,
)

_PREFIX = "/A1-P/v2/policytypes"
_STDIN = "-"

TypeArgument = Annotated[str, typer.Argument(metavar="TYPE", help="Policy type, as `ricity a1 types` lists it.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Policy id; unique among the policies of all types.")]


@app.command("types")
def types(
    type_id: Annotated[str, typer.Argument(metavar="[TYPE]", help="Print the schemas of this type.", show_default=False)] = "",
    manager: ManagerOption = DEFAULT_MANAGER,
    as_json: JsonOption = False,
) -> None:
    """List the policy types, or print one type's JSON schemas.

    Examples:

      ricity a1 types

      ricity a1 types ORAN_TrafficSteeringPreference
    """
    if type_id:
        schemas = ask_manager(manager, "GET", _path(type_id)).json()
        emit(schemas, as_json=as_json, people=lambda: json.dumps(schemas, indent=2))
        return
    rows = [{"type": name, "policies": len(_policy_ids(manager, name))} for name in _type_ids(manager)]
    cells = [tuple(row.values()) for row in rows]
    emit({"types": rows}, as_json=as_json, people=lambda: table(f"Policy types at {manager}", ("<type", "policies"), cells))


@app.command("list")
def list_policies(
    manager: ManagerOption = DEFAULT_MANAGER,
    watch: WatchOption = False,
    every_s: EveryOption = DEFAULT_EVERY_S,
    count: CountOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List all policies with their status.

    Examples:

      ricity a1 list --json

      ricity a1 list --watch
    """
    present(lambda: _policies(manager), Pace(watch, every_s, count), as_json=as_json)


def _policies(manager: str) -> View:
    rows = []
    for type_id in _type_ids(manager):
        for policy_id in _policy_ids(manager, type_id):
            # One that was deleted since its id was read is no policy any more.
            with contextlib.suppress(NotFound):
                status_row = _status_row(_status(manager, type_id, policy_id))
                rows.append({"policy_id": policy_id, "type": type_id, **status_row})
    columns = ("<policy", "<type", "<status", "<reason")
    cells = [tuple(row.values()) for row in rows]
    return View({"policies": rows}, lambda: table(f"A1 policies at {manager}", columns, cells))


@app.command("put")
def put(
    type_id: TypeArgument,
    policy_id: IdArgument,
    document: Annotated[str, typer.Argument(metavar="FILE|JSON|-", help="A file, the JSON itself, or - for standard input.")],
    notify: Annotated[str, typer.Option("--notify", help="http(s) URI that gets every change of the status.")] = "",
    manager: ManagerOption = DEFAULT_MANAGER,
    as_json: JsonOption = False,
) -> None:
    """Create a policy, or replace the one of this id.

    Links are named `source>target`, nodes by their name in the city (`ricity city show --json`).

    Examples:

      ricity a1 put ORAN_TrafficSteeringPreference keep-off policy.json

      ricity a1 put ORAN_TrafficSteeringPreference keep-off
      '{"scope": {"serviceIdList": ["video"]}, "tspResources": [{"preference": "FORBID", "nodeIdList": ["du-3"]}]}'

      ricity a1 put ORAN_QoSTarget first '{"scope": {"serviceIdList": ["industry"]}, "qosObjectives": {"priorityLevel": 1}}'
    """
    query = {"notificationDestination": notify} if notify else None
    reply = ask_manager(manager, "PUT", _path(type_id, policy_id), content=_document(document), params=query)
    done = {"policy_id": policy_id, "type": type_id, "outcome": "created" if reply.status_code == 201 else "replaced"}
    emit(done, as_json=as_json, people=lambda: f"{policy_id}: {done['outcome']}; `ricity a1 status {type_id} {policy_id}` tells")


@app.command("get")
def get(
    type_id: TypeArgument, policy_id: IdArgument, manager: ManagerOption = DEFAULT_MANAGER, as_json: JsonOption = False
) -> None:
    """Print a policy as it was put.

    Example:

      ricity a1 get ORAN_TrafficSteeringPreference keep-off
    """
    document = ask_manager(manager, "GET", _path(type_id, policy_id)).json()
    emit(document, as_json=as_json, people=lambda: json.dumps(document, indent=2))


@app.command("status")
def status(
    type_id: TypeArgument,
    policy_id: IdArgument,
    manager: ManagerOption = DEFAULT_MANAGER,
    watch: WatchOption = False,
    every_s: EveryOption = DEFAULT_EVERY_S,
    count: CountOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say whether a policy is enforced, and if not, why.

    SCOPE_NOT_APPLICABLE: nothing here is in its scope. STATEMENT_NOT_APPLICABLE: no part can enforce what it states.
    OTHER_REASON: not confirmed (yet), its xApp or the RIC is away, or a newer policy says otherwise.

    Examples:

      ricity a1 status ORAN_TrafficSteeringPreference keep-off --json

      ricity a1 status ORAN_TrafficSteeringPreference keep-off --watch --every-s 0.5
    """
    present(lambda: _one_status(manager, type_id, policy_id), Pace(watch, every_s, count), as_json=as_json)


def _one_status(manager: str, type_id: str, policy_id: str) -> View:
    row = {"policy_id": policy_id, "type": type_id}
    row |= _status_row(_status(manager, type_id, policy_id))
    return View(row, lambda: f"{policy_id}: {row['status']} {row['reason']}".rstrip())


@app.command("delete")
def delete(
    type_id: TypeArgument, policy_id: IdArgument, manager: ManagerOption = DEFAULT_MANAGER, as_json: JsonOption = False
) -> None:
    """End a policy: the agents are free of it a moment later.

    Example:

      ricity a1 delete ORAN_TrafficSteeringPreference keep-off
    """
    ask_manager(manager, "DELETE", _path(type_id, policy_id))
    done = {"policy_id": policy_id, "type": type_id, "outcome": "deleted"}
    emit(done, as_json=as_json, people=lambda: f"{policy_id}: deleted")


def _status(manager: str, type_id: str, policy_id: str) -> dict[str, str]:
    return dict(ask_manager(manager, "GET", _path(type_id, policy_id, "status")).json())


def _status_row(status: dict[str, str]) -> dict[str, str]:
    return {"status": status["enforceStatus"], "reason": status.get("enforceReason", "")}


def _type_ids(manager: str) -> list[str]:
    return ask_manager(manager, "GET", _PREFIX).json()


def _policy_ids(manager: str, type_id: str) -> list[str]:
    return ask_manager(manager, "GET", _path(type_id) + "/policies").json()


def _path(type_id: str, policy_id: str = "", rest: str = "") -> str:
    path = f"{_PREFIX}/{quote(type_id, safe='')}"
    if policy_id:
        path += f"/policies/{quote(policy_id, safe='')}"
    return f"{path}/{rest}" if rest else path


def _document(given: str) -> bytes:
    """What was meant by FILE|JSON|-."""
    if given == _STDIN:
        return sys.stdin.buffer.read()
    if given.lstrip().startswith("{"):
        return given.encode()
    try:
        return Path(given).read_bytes()
    except OSError as error:
        raise InvalidInput(f"{given}: cannot be read: {error.strerror}; expected a file, a JSON object or -") from error
