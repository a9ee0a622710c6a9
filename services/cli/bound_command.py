"""`ricity bound`: what could be carried at best."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.progress import Progress

from services.cli.eval_command import chosen
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import number, percent

if TYPE_CHECKING:
    from ric_sim.envs.bound import Window
    from ric_sim.network.scenario import Scenario

app = typer.Typer(help="Bound what could be carried at best.", no_args_is_help=True)

_HOUR = re.compile(r"(\d{1,2})(?::(\d\d))?", re.ASCII)


@app.callback()
def group() -> None:
    """Bound what could be carried at best."""


@app.command()
def routing(
    profile: Annotated[str, typer.Option(help="A profile, several separated by commas, or all.")] = "paper",
    day: Annotated[str, typer.Option(help="test or train.")] = "test",
    seed: Annotated[int | None, typer.Option(help="Another day with the same statistics.")] = None,
    hour: Annotated[
        list[str] | None, typer.Option(help="Start of a window, H or H:MM; several separated by commas or repeated.")
    ] = None,
    windows: Annotated[int, typer.Option(help="Without --hour: how many windows to choose, most of them busy.")] = 6,
    minutes: Annotated[int, typer.Option(help="Length of a window.")] = 15,
    time_limit: Annotated[float, typer.Option(help="Seconds per window; what is found until then is a bound, too.")] = 60.0,
    policy: Annotated[str, typer.Option(help="Policies to play in the same windows: names, all, or none.")] = "cspf,specialised",
    city: Annotated[Path | None, typer.Option(help="A city of your own (JSON).")] = None,
    flows: Annotated[Path | None, typer.Option(help="A day of your own (CSV).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Bound the Grade of Service of every policy from above, with all requests known beforehand, in windows of a day.

    A linear program per window, which starts with an empty network; so do the policies beside it.
    With --json one object per profile is in `bounds`; of a single one the fields stand at the top as well.

    Examples:

      ricity bound routing --profile paper,congested,stress --hour 16,19

      ricity bound routing --profile stress --windows 12 --policy cspf,widest-shortest,specialised --json
    """
    from ric_sim.envs.bound import choose_windows, windows_at
    from ric_sim.network.policies import POLICIES
    from ric_sim.network.profiles import PROFILES
    from ric_sim.network.scenario import load_scenario

    policies = [] if policy == "none" else chosen("policy", policy, POLICIES)
    starts_ms = [_start_ms(word.strip()) for words in hour or () for word in words.split(",")]
    bounds = []
    for name in chosen("profile", profile, PROFILES):
        scenario = load_scenario(profile=name, day=day, seed=seed, city_file=city, flow_file=flows)
        fixed = windows_at(starts_ms, minutes=minutes)
        where = fixed or choose_windows(scenario.day, windows, minutes=minutes)
        bounds.append(_bound(scenario, where, policies, time_limit_s=time_limit))
    top = bounds[0] if len(bounds) == 1 else {}
    emit(
        {**top, "bounds": bounds},
        as_json=as_json,
        people=lambda: Group(*(windows_table(bound) for bound in bounds)),
    )


def windows_table(bound: dict[str, Any]) -> Any:
    """One row per window and one of all together: Grade of Service in percent at best and of each policy."""
    policies = bound["policies"]
    columns = ("<window", "requests", "bound", *(each["policy"] for each in policies), "rows", "complete", "s")
    rows = [
        (
            window["window"],
            window["requests"],
            percent(window["gos"]),
            *(percent(each["windows"][index]["gos"]) for each in policies),
            f"{window['rows']:,}",
            _yes(window["complete"]),
            number(window["wall_s"]),
        )
        for index, window in enumerate(bound["windows"])
    ]
    n_rows = sum(window["rows"] for window in bound["windows"])
    gos = (percent(bound["gos"]), *(percent(each["gos"]) for each in policies))
    rows.append(("all", bound["requests"], *gos, f"{n_rows:,}", _yes(bound["complete"]), number(bound["wall_s"])))
    return table(f"{bound['profile']}, day {bound['day']}: GoS % of windows, each from an empty network", columns, rows)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _start_ms(word: str) -> int:
    from ric_sim.domain.errors import OutOfRange

    match = _HOUR.fullmatch(word)
    hours, minutes = (int(match[1]), int(match[2] or 0)) if match else (24, 0)
    if hours > 23 or minutes > 59:
        raise OutOfRange(f"hour {word!r}: expected a time of day as H or H:MM, 0 to 23:59")
    return (60 * hours + minutes) * 60_000


def _bound(scenario: Scenario, windows: Sequence[Window], policies: Sequence[str], *, time_limit_s: float) -> dict[str, Any]:
    """The bound of one profile and the policies beside it, with a bar on stderr meanwhile."""
    from ric_sim.envs.bound import bound_row, evaluate_on_windows

    with Progress(console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task(f"bound, {scenario.city.profile}", total=len(windows) + len(policies))
        result = bound_row(scenario, windows=windows, time_limit_s=time_limit_s, progress=lambda _: bar.advance(task))
        played = []
        for policy in policies:
            bar.update(task, description=f"{policy}, {scenario.city.profile}")
            played.append(evaluate_on_windows(scenario, policy, windows).to_dict())
            bar.advance(task)
    return {**result.to_dict(), "policies": played}
