"""`ricity ab`: two versions of an xApp against each other on the live RIC, through the manager's REST interface."""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Group

from services.cli.manager_rest import DEFAULT_MANAGER, ManagerOption, ask_manager
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import percent
from services.cli.watching import DEFAULT_EVERY_S, CountOption, EveryOption, Pace, View, WatchOption, present
from services.common.errors import EXIT_FAILED

app = typer.Typer(
    help="A/B tests: a candidate version gets a share of the requests until statistics say better, worse or undecided.\n\n"
    "Better promotes it, anything else rolls it back; guards on errors, aborts and latency roll it back at once.",
    no_args_is_help=True,
)

_PATH = "/v1/ab"
_POLL_S = 0.5

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Of a test, as `ricity ab list` prints it.")]


@app.callback()
def group() -> None:
    """A/B tests between versions of an xApp."""


@app.command("start")
def start(
    xapp: Annotated[str, typer.Argument(metavar="XAPP", help="Name of the xApp, e.g. routing-video.")],
    baseline: Annotated[str, typer.Option(help="Version that serves now.")],
    candidate: Annotated[str, typer.Option(help="Version to be judged; attached, e.g. with RICITY_WEIGHT=0.")],
    percent_: Annotated[float, typer.Option("--percent", min=0.1, max=90, help="Share of the requests for the candidate.")] = 5.0,
    alpha: Annotated[float, typer.Option(help="How often two equal versions may be told apart.")] = 0.05,
    min_requests: Annotated[int, typer.Option(min=0, help="Judged requests before a promotion.")] = 1_000,
    max_requests: Annotated[int, typer.Option(min=1, help="Judged requests, then the test is undecided.")] = 200_000,
    max_duration: Annotated[float, typer.Option(help="Seconds, then the test is undecided.")] = 86_400.0,
    wait: Annotated[bool, typer.Option("--wait", help="Until the verdict has been carried out.")] = False,
    manager: ManagerOption = DEFAULT_MANAGER,
    as_json: JsonOption = False,
) -> None:
    """Start an A/B test of two attached versions.

    With --wait the exit code is 0 if the candidate was promoted, else 1.

    Examples:

      ricity ab start routing-video --baseline 0.1.0 --candidate 0.2.0

      ricity ab start routing-voip --baseline 0.1.0 --candidate 0.2.0 --percent 20 --wait --json
    """
    asked = {
        "xapp": xapp,
        "baseline": baseline,
        "candidate": candidate,
        "candidate_percent": percent_,
        "alpha": alpha,
        "min_requests": min_requests,
        "max_requests": max_requests,
        "max_duration_s": max_duration,
    }
    report = ask_manager(manager, "POST", _PATH, json=asked).json()
    if wait:
        report = follow_test(manager, report["id"])
    _print(report, as_json=as_json)
    if wait and report["state"] != "promoted":
        raise typer.Exit(EXIT_FAILED)


@app.command("list")
def list_tests(
    manager: ManagerOption = DEFAULT_MANAGER,
    watch: WatchOption = False,
    every_s: EveryOption = DEFAULT_EVERY_S,
    count: CountOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List all tests, newest first.

    Examples:

      ricity ab list --json

      ricity ab list --watch
    """
    present(lambda: _tests(manager), Pace(watch, every_s, count), as_json=as_json)


def _tests(manager: str) -> View:
    tests = ask_manager(manager, "GET", _PATH).json()["tests"]
    columns = ("<test", "<xApp", "<baseline", "<candidate", "share %", "<state", "<verdict", "requests", "gain, points")
    rows = [
        (
            test["id"],
            test["xapp"],
            test["baseline"],
            test["candidate"],
            f"{test['candidate_percent']:g}",
            test["state"],
            test["verdict"] or "",
            f"{test['requests']:,}",
            f"{100 * test['gain']:+.2f}",
        )
        for test in tests
    ]
    return View({"tests": tests}, lambda: table(f"A/B tests at {manager}", columns, rows))


@app.command("show")
def show(test_id: IdArgument, manager: ManagerOption = DEFAULT_MANAGER, as_json: JsonOption = False) -> None:
    """Print a test with its evidence; --json has the whole series.

    Example:

      ricity ab show ab-20260301-101500-3f2a
    """
    _print(ask_manager(manager, "GET", _path(test_id)).json(), as_json=as_json)


@app.command("watch")
def watch(test_id: IdArgument, manager: ManagerOption = DEFAULT_MANAGER, as_json: JsonOption = False) -> None:
    """Follow a test until its verdict has been carried out, then print it. Ctrl-C leaves the test alone.

    Example:

      ricity ab watch ab-20260301-101500-3f2a
    """
    _print(follow_test(manager, test_id), as_json=as_json)


@app.command("stop")
def stop(test_id: IdArgument, manager: ManagerOption = DEFAULT_MANAGER, as_json: JsonOption = False) -> None:
    """End a test undecided: all requests go to the baseline again. One that has ended stays as it is.

    Example:

      ricity ab stop ab-20260301-101500-3f2a
    """
    _print(ask_manager(manager, "POST", f"{_path(test_id)}/stop").json(), as_json=as_json)


def _path(test_id: str) -> str:
    return f"{_PATH}/{quote(test_id, safe='')}"


def follow_test(manager: str, test_id: str) -> dict[str, Any]:
    """The report once the test has ended."""
    with error_console.status("") as status:
        while (report := ask_manager(manager, "GET", _path(test_id)).json())["ended_at"] is None:
            status.update(_line(report))
            time.sleep(_POLL_S)
    return dict(report)


def _line(report: dict[str, Any]) -> str:
    low, high = (100 * bound for bound in report["gain_interval"])
    gain = f"gain {100 * report['gain']:+.2f} points ({low:+.2f} to {high:+.2f})"
    return f"{report['id']}: {report['state']}, {report['requests']:,} requests, {gain}"


def _print(report: dict[str, Any], *, as_json: bool) -> None:
    emit(report, as_json=as_json, people=lambda: Group(*_tables(report)))


def _tables(report: dict[str, Any]) -> list[Any]:
    spec = f"{report['xapp']}: {report['candidate']} ({report['candidate_percent']:g} %) against {report['baseline']}"
    verdict = f"{report['verdict'] or 'no verdict yet'}, {report['reason']}"
    versions = report["evidence"]["versions"]
    rows = [
        (
            f"{name} {report[name]}",
            f"{row['requests']:,}",
            percent(row["gos"]),
            row["rejected"],
            row["expired"],
            row["aborted"],
            row["lost"],
            row["decision_p50_ms"] if row["decision_p50_ms"] is not None else "",
            row["decision_p99_ms"] if row["decision_p99_ms"] is not None else "",
        )
        for name, row in versions.items()
    ]
    columns = ("<version", "requests", "GoS %", "rejected", "expired", "aborted", "lost", "p50 <= ms", "p99 <= ms")
    return [f"{spec}\n{verdict}\n{_line(report)}", table("What each version did", columns, rows)]
