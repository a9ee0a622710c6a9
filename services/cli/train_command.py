"""`ricity train`: agents learn, in-process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from services.cli.admin import check_address
from services.cli.continual_command import continual
from services.cli.local.identity import git_commit
from services.cli.model_command import DEFAULT_REGISTRY, RegistryOption, open_registry, publish_run
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import number, percent

app = typer.Typer(help="Train agents; needs the extra `train` (torch).", no_args_is_help=True)
app.command()(continual)


@app.callback()
def group() -> None:
    """Train agents; needs the extra `train` (torch)."""


@app.command()
def routing(
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint, scalars, weights, result.")],
    algo: Annotated[str, typer.Option(help="amarl: one agent per service. sarl: one agent for all.")] = "amarl",
    config: Annotated[str, typer.Option(help="fast, paper, or a YAML file of your own.")] = "fast",
    seed: Annotated[int, typer.Option(min=0, help="Of networks, days and exploration.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, after a stop or a crash.")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Decisions in all, instead of the configuration's.")] = None,
    backend: Annotated[
        str,
        typer.Option(
            help="local: all agents in this process. ray: amarl's agents and their shared environment as actors of Ray."
        ),
    ] = "local",
    store: Annotated[
        str | None,
        typer.Option(
            help="Train amarl against a live store, in the city of the configuration's first profile: host:port of a RIC, "
            "or redis://host:port/db."
        ),
    ] = None,
    namespace: Annotated[str, typer.Option(help="Namespace in a redis:// store.")] = "train",
    agent: Annotated[
        list[str] | None,
        typer.Option(
            help="Train only this service's agent of amarl; repeat for more. With --store, each may be a process of its own."
        ),
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Train in this city only, instead of the configuration's.")] = None,
    others: Annotated[
        Path | None,
        typer.Option(
            "--from", help="With --agent: weights of all other agents, which stay as they are. Onboards a service (paper-7)."
        ),
    ] = None,
    parent: Annotated[str | None, typer.Option(help="With --from: the service whose agent the new one begins as.")] = None,
    publish: Annotated[str | None, typer.Option(help="Model to publish the weights as, staged in the registry.")] = None,
    registry: RegistryOption = DEFAULT_REGISTRY,
    as_json: JsonOption = False,
) -> None:
    """Train routing policies on days of the training split; the best ones on a validation day are kept.

    The run can be stopped at any time and resumed; the weights folder serves at once: ricity run --weights RUN/weights.

    Examples:

      ricity train routing --algo amarl --config fast --seed 1 --out runs/amarl-1

      ricity train routing --algo sarl --config fast --seed 1 --out runs/sarl-1 --json

      ricity train routing --backend ray --seed 1 --out runs/amarl-ray

      ricity train routing --store 127.0.0.1:50051 --agent voip --out runs/voip-live

      ricity train routing --profile paper-7 --agent surgery --from runs/amarl-1/weights --out runs/surgery

      ricity train routing --seed 2 --out runs/amarl-2 --publish routing-amarl
    """
    from ric_sim.domain.errors import UnknownKey

    if algo not in ("amarl", "sarl"):
        raise UnknownKey("algorithm", algo, ("amarl", "sarl"))
    from services.trainer.backends import BackendPlan, checked_backend
    from services.trainer.onboarding import train_onboarding
    from services.trainer.routing import RunPlan, find_config, train_routing

    agents = tuple(agent or ())
    name = checked_backend(backend, algo=algo, with_store=store is not None, agents=agents)
    opened = BackendPlan(name, _door(store, namespace) if store else None, agents)
    is_plain = algo == "amarl" and backend == "local" and not store
    onboarding, chosen = _newcomers(_changed(find_config(config), steps, profile), agents, others, parent, is_plain=is_plain)
    plan = RunPlan("sarl" if algo == "sarl" else "amarl", chosen, seed, git_commit(), opened)
    with _bar(f"{algo}, {chosen.name}, seed {seed}", chosen.total_steps) as watch:
        if onboarding is None:
            result = train_routing(plan, out=out, resume=resume, watch=watch)
        else:
            result = train_onboarding(plan, onboarding, out=out, resume=resume, watch=watch)
    if publish is not None:
        result["published"] = publish_run(open_registry(registry), publish, out).version.version
    emit(result, as_json=as_json, people=lambda: Group(_curve(result), *_onboarded(result)))


def _newcomers(
    config: Any, agents: tuple[str, ...], others: Path | None, parent: str | None, *, is_plain: bool
) -> tuple[Any, Any]:
    """The onboarding that was asked for, None if none was, and the configuration for it."""
    from ric_sim.domain.errors import InvalidInput
    from services.trainer.onboarding import onboarding_of

    if others is None:
        if parent is not None:
            raise InvalidInput("--parent goes with --from, the weights of the other agents")
        return None, config
    if not is_plain:
        raise InvalidInput("--from goes with --algo amarl, --backend local and no --store")
    return onboarding_of(config, agents, others, parent)


def train_candidate(algo: Literal["amarl", "sarl"], config: str, seed: int, steps: int | None, out: Path) -> None:
    """A plain run in this process, with a bar; errors as of `train_routing`."""
    from services.trainer.routing import RunPlan, find_config, train_routing

    plan = RunPlan(algo, _changed(find_config(config), steps, None), seed, git_commit())
    with _bar(f"{algo}, {plan.config.name}, seed {seed}", plan.config.total_steps) as watch:
        train_routing(plan, out=out, resume=False, watch=watch)


def _changed(config: Any, steps: int | None, profile: str | None) -> Any:
    """The configuration with other steps and another city."""
    from ric_sim.network.profiles import find_profile

    if steps is not None:
        config = config.model_copy(update={"total_steps": steps})
    if profile is not None:
        find_profile(profile)
        config = config.model_copy(update={"traffic": config.traffic.model_copy(update={"profiles": (profile,)})})
    return config


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[[int, int, Any], None]]:
    """A progress bar on stderr with the best validation so far; yields what moves it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[gos]}"),
    )
    with Progress(*columns, console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task(title, total=total, gos="")

        def watch(done: int, _total: int, progress: Any) -> None:
            gos = f"validation {100 * progress.best_gos:.2f} %" if progress.evaluations else ""
            bar.update(task, completed=min(done, total), gos=gos)

        yield watch


@app.command()
def slicing(
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint, scalars, weights, result.")],
    variant: Annotated[
        str, typer.Option(help="ta-sam, sac, l2, dropout, actor-sam, ...; an unknown name lists them all.")
    ] = "ta-sam",
    config: Annotated[str, typer.Option(help="ci, full, paper, or a YAML file of your own.")] = "ci",
    seed: Annotated[int, typer.Option(min=0, help="Of networks, worlds and exploration.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, after a stop or a crash.")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps in all, instead of the configuration's.")] = None,
    decoding: Annotated[
        str | None, typer.Option(help="How actions become resource blocks: resid5, share5, share3, soft3, twobit.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train slicing actors and their global critic in-process; a step is one decision of every O-DU in all parallel worlds.

    The run can be stopped at any time and resumed. Figures are of the greedy policies on seeds that nobody trained on.

    Examples:

      ricity train slicing --variant ta-sam --config ci --seed 1 --out runs/ta-sam-1

      ricity train slicing --variant sac --decoding share5 --out runs/sac-share5 --json
    """
    from services.trainer.slicing import SlicingRunPlan, find_slicing_config, train_slicing

    changes: dict[str, Any] = {} if steps is None else {"total_steps": steps}
    if decoding is not None:
        changes["world"] = {"decoding": decoding}
    chosen = find_slicing_config(config, variant, changes=changes)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[reward]}"),
    )
    with Progress(*columns, console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task(f"{variant}, {chosen.name}, seed {seed}", total=chosen.total_steps, reward="")

        def watch(done: int, _total: int, progress: Any) -> None:
            reward = f"validation reward {progress.evaluations[-1]['reward']:.3f}" if progress.evaluations else ""
            bar.update(task, completed=done, reward=reward)

        result = train_slicing(SlicingRunPlan(chosen, seed, git_commit()), out=out, resume=resume, watch=watch)
    emit(result, as_json=as_json, people=lambda: slicing_table(result))


def slicing_table(result: dict[str, Any]) -> Any:
    """One row per profile, the best rule beside what was learnt."""
    slices = list(result["satisfied"])
    rows = [
        (
            profile,
            f"{row['reward']:.3f}",
            f"{row['reference_reward']:.3f}",
            f"{row['reward_gain']:+.3f} ± {row['reward_gain_half_width'] or 0:.3f}",
            percent(row["all3"]),
            percent(row["reference_all3"]),
            *(percent(row["satisfied"][name]) for name in slices),
        )
        for profile, row in result["by_profile"].items()
    ]
    run = f"{result['variant']}, {result['config']}, {result['decoding']}, seed {result['seed']}"
    title = f"{run}: {result['steps']:,} steps in {result['wall_s']:.0f} s, lambda_max {result['curvature']['critic']:.0f}"
    columns = ("<profile", "reward", result["reference"], "gain (paired)", "all three %", f"{result['reference']} %")
    return table(f"{title}; {result['weights']}", (*columns, *(f"{name} %" for name in slices)), rows)


def _door(store: str, namespace: str) -> Callable[[Any], Any]:
    """Opens the store for a city: over the RIC, or straight to a Redis-protocol server."""

    def open_door(city: Any) -> Any:
        from services.cli.connection import connection
        from services.trainer.store_env import RicDoor, StoreDoor

        if "://" not in store:
            return RicDoor(check_address(store), connection().transport)
        from ric_sim.store.base import StoreLayout
        from ric_sim.store.redis_store import RedisStore

        opened = RedisStore(connection().store(store), namespace, patience_s=2.0)
        opened.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
        return StoreDoor(opened, city)

    return open_door


def _onboarded(result: dict[str, Any]) -> list[Any]:
    """GoS by service without the newcomers, with a stand-in for their agents, and with these."""
    if "onboarding" not in result:
        return []
    gos = result["onboarding"]["gos"]
    names = {"absent": "without newcomer", "stand_in": "newcomer by cspf", "onboarded": "newcomer's agent"}
    keys = list(gos["onboarded"])
    rows = [(title, *(percent(gos[name][key]) for key in keys)) for name, title in names.items()]
    return [table(f"{result['onboarding']['profile']}, test day: GoS %", ("<", *keys), rows)]


def _curve(result: dict[str, Any]) -> Any:
    """One row per evaluation, the best one marked."""
    profiles = list(result["gos_validation_by_profile"])
    rows = [
        (
            f"{each['step']:,}" + (" *" if each["step"] == result["best_step"] else ""),
            number(each["wall_s"]),
            percent(each["gos"]),
            *(percent(each["gos_by_city"][profile]) for profile in profiles),
        )
        for each in result["evaluations"]
    ]
    run = f"{result['algo']}, {result['config']}, seed {result['seed']}"
    title = f"{run}: {result['steps_per_s']:,.0f} decisions/s; * kept in {result['weights']}"
    return table(title, ("decisions", "s", "validation GoS %", *profiles), rows)
