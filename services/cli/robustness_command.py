"""`ricity eval robustness`: policies on days on which something goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.progress import Progress

from services.cli.eval_command import chosen
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import percent

if TYPE_CHECKING:
    from ric_sim.envs.disturbances import Disturbance
    from ric_sim.network.policies import RoutingPolicy


def robustness(
    policy: Annotated[
        str, typer.Option(help="A policy, several separated by commas, or all.")
    ] = "cspf,widest-shortest,specialised,priced",
    disturbance: Annotated[str, typer.Option(help="none, demand, link, upf, several separated by commas, or all.")] = "all",
    profile: Annotated[str, typer.Option(help="A profile, several separated by commas, or all.")] = "paper",
    day: Annotated[str, typer.Option(help="test or train.")] = "test",
    seed: Annotated[int | None, typer.Option(help="Another day with the same statistics.")] = None,
    service: Annotated[str, typer.Option(help="demand: the service that asks for more.")] = "iot",
    factor: Annotated[float, typer.Option(help="demand: how many times as many flows.")] = 1.5,
    line: Annotated[str, typer.Option(help="link: the two nodes it joins, NODE:NODE.")] = "core-saint-laurent:agg-saint-laurent",
    upf: Annotated[str, typer.Option(help="upf: its name.")] = "upf-iot-0",
    weights: Annotated[Path | None, typer.Option(help="Weights of the learned policies among them.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Play a day with more demand of one service, a cut line or a dead UPF from 14:00 to 18:00.

    Flows that an outage ends are told as dropped; they still count as accepted. With --json every evaluation is an object in
    `evaluations`, with requests and accepted per quarter of an hour and service.

    Examples:

      ricity eval robustness --policy cspf,specialised --disturbance all

      ricity eval robustness --disturbance upf --upf upf-ar-0 --json
    """
    from ric_sim.envs.disturbances import DISTURBANCES
    from ric_sim.network.policies import POLICIES
    from ric_sim.network.profiles import PROFILES

    policies = chosen("policy", policy, POLICIES)
    names = chosen("disturbance", disturbance, DISTURBANCES)
    evaluations: list[dict[str, Any]] = []
    for name in chosen("profile", profile, PROFILES):
        days = disturbed_days(name, day, seed, names, demand=(service, factor), line=line, upf=upf)
        evaluations += [played(each, build_policy(key, each, weights)) for each in days for key in policies]
    emit({"evaluations": evaluations}, as_json=as_json, people=lambda: Group(*robustness_tables(evaluations)))


def disturbed_days(
    profile: str, day: str, seed: int | None, names: Sequence[str], *, demand: tuple[str, float], line: str, upf: str
) -> list[Disturbance]:
    """The disturbed scenarios of one profile.

    Raises:
        InvalidInput: `line` is not NODE:NODE.
    """
    from ric_sim.domain.errors import InvalidInput
    from ric_sim.envs.disturbances import disturbances
    from ric_sim.network.scenario import load_scenario

    a, colon, b = line.partition(":")
    if not colon:
        raise InvalidInput(f"line {line!r}: expected the names of two nodes, NODE:NODE")
    scenario = load_scenario(profile=profile, day=day, seed=seed)
    return disturbances(scenario, names, demand=demand, line=(a, b), upf=upf)


def build_policy(name: str, disturbance: Disturbance, weights: Path | None) -> RoutingPolicy:
    """The policy for the disturbed city; weights go to those that have some."""
    from ric_sim.network.policies import POLICIES, make_policy

    parameters: dict[str, Any] = {"weights": weights} if weights and "weights" in POLICIES[name].defaults else {}
    return make_policy(name, disturbance.scenario.city, **parameters)


def played(disturbance: Disturbance, policy: RoutingPolicy) -> dict[str, Any]:
    """One evaluation, with a bar on stderr while it runs."""
    from ric_sim.envs.disturbed import evaluate_disturbed

    with Progress(console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task(f"{policy.name}, {disturbance.name}", total=len(disturbance.scenario.day))
        return evaluate_disturbed(disturbance, policy, progress=lambda done: bar.update(task, completed=done)).to_dict()


def robustness_tables(evaluations: Sequence[dict[str, Any]]) -> list[Any]:
    """One table per profile and disturbance: Grade of Service in percent before, during and after it, and dropped flows."""
    tables = []
    for profile, disturbance in dict.fromkeys((each["profile"], each["disturbance"]) for each in evaluations):
        rows = [each for each in evaluations if (each["profile"], each["disturbance"]) == (profile, disturbance)]
        services = list(rows[0]["gos_by_service"])
        columns = ("<policy", "GoS %", "before", "during", "after", "dropped", *services)
        cells = [
            (
                row["policy"],
                percent(row["gos"]),
                *(percent(gos) for gos in row["gos_by_phase"].values()),
                row["dropped"],
                *(percent(row["gos_by_service"][key]) for key in services),
            )
            for row in rows
        ]
        tables.append(table(f"{profile}, {disturbance}: GoS %", columns, cells))
    return tables
