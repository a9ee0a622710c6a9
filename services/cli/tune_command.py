"""`ricity tune`: searches for the numbers of policies that have some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ric_sim.domain.errors import InvalidInput, MalformedFile
from services.cli.eval_command import chosen
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import percent

if TYPE_CHECKING:
    from ric_sim.envs.priced_tuning import Tuning, TuningPlan

app = typer.Typer(help="Search for the numbers of policies that have some.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Search for the numbers of policies that have some."""


@app.command()
def priced(
    profile: Annotated[str, typer.Option(help="A profile, several separated by commas, or all.")] = "paper",
    day: Annotated[str, typer.Option(help="train; the test day is not for tuning.")] = "train",
    generations: Annotated[int, typer.Option(help="Rounds of the cross-entropy search.")] = 10,
    population: Annotated[int, typer.Option(help="Samples of a round.")] = 24,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 1,
    days: Annotated[int, typer.Option(help="Train days that the rounds take turns with.")] = 3,
    load: Annotated[
        float, typer.Option(help="Load of these days against the plain train day; 1.29 is that of the test day.")
    ] = 1.29,
    out: Annotated[
        Path | None, typer.Option(help="Write the numbers to this file, beside those of other profiles in it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tune the 24 prices of the policy `priced` by the cross-entropy method, for the best Grade of Service on train days.

    Examples:

      ricity tune priced --profile paper,congested,stress --out priced.json

      ricity tune priced --profile smoke --generations 3 --population 8 --json
    """
    from ric_sim.envs.cross_entropy import CrossEntropyPlan
    from ric_sim.envs.priced_tuning import TuningPlan
    from ric_sim.network.profiles import PROFILES

    if day != "train":
        raise InvalidInput(f"day {day!r} is not for tuning: expected train, so that results on the test day stay honest")
    profiles = chosen("profile", profile, PROFILES)
    plan = TuningPlan(CrossEntropyPlan(generations, population), seed=seed, days=days, load_ratio=load)
    known = read_sets(out) if out else {}
    if out:  # a file that cannot be written shows before the search rather than after it
        write_sets(out, known)
    command = (
        f"ricity tune priced --generations {generations} --population {population} --seed {seed} --days {days} --load {load}"
    )
    tuned = {}
    for name in profiles:
        found = _tune(name, plan).to_dict()
        tuned[name] = found | {"found": {"command": f"{command} --profile {name}"} | found["found"]}
        if out:  # after each profile: an interrupted search keeps what it has
            known[name] = tuned[name]
            write_sets(out, known)
    emit({"profiles": tuned}, as_json=as_json, people=lambda: Group(*(_prices(*entry) for entry in tuned.items())))


def read_sets(path: Path) -> dict[str, Any]:
    """The sets in a file of tuned prices, by profile; none if the file does not exist.

    Raises:
        MalformedFile: it holds something else.
    """
    if not path.exists():
        return {}
    try:
        sets = json.loads(path.read_text("utf-8"))["profiles"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MalformedFile(f"{path} holds no tuned prices ({error!r}): name another file or remove it") from error
    if not isinstance(sets, dict):
        raise MalformedFile(f"{path} holds no tuned prices: expected an object under 'profiles', name another file or remove it")
    return sets


def write_sets(path: Path, sets: dict[str, Any]) -> None:
    """Writes sets of tuned prices by profile.

    Raises:
        InvalidInput: the file cannot be written.
    """
    try:
        path.write_text(json.dumps({"profiles": sets}, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written ({error.strerror}): name a file in a folder that exists") from error


def _tune(profile: str, plan: TuningPlan) -> Tuning:
    """One search, with a bar on stderr while it runs."""
    from ric_sim.envs.priced_tuning import tune_priced

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    total = plan.search.generations * plan.search.population
    with Progress(*columns, console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task(f"priced, {profile}", total=total)
        return tune_priced(
            profile,
            plan,
            progress=lambda done, gos: bar.update(task, completed=done, description=f"priced, {profile}: GoS {gos:.2%}"),
        )


def _prices(profile: str, entry: dict[str, Any]) -> Any:
    """One row per service: its four prices."""
    names = list(next(iter(entry["numbers"].values())))
    rows = [(key, *(f"{numbers[name]:.2f}" for name in names)) for key, numbers in entry["numbers"].items()]
    found = entry["found"]
    title = (
        f"{profile}: GoS {percent(found['gos_train'])} % on the train days, {percent(found['gos_train_at_start'])} % at the start"
    )
    return table(title, ("<service", *names), rows)
