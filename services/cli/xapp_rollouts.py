"""`ricity xapp`: upgrades and their way back, through the manager's REST interface."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ric_sim.domain.errors import InvalidInput
from services.cli.manager_rest import DEFAULT_MANAGER, ManagerOption, ask_manager
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.watching import DEFAULT_EVERY_S, CountOption, EveryOption, Pace, View, WatchOption, present
from services.cli.xapp_manager import POLL_S, NameArgument, xapp_path
from services.common.errors import EXIT_FAILED

_DEFAULT_WEIGHTS = "10,50,100"

StepsOption = Annotated[bool, typer.Option("--watch", help="Tell every step while it goes on.")]


def upgrade(
    name: NameArgument,
    to: Annotated[str, typer.Option(help="Version to go to; in the catalogue.")],
    weights: Annotated[str, typer.Option(help="Shares of the new version, step by step, in %.")] = _DEFAULT_WEIGHTS,
    step_s: Annotated[float, typer.Option(help="How long each share is kept, in seconds.")] = 1.0,
    ready_within_s: Annotated[float, typer.Option(help="Seconds for the new version to attach and subscribe.")] = 60.0,
    drain_within_s: Annotated[float, typer.Option(help="Seconds for the old version to answer what it holds.")] = 10.0,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until the rollout has ended.")] = True,
    watch: StepsOption = False,
    manager: ManagerOption = DEFAULT_MANAGER,
    as_json: JsonOption = False,
) -> None:
    """Replace the version that serves, under load: start the new one, shift the requests, drain and stop the old one.

    `lost` counts requests that no instance answered, `doubled` those answered twice, both counted by the RIC. Exit code 1
    if the rollout was given up (the old version serves as before), any request was lost or doubled, or what runs the xApps
    has not answered for longer than --ready-within-s: the rollout goes on once it does, see `ricity xapp rollouts`.

    Example:

      ricity xapp upgrade routing-video --to 0.2.0 --json
    """
    plan = {"to": to, "weights_percent": _shares(weights), "step_s": step_s}
    plan |= {"ready_within_s": ready_within_s, "drain_within_s": drain_within_s}
    rollout = ask_manager(manager, "POST", xapp_path(name, "upgrade"), json=plan).json()
    _finish(manager, rollout, wait=wait or watch, watch=watch, as_json=as_json)


def rollback(
    name: NameArgument,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it has ended.")] = True,
    watch: StepsOption = False,
    manager: ManagerOption = DEFAULT_MANAGER,
    as_json: JsonOption = False,
) -> None:
    """End the rollout that is under way, or go back to the version before the last upgrade.

    Example:

      ricity xapp rollback routing-video
    """
    rollout = ask_manager(manager, "POST", xapp_path(name, "rollback")).json()
    wanted = "aborted" if rollout["abort_asked"] else "succeeded"
    _finish(manager, rollout, wait=wait or watch, watch=watch, as_json=as_json, wanted=wanted)


def rollouts(
    manager: ManagerOption = DEFAULT_MANAGER,
    watch: WatchOption = False,
    every_s: EveryOption = DEFAULT_EVERY_S,
    count: CountOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List the rollouts: those under way and the last ones.

    Examples:

      ricity xapp rollouts --json

      ricity xapp rollouts --watch
    """
    present(lambda: _rollouts(manager), Pace(watch, every_s, count), as_json=as_json)


def _rollouts(manager: str) -> View:
    found = ask_manager(manager, "GET", "/v1/rollouts").json()
    columns = ("<rollout", "<xApp", "<from", "<to", "<step", "<state", "seconds", "requests", "lost", "doubled", "<reason")
    fields = ("id", "xapp", "from", "to", "step", "state", "duration_s", "requests", "lost", "doubled", "reason")
    rows = [tuple(rollout[field] for field in fields) for rollout in map(_with_waiting, found["rollouts"])]
    return View(found, lambda: table(f"Rollouts at {manager}", columns, rows))


def add_to(app: typer.Typer) -> None:
    """Adds the commands to the group `ricity xapp`."""
    for command in (upgrade, rollback, rollouts):
        app.command(command.__name__)(command)


def _finish(manager: str, rollout: dict[str, Any], *, wait: bool, watch: bool, as_json: bool, wanted: str = "succeeded") -> None:
    if wait:
        rollout = _followed(manager, rollout, watch=watch)
    emit(rollout, as_json=as_json, people=lambda: _rollout_text(rollout))
    if wait and (rollout["state"] != wanted or rollout["lost"] or rollout["doubled"]):
        raise typer.Exit(EXIT_FAILED)


def _followed(manager: str, rollout: dict[str, Any], *, watch: bool) -> dict[str, Any]:
    told, waits_for = 0, ""
    while True:
        for event in rollout["events"][told:] if watch else ():
            error_console.print(
                f"{event['at'] - rollout['started_at']:7.1f} s  {event['step']:<10}  {event['text']}", markup=False
            )
        told = len(rollout["events"])
        if rollout["state"] != "running" or rollout["stalled"]:
            return rollout
        if rollout["waits_for"] not in ("", waits_for):
            error_console.print(f"waits for the driver: {rollout['waits_for']}", markup=False, soft_wrap=True)
        waits_for = rollout["waits_for"]
        time.sleep(POLL_S)
        rollout = ask_manager(manager, "GET", f"/v1/rollouts/{rollout['id']}").json()


def _rollout_text(rollout: Mapping[str, Any]) -> str:
    change = f"{rollout['xapp']} {rollout['from'] or 'nothing'} -> {rollout['to']}"
    shown = _with_waiting(rollout)
    reason = f": {shown['reason']}" if shown["reason"] else ""
    waited = f", {rollout['waited_s']:.1f} s of it without the driver" if rollout["waited_s"] else ""
    return (
        f"{change}: {rollout['state']} after {rollout['duration_s']:.1f} s{waited}{reason}\n"
        f"{rollout['requests']:,} requests meanwhile, {rollout['lost']} lost, {rollout['doubled']} doubled"
    )


def _with_waiting(rollout: Mapping[str, Any]) -> dict[str, Any]:
    """What it waits for is the reason that it has not ended."""
    if not rollout["waits_for"]:
        return dict(rollout)
    reasons = [rollout["reason"], f"waits for the driver, then goes on: {rollout['waits_for']}"]
    return {**rollout, "reason": "; ".join(filter(None, reasons))}


def _shares(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise InvalidInput(f"--weights {text!r}: expected rising numbers with commas between, e.g. {_DEFAULT_WEIGHTS}") from None
