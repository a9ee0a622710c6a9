"""`ricity eval`: policies in-process, without services."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.progress import Progress

from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import number, percent

if TYPE_CHECKING:
    from ric_sim.network.scenario import Scenario

app = typer.Typer(help="Evaluate policies in-process, without services.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Evaluate policies in-process, without services."""


@app.command()
def routing(
    policy: Annotated[str, typer.Option(help="A policy, several separated by commas, or all.")] = "cspf",
    profile: Annotated[str, typer.Option(help="A profile, several separated by commas, or all.")] = "paper",
    day: Annotated[str, typer.Option(help="test or train.")] = "test",
    seed: Annotated[int | None, typer.Option(help="Another day with the same statistics.")] = None,
    max_flows: Annotated[int | None, typer.Option(help="Play only the first N requests.")] = None,
    staleness: Annotated[int, typer.Option(help="Read the snapshot anew at every K-th request only.")] = 1,
    replans: Annotated[int, typer.Option(help="New plans after an aborted commit, each on a fresh snapshot.")] = 0,
    city: Annotated[Path | None, typer.Option(help="A city of your own (JSON).")] = None,
    flows: Annotated[Path | None, typer.Option(help="A day of your own (CSV).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Play a day with the same planners as the live xApps, in one process and one after the other.

    With --json one object per evaluation is in `evaluations`; of a single one the fields stand at the top as well.

    Examples:

      ricity eval routing --policy all

      ricity eval routing --policy cspf,specialised --profile paper,congested,stress

      ricity eval routing --policy cspf --staleness 20 --replans 1 --json
    """
    from ric_sim.network.policies import POLICIES
    from ric_sim.network.profiles import PROFILES
    from ric_sim.network.scenario import load_scenario

    policies = chosen("policy", policy, POLICIES)
    profiles = chosen("profile", profile, PROFILES)
    results: dict[str, list[dict[str, Any]]] = {}
    for name in profiles:
        scenario = load_scenario(profile=name, day=day, seed=seed, city_file=city, flow_file=flows)
        results[name] = [
            _evaluate(scenario, each, max_flows=max_flows, staleness=staleness, replans=replans) for each in policies
        ]
    evaluations = [evaluation for of_profile in results.values() for evaluation in of_profile]
    top = evaluations[0] if len(evaluations) == 1 else {}
    emit(
        {**top, "evaluations": evaluations},
        as_json=as_json,
        people=lambda: Group(*(comparison(name, rows) for name, rows in results.items())),
    )


def chosen(kind: str, words: str, known: Sequence[str] | dict[str, Any]) -> list[str]:
    """The names in a comma-separated list, or all of them for `all`.

    Raises:
        UnknownKey: a name that is not known; suggests the nearest.
    """
    from ric_sim.domain.errors import UnknownKey

    if words == "all":
        return list(known)
    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names or [words]:
        if name not in known:
            raise UnknownKey(kind, name, [*known, "all"])
    return list(dict.fromkeys(names))


def comparison(profile: str, evaluations: Sequence[dict[str, Any]]) -> Any:
    """One row per policy: Grade of Service in percent, overall and per service, mean latencies, hops, speed."""
    services = list(evaluations[0]["gos_by_service"])
    columns = ("<policy", "GoS %", *services, "latency ms, same order", "hops", "plans/cpu-s", "s")
    rows = [
        (
            row["policy"],
            percent(row["gos"]),
            *(percent(row["gos_by_service"][key]) for key in services),
            " ".join(_milliseconds(row["latency_ms_by_service"][key]) for key in services),
            number(row["hops"]),
            number(row["decisions_per_s"]),
            number(row["wall_s"]),
        )
        for row in evaluations
    ]
    first = evaluations[0]
    return table(f"{profile}, day {first['day']}: {first['requests']:,} requests", columns, rows)


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _evaluate(scenario: Scenario, policy: str, *, max_flows: int | None, staleness: int, replans: int) -> dict[str, Any]:
    """One evaluation, with a bar on stderr while it runs."""
    from ric_sim.envs.evaluate import Staleness, evaluate

    total = min(max_flows or len(scenario.day), len(scenario.day))
    with Progress(console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task(f"{policy}, {scenario.city.profile}", total=total)
        result = evaluate(
            scenario,
            policy,
            max_flows=max_flows,
            staleness=Staleness(staleness, replans),
            progress=lambda done: bar.update(task, completed=done),
        )
    return result.to_dict()
