"""`ricity report`: pages of results from finished runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.eval_command import chosen
from services.cli.output import JsonOption, emit

app = typer.Typer(help="Write pages of results from finished runs.", no_args_is_help=True)

_POLICIES = "random,shortest,nearest-feasible,cspf,widest-shortest,least-loaded,specialised,priced"
_ROBUST = "cspf,widest-shortest,specialised,priced"
_SLICING_POLICIES = "equal-rr,equal-pf,demand-pf,static,need-tuned,curve"
_RADIO_PROFILES = "nominal,embb_surge,urllc_burst,overload,fast_hot,permuted"


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


@app.command()
def slicing(
    runs: Annotated[
        list[Path] | None, typer.Option(help="Folder of a training run, or of several runs; repeat for more.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for page, figures and episodes.")] = Path("docs/results/slicing"),
    policy: Annotated[str, typer.Option(help="Policies beside the trained ones.")] = _SLICING_POLICIES,
    profile: Annotated[str, typer.Option(help="Profiles, separated by commas; nominal must be one.")] = _RADIO_PROFILES,
    seeds: Annotated[str, typer.Option(help="Seeds of the episodes, separated by commas.")] = "911,912",
    replicas: Annotated[int, typer.Option(min=1, help="Episodes of each seed.")] = 8,
    decisions: Annotated[int, typer.Option(min=1, help="Decisions of each O-DU per episode.")] = 100,
    noise: Annotated[str, typer.Option(help="Levels of noise in the reports, separated by commas, or none.")] = "0.5,1",
    oracle: Annotated[str, typer.Option(help="Profiles to play the oracle in, which is slow, or none.")] = "nominal",
    bound: Annotated[
        bool, typer.Option("--bound/--no-bound", help="With bounds on single frames, in the oracle's profiles.")
    ] = True,
    cost: Annotated[Path | None, typer.Option(help="What `ricity bench train-slicing --json` printed.")] = None,
    figures: Annotated[str, typer.Option(help="svg or png.")] = "svg",
    as_json: JsonOption = False,
) -> None:
    """Write the paper's Tables 1 to 3 and Figures 5 to 11 from runs of `ricity train slicing`, beside heuristics and oracle.

    Episodes that are missing are played and kept: of a run in its folder, of other policies in OUT/data.

    Examples:

      ricity report slicing --runs runs/slicing

      ricity report slicing --runs runs/ta-sam-1 --runs runs/sac-1 --noise none --oracle none --figures png --out /tmp/report
    """
    from ric_sim.domain.errors import InvalidInput, UnknownKey
    from ric_sim.radio.policies import SLICING_POLICIES
    from ric_sim.radio.profiles import RADIO_PROFILES
    from services.cli.report.slicing_cache import ORACLE, EpisodeCache
    from services.cli.report.slicing_claims import TRAINED_ON
    from services.cli.report.slicing_report import ReportInput, SlicingReport, summary
    from services.cli.report.slicing_results import find_runs, sort_runs

    if figures not in ("svg", "png"):
        raise UnknownKey("kind of figure", figures, ("svg", "png"))
    profiles = chosen("radio profile", profile, RADIO_PROFILES)
    if TRAINED_ON not in profiles:
        raise InvalidInput(f"profiles {profile!r}: {TRAINED_ON} must be one, the policies are trained on it")
    profiles.sort(key=lambda name: name != TRAINED_ON)
    deployable = {name: factory for name, factory in SLICING_POLICIES.items() if factory.deployable}
    policies = chosen("slicing policy", policy, deployable)
    seen_best = [] if oracle == "none" else chosen("radio profile", oracle, RADIO_PROFILES)
    levels = [] if noise == "none" else [0.0, *_numbers("levels of noise", noise)]
    cache = EpisodeCache(out / "data", tuple(int(each) for each in _numbers("seeds", seeds)), replicas, decisions)
    study = sort_runs(find_runs(runs or ()))
    told = ReportInput(
        command=f"ricity report slicing --profile {','.join(profiles)} --policy {','.join(policies)} --seeds {seeds} --runs ...",
        study=study,
        rows={name: cache.rows(name, [*policies, *([ORACLE] if name in seen_best else [])], study.compared) for name in profiles},
        noisy={level: cache.rows(TRAINED_ON, (), study.compared, noise=level) for level in levels} if study.compared else {},
        scaled=cache.scaled(TRAINED_ON, study.others),
        played=cache.played(TRAINED_ON, policies, study.compared),
        bounds={name: cache.bound(name) for name in profiles if name in seen_best} if bound else {},
        cost=_cost(cost) if cost else (),
        suffix=figures,
    )
    files = SlicingReport(told, out).write()
    emit(
        {"files": [str(path) for path in files], **summary(told)},
        as_json=as_json,
        people=lambda: "\n".join(str(path) for path in files),
    )


def _cost(path: Path) -> list[dict[str, Any]]:
    """The figures in a file that `ricity bench train-slicing --json` filled."""
    from ric_sim.domain.errors import MalformedFile

    try:
        return list(json.loads(path.read_text("utf-8"))["figures"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MalformedFile(
            f"{path}: no figures ({error}); expected the output of `ricity bench train-slicing --json`"
        ) from error


def _numbers(what: str, words: str) -> list[float]:
    """Numbers of 0 or more, separated by commas."""
    from ric_sim.domain.errors import InvalidInput

    try:
        numbers = [float(word) for word in words.split(",") if word.strip()]
    except ValueError:
        numbers = []
    if not numbers or not all(0 <= each < float("inf") for each in numbers):
        raise InvalidInput(f"{what} {words!r}: expected numbers of 0 or more, separated by commas")
    return numbers


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
