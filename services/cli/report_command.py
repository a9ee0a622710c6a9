"""`ricity report`: pages of results from finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.eval_command import chosen
from services.cli.output import JsonOption, emit

app = typer.Typer(help="Write pages of results from finished runs.", no_args_is_help=True)

_POLICIES = "random,shortest,nearest-feasible,cspf,widest-shortest,least-loaded,specialised,priced"
_ROBUST = "cspf,widest-shortest,specialised,priced"


@app.callback()
def group() -> None:
    """Write pages of results from finished runs."""


@app.command()
def routing(
    runs: Annotated[list[Path] | None, typer.Option(help="Folder of a training run; repeat for several.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for page, figures and evaluations.")] = Path("docs/results/routing"),
    policy: Annotated[str, typer.Option(help="Policies beside the trained ones.")] = _POLICIES,
    profile: Annotated[str, typer.Option(help="Profiles, separated by commas.")] = "paper,congested,stress",
    day: Annotated[str, typer.Option(help="test or train.")] = "test",
    day_seeds: Annotated[
        str, typer.Option(help="Seeds of the days, separated by commas; empty: the day of the paper only.")
    ] = "",
    bound: Annotated[bool, typer.Option("--bound/--no-bound", help="With the offline bound.")] = True,
    robustness: Annotated[str, typer.Option(help="Profiles to play disturbed days in, separated by commas, or none.")] = "paper",
    figures: Annotated[str, typer.Option(help="svg or png.")] = "svg",
    as_json: JsonOption = False,
) -> None:
    """Write the paper's Tables 1, 2, 4, 5 and Figures 5 to 9 from runs of `ricity train routing`, beside heuristics and bound.

    Evaluations that are missing are made and kept: of a run in its folder, of other policies in OUT/data.

    Examples:

      ricity report routing --runs runs/amarl-1 --runs runs/amarl-2 --runs runs/sarl-1

      ricity report routing --profile paper --no-bound --robustness none --figures png --out /tmp/report
    """
    from ric_sim.domain.errors import InvalidInput, UnknownKey
    from ric_sim.network.policies import POLICIES
    from ric_sim.network.profiles import PROFILES
    from services.cli.report.routing_cache import EvaluationCache
    from services.cli.report.routing_report import ReportInput, RoutingReport
    from services.cli.report.routing_results import read_run

    if figures not in ("svg", "png"):
        raise UnknownKey("kind of figure", figures, ("svg", "png"))
    words = [word.strip() for word in day_seeds.split(",") if word.strip()]
    if not all(word.isdecimal() for word in words):
        raise InvalidInput(f"day seeds {day_seeds!r}: expected whole numbers separated by commas")
    trained = [read_run(folder) for folder in runs or ()]
    known = {name: factory for name, factory in POLICIES.items() if "weights" not in factory.defaults}
    policies, profiles = chosen("policy", policy, known), chosen("profile", profile, PROFILES)
    cache = EvaluationCache(out / "data", day, tuple(int(word) for word in words) or (None,))
    disturbed = [] if robustness == "none" else chosen("profile", robustness, PROFILES)
    robust = [name for name in _ROBUST.split(",") if name in policies]
    told = ReportInput(
        command=f"ricity report routing --profile {','.join(profiles)} --policy {','.join(policies)} --runs ...",
        runs=trained,
        rows={name: cache.rows(name, policies, trained) for name in profiles},
        bounds={name: cache.bound(name) for name in profiles} if bound else {},
        robustness={name: cache.robustness(name, robust, trained) for name in disturbed},
        suffix=figures,
    )
    files = RoutingReport(told, out).write()
    emit(_summary(told, files), as_json=as_json, people=lambda: "\n".join(str(path) for path in files))


def _summary(told: Any, files: list[Path]) -> dict[str, Any]:
    """Grade of Service of every policy, percent, with half widths, and the files written."""
    from services.cli.report.routing_results import gos

    intervals = {name: {row.label: row.interval(gos) for row in rows} for name, rows in told.rows.items()}
    return {
        "files": [str(path) for path in files],
        "gos_percent": {
            name: {
                label: {"mean": each.mean, "half_width": each.half_width, "n": each.n}
                for label, each in of_profile.items()
                if each
            }
            for name, of_profile in intervals.items()
        },
        "bound_percent": {name: 100 * bound["gos"] for name, bound in told.bounds.items()},
    }
