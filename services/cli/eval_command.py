"""`ricity eval`: policies in-process, without services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.progress import Progress

from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import number, percent

if TYPE_CHECKING:
    from ric_sim.envs.contended import Contention
    from ric_sim.network.policies import RoutingPolicy
    from ric_sim.network.scenario import Scenario

app = typer.Typer(help="Evaluate policies in-process, without services.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Evaluate policies in-process, without services."""


@app.command()
def routing(
    policy: Annotated[
        str, typer.Option(help="A policy, several separated by commas, or all; bound is the optimum's.")
    ] = "learned",
    profile: Annotated[str, typer.Option(help="A profile, several separated by commas, or all.")] = "paper",
    day: Annotated[str, typer.Option(help="test or train.")] = "test",
    seed: Annotated[int | None, typer.Option(help="Another day with the same statistics.")] = None,
    max_flows: Annotated[int | None, typer.Option(help="Play only the first N requests.")] = None,
    staleness: Annotated[int, typer.Option(help="Read the snapshot anew at every K-th request only.")] = 1,
    replans: Annotated[int, typer.Option(help="New plans after an aborted commit, each on a fresh snapshot.")] = 0,
    preempt: Annotated[
        bool, typer.Option("--preempt", help="Play each day again with preemption, and with re-routing of the displaced.")
    ] = False,
    signals: Annotated[bool, typer.Option("--signals", help="Keep congestion signals in the store.")] = False,
    city: Annotated[Path | None, typer.Option(help="A city of your own (JSON).")] = None,
    flows: Annotated[Path | None, typer.Option(help="A day of your own (CSV).")] = None,
    weights: Annotated[Path | None, typer.Option(help="Folder of a learned policy's weights, not those shipped.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Play a day with the same planners as the live xApps, in one process and one after the other.

    With --json one object per evaluation is in `evaluations`; of a single one the fields stand at the top as well.

    Examples:

      ricity eval routing --policy all

      ricity eval routing --policy cspf,specialised --profile paper,congested,stress

      ricity eval routing --policy cspf --staleness 20 --replans 1 --json

      ricity eval routing --policy cspf,specialised --profile congested,stress --preempt

      ricity eval routing --policy learned --weights trained/amarl
    """
    from ric_sim.domain.errors import InvalidInput
    from ric_sim.network.policies import POLICIES, make_policy
    from ric_sim.network.profiles import PROFILES
    from ric_sim.network.scenario import load_scenario

    wanted = [name.strip() for name in policy.split(",")]
    with_bound = "bound" in wanted or (policy == "all" and max_flows is None)
    policies = chosen("policy", ",".join(name for name in wanted if name != "bound"), POLICIES) if wanted != ["bound"] else []
    if weights is not None and not any(POLICIES[name].algorithm for name in policies):
        raise InvalidInput(f"--weights {weights}: {', '.join(policies)} has none; name a learned policy, e.g. --policy learned")
    profiles = chosen("profile", profile, PROFILES)
    results: dict[str, list[dict[str, Any]]] = {}
    for name in profiles:
        scenario = load_scenario(profile=name, day=day, seed=seed, city_file=city, flow_file=flows)
        routers: list[str | RoutingPolicy] = [
            make_policy(each, scenario.city, weights=weights) if weights and POLICIES[each].algorithm else each
            for each in policies
        ]
        results[name] = [
            _evaluate(scenario, each, max_flows=max_flows, staleness=staleness, replans=replans, rules=rules)
            for each in routers
            for rules in _ablation(preempt=preempt, signals=signals)
        ]
        if with_bound:
            results[name].append(_bound(scenario))
    evaluations = [evaluation for of_profile in results.values() for evaluation in of_profile]
    top = evaluations[0] if len(evaluations) == 1 else {}
    emit(
        {**top, "evaluations": evaluations},
        as_json=as_json,
        people=lambda: Group(*(comparison(name, rows) for name, rows in results.items())),
    )


def chosen(kind: str, words: str, known: Sequence[str] | dict[str, Any]) -> list[str]:
    """The names in a comma-separated list; for `all` every one that is not a second name (`alias_of`) for another.

    Raises:
        UnknownKey: a name that is not known; suggests the nearest.
    """
    from ric_sim.domain.errors import UnknownKey

    if words == "all":
        second = {name for name, what in known.items() if getattr(what, "alias_of", "")} if isinstance(known, dict) else ()
        return [name for name in known if name not in second]
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
            _label(row),
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
    if evaluations[-1]["policy"] == "bound":
        rows[-1] = (f"bound, {evaluations[-1]['requests']:,} requests of busy windows", *rows[-1][1:])
    whole = table(f"{profile}, day {first['day']}: {first['requests']:,} requests", columns, rows)
    return Group(whole, _contention(profile, evaluations)) if "displaced" in first else whole


def _label(row: dict[str, Any]) -> str:
    extras = [word for key, word in (("preemption", "preempt"), ("rerouting", "reroute")) if row.get(key)]
    return " + ".join([row["policy"], *extras])


def _contention(profile: str, evaluations: Sequence[dict[str, Any]]) -> Any:
    """One row per evaluation: GoS of each priority, who was displaced, and for how many commits."""
    first = evaluations[0]
    levels, services = list(first["gos_by_priority"]), list(first["gos_by_service"])
    columns = (
        "<policy",
        *(f"GoS % prio {level}" for level in levels),
        "displaced",
        "rerouted",
        "by commits",
        *services,
        "pressure",
    )
    rows = [
        (
            _label(row),
            *(percent(row["gos_by_priority"][level]) for level in levels),
            *(f"{row[key]:,}" for key in ("displaced", "rerouted", "displacing")),
            *(f"{row['displaced_by_service'][key]:,}" for key in services),
            number(row["pressure_peak"]),
        )
        for row in evaluations
    ]
    return table(
        f"{profile}: GoS by priority, displaced flows in all and by service, highest pressure at the end (refusals/min)",
        columns,
        rows,
    )


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _ablation(*, preempt: bool, signals: bool) -> list[Contention | None]:
    """The rules to play each policy under; None is the plain day."""
    from ric_sim.envs.contended import Contention

    if not preempt:
        return [Contention(congestion_signals=True)] if signals else [None]
    return [
        Contention(preemption=preemption, rerouting=rerouting, congestion_signals=signals)
        for preemption, rerouting in ((False, False), (True, False), (True, True))
    ]


def _bound(scenario: Scenario) -> dict[str, Any]:
    """The optimum's row, of sampled windows only; `ricity bound` plays policies on the same windows beside it."""
    from ric_sim.envs.bound.result import DEFAULT_WINDOWS, bound_row

    with Progress(console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task(f"bound, {scenario.city.profile}", total=DEFAULT_WINDOWS)
        return bound_row(scenario, progress=lambda _: bar.advance(task)).to_dict()


def _evaluate(
    scenario: Scenario,
    policy: str | RoutingPolicy,
    *,
    max_flows: int | None,
    staleness: int,
    replans: int,
    rules: Contention | None,
) -> dict[str, Any]:
    """One evaluation, with a bar on stderr while it runs."""
    from ric_sim.envs.contended import evaluate_contended
    from ric_sim.envs.evaluate import Staleness, evaluate

    total = min(max_flows or len(scenario.day), len(scenario.day))
    with Progress(console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        name = policy if isinstance(policy, str) else policy.name
        task = bar.add_task(f"{name}, {scenario.city.profile}", total=total)
        age = Staleness(staleness, replans)

        def advance(done: int) -> None:
            bar.update(task, completed=done)

        if rules is None:
            return evaluate(scenario, policy, max_flows=max_flows, staleness=age, progress=advance).to_dict()
        rules = replace(rules, staleness=age)
        return evaluate_contended(scenario, policy, rules, max_flows=max_flows, progress=advance).to_dict()
