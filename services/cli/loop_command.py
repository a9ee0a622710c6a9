"""`ricity loop`: from training to production in one command, if the evidence is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group

from services.cli.eval_command import chosen
from services.cli.manager_rest import DEFAULT_MANAGER, ManagerOption
from services.cli.model_command import DEFAULT_REGISTRY, RegistryOption, open_registry, publish_run
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import percent
from services.common.errors import EXIT_FAILED

if TYPE_CHECKING:
    from ric_sim.envs.trial import BuildPolicy, Trial, TrialRules, Verdict
    from ric_sim.network.scenario import Scenario
    from services.registry.model import ModelName, ModelVersion
    from services.registry.registry import Registry

_FRESH_SEEDS = 20_280_000
"""Days from here on are neither published nor trained nor validated on."""
_N_FRESH_SEEDS = 10_000_000
SHIPPED = "the weights that come with Ricity"


def loop(
    candidate: Annotated[Path | None, typer.Option(help="Folder of a finished training run, or of weights.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Train the candidate first.")] = False,
    name: Annotated[str, typer.Option(help="The model: routing-amarl or routing-sarl.")] = "routing-amarl",
    config: Annotated[str, typer.Option(help="--train: fast, paper, or a YAML file of your own.")] = "fast",
    seed: Annotated[int, typer.Option(min=0, help="--train: of networks, days and exploration.")] = 1,
    steps: Annotated[int | None, typer.Option(min=1, help="--train: decisions in all, instead of the configuration's.")] = None,
    profile: Annotated[str, typer.Option(help="Cities to judge in: a profile, several separated by commas.")] = (
        "paper,congested,stress"
    ),
    days: Annotated[int, typer.Option(min=1, help="Rounds at most: a fresh day of every profile each.")] = 2,
    max_requests: Annotated[int | None, typer.Option(min=1, help="Most requests of a round, instead of whole days.")] = None,
    alpha: Annotated[float, typer.Option(help="How often two equal policies may be told apart.")] = 0.05,
    guard: Annotated[float, typer.Option(help="Points of GoS that one service may lose.")] = 1.0,
    live: Annotated[bool, typer.Option("--live", help="Judge on the running RIC, by an A/B test of the manager.")] = False,
    percent_: Annotated[
        float, typer.Option("--percent", min=0.1, max=90, help="--live: share of the requests for the candidate.")
    ] = 5.0,
    manager: ManagerOption = DEFAULT_MANAGER,
    out: Annotated[Path | None, typer.Option(help="Folder of the report.", show_default="runs/loop-<time>")] = None,
    registry: RegistryOption = DEFAULT_REGISTRY,
    as_json: JsonOption = False,
) -> None:
    """Publish a candidate, judge it against production on days nobody has seen, and promote it if it is better.

    Both route the same requests in-process. After every block a sequential test looks at the paired differences: a candidate
    that is worse, or costs a service more than the guard, retires at once; one that is better after a round goes to
    production, where running xApps take it up; otherwise it stays staged. Without a version in production, the candidate is
    judged against the weights that come with Ricity. Exit code 0 if it was promoted, else 1.

    With --live, one agent is judged on the running RIC: its xApp gets a second version with the candidate's weights, which
    takes a share of the requests until the manager's A/B test decides. Ctrl-C ends the trial: the candidate is staged again.

    Examples:

      ricity loop --candidate runs/amarl-1

      ricity loop --train --config fast --seed 7 --guard 0.5

      ricity loop --candidate runs/amarl-1 --profile stress --days 1 --json

      ricity loop --live --candidate runs/amarl-1 --name routing-amarl-video --percent 20
    """
    from ric_sim.domain.errors import InvalidInput
    from ric_sim.envs.trial import TrialRules
    from ric_sim.network.profiles import PROFILES

    if (candidate is None) == (not train):
        raise InvalidInput("name the candidate: either --candidate DIR or --train")
    called = _named(name, live=live)
    profiles = chosen("profile", profile, PROFILES)
    rules = TrialRules(alpha=alpha, guard_ratio=guard / 100, max_requests=max_requests)
    folder = out or Path("runs") / f"loop-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    source = candidate or _train(called.variant, config, seed, steps, folder / "train")
    opened = open_registry(registry)
    version = publish_run(opened, name, source).version
    if live:
        _run_live(opened, name, version, _Live(manager, percent_, alpha, max_requests), folder, as_json=as_json)
        return
    _run_in_process(opened, name, version, _InProcess(profiles, days, rules), folder, as_json=as_json)


def _named(name: str, *, live: bool) -> ModelName:
    """Raises `InvalidInput` for a model that cannot be judged in this way."""
    from ric_sim.domain.errors import InvalidInput
    from services.registry.model import Kind, ModelName

    called = ModelName.parse(name)
    if called.kind is not Kind.ROUTING or bool(called.agent) is not live:
        wanted = "live, one agent is judged; name it, e.g. routing-amarl-video"
        if not live:
            wanted = "in-process, whole teams that route are judged; name one, e.g. routing-amarl"
        raise InvalidInput(f"--name {name}: {wanted}")
    return called


@dataclass(frozen=True, slots=True)
class _InProcess:
    """What judging in-process takes beside the model."""

    profiles: list[str]
    days: int
    rules: TrialRules


def _run_in_process(
    opened: Registry, name: str, version: ModelVersion, asked: _InProcess, folder: Path, *, as_json: bool
) -> None:
    from ric_sim.envs.trial import Verdict

    against = _judged_against(opened, name)
    rounds = fresh_rounds(asked.profiles, asked.days, version.sha256)
    trial = _judge(opened, name, version, rounds, asked.rules)
    outcome = _settle(opened, name, version.version, trial.verdict)
    report = {
        "model": name,
        "version": version.version,
        "sha256": version.sha256,
        "stage": str(outcome.stage),
        "against": against,
        "profiles": asked.profiles,
        "days": [[scenario.day.name for scenario in each] for each in rounds],
        **trial.to_dict(),
    }
    _write_report(folder, report)
    facts = {key: value for key, value in report.items() if key != "track"} | {"report": str(folder / "report.json")}
    emit(facts, as_json=as_json, people=lambda: Group(*_tables(report, folder)))
    if trial.verdict is not Verdict.BETTER:
        raise typer.Exit(EXIT_FAILED)


@dataclass(frozen=True, slots=True)
class _Live:
    """What `--live` takes beside the model."""

    manager: str
    percent: float
    alpha: float
    max_requests: int | None


def _run_live(registry: Registry, name: str, version: ModelVersion, asked: _Live, folder: Path, *, as_json: bool) -> None:
    from services.cli.live_trial import LiveRules, LiveTrial, keep_figure

    trial = LiveTrial(registry, name, version, asked.manager)
    found = trial.run(LiveRules(asked.percent, asked.alpha, asked.max_requests))
    report = {"model": name, "version": version.version, "sha256": version.sha256, **found}
    keep_figure(asked.manager, found, folder)
    (folder / "report.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    facts = {key: value for key, value in report.items() if key != "series"} | {"report": str(folder / "report.json")}
    emit(facts, as_json=as_json, people=lambda: _live_text(report, folder))
    if found["state"] != "promoted":
        raise typer.Exit(EXIT_FAILED)


def _live_text(report: dict[str, Any], folder: Path) -> str:
    low, high = (100 * bound for bound in report["gain_interval"])
    gain = f"{100 * report['gain']:+.2f} points ({low:+.2f} to {high:+.2f})"
    return (
        f"{report['model']} version {report['version']} at {report['xapp']}: {report['verdict']}, {report['reason']}; now "
        f"{report['stage']}\n{report['requests']:,} requests, gain {gain}; {report['xapp']} {report['serves']} serves; "
        f"{folder / 'report.json'}"
    )


def fresh_rounds(profiles: Sequence[str], days: int, sha256: str) -> list[list[Scenario]]:
    """A day per profile and round. Their seeds come from the candidate's digest: each candidate meets days of its own, the
    same ones whenever it is judged, and ones it cannot have been trained on.
    """
    from ric_sim.network.scenario import load_scenario

    first = _FRESH_SEEDS + int(sha256[:12], 16) % _N_FRESH_SEEDS
    return [[load_scenario(profile=name, day="train", seed=first + index) for name in profiles] for index in range(days)]


def _judged_against(registry: Registry, name: str) -> str:
    from services.registry.model import Stage

    production = registry.model(name).at(Stage.PRODUCTION)
    return f"version {production.version}" if production else SHIPPED


def _judge(registry: Registry, name: str, version: ModelVersion, rounds: list[list[Scenario]], rules: TrialRules) -> Trial:
    """The trial, during which the candidate is the model's canary.

    Raises:
        StageRefused: it is in production or retired, so it has been judged before.
    """
    from ric_sim.envs.trial import run_trial
    from services.registry.model import Stage

    production = registry.model(name).at(Stage.PRODUCTION)
    registry.promote(name, version.version, Stage.CANARY)
    beside = registry.view(name, production.version) if production else None
    with error_console.status("") as status:
        return run_trial(
            rounds,
            _policy(name, beside),
            _policy(name, registry.view(name, version.version)),
            rules,
            watch=lambda trial: status.update(_progress(name, version.version, trial)),
        )


def _policy(name: str, folder: Path | None) -> BuildPolicy:
    """Builds the learned policy with the weights of a folder; None, those that come with Ricity."""
    from ric_sim.network.policies.learned import load_policy
    from services.registry.model import ModelName

    algorithm = ModelName.parse(name).variant
    return lambda city: load_policy(name, city, algorithm, folder=folder)


def _settle(registry: Registry, name: str, version: int, verdict: Verdict) -> ModelVersion:
    from ric_sim.envs.trial import Verdict
    from services.registry.model import Stage

    stages = {Verdict.BETTER: Stage.PRODUCTION, Verdict.UNDECIDED: Stage.STAGED}
    return registry.promote(name, version, stages.get(verdict, Stage.RETIRED))


def _train(algorithm: str, config: str, seed: int, steps: int | None, out: Path) -> Path:
    """Trains a candidate; the folder of the run."""
    from services.cli.train_command import train_candidate

    train_candidate("sarl" if algorithm == "sarl" else "amarl", config, seed, steps, out)
    return out


def _progress(name: str, version: int, trial: Trial) -> str:
    requests, gain, low, high = trial.track[-1]
    return f"{name} {version}: {requests:,} requests, gain {100 * gain:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f})"


def _write_report(folder: Path, report: dict[str, Any]) -> None:
    from services.cli.report.trial_figure import draw_trial

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    draw_trial(report, folder / "evidence.png")


def _tables(report: dict[str, Any], folder: Path) -> list[Any]:
    low, high = (100 * bound for bound in report["gain_interval"])
    head = (
        f"{report['model']} version {report['version']} against {report['against']}: {report['verdict']}, {report['reason']}; "
        f"now {report['stage']}\n{report['requests']:,} requests, gain {100 * report['gain']:+.2f} points, {low:+.2f} to "
        f"{high:+.2f} at any time; {folder / 'report.json'}"
    )
    rows = [
        (key, f"{row['requests']:,}", percent(row["production"]), percent(row["candidate"]), f"{100 * row['gain']:+.2f}")
        for key, row in report["by_service"].items()
    ]
    return [head, table("GoS % by service", ("<service", "requests", "production", "candidate", "gain, points"), rows)]
