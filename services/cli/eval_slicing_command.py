"""`ricity eval slicing`: slicing policies on the radio network, in one process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.progress import Progress

from services.cli.coupled_command import CoupledRun, coupled_table, play_coupled, world_options, write_coupled
from services.cli.eval_command import chosen
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import number

if TYPE_CHECKING:
    from ric_sim.envs.slicing_evaluate import SlicingEvaluation
    from ric_sim.radio.policies import SlicingPolicy
    from ric_sim.radio.world import World

_ORACLE_NOTE = "oracle: best responses with the rates to come; no network can play it"
_LEARNED = "learned"
_COUPLED_POLICIES = "equal-pf,need-tuned,learned"


def slicing(
    policy: Annotated[
        str, typer.Option(help="A policy, several separated by commas, or all; all leaves out the oracle, which is slow.")
    ] = "all",
    profile: Annotated[
        str | None,
        typer.Option(help="A radio profile (nominal), several separated by commas, or all; with --coupled the city's (paper)."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Episodes per replica.")] = 1,
    first_seed: Annotated[int, typer.Option(help="Seed of the first episode; the others follow it.")] = 901,
    replicas: Annotated[int, typer.Option(help="Networks side by side.")] = 8,
    decisions: Annotated[
        int | None, typer.Option(help="Decisions of each O-DU per episode (100); with --coupled per stretch of the day (25).")
    ] = None,
    dus: Annotated[int, typer.Option(help="O-DUs, 2 to 10, with cells of 500 m.")] = 6,
    channel: Annotated[str, typer.Option(help="rayleigh, or 38901: the urban microcell of 3GPP, slow.")] = "rayleigh",
    weights: Annotated[Path | None, typer.Option(help="Folder of the learned policy's weights, not those shipped.")] = None,
    coupled: Annotated[
        bool, typer.Option("--coupled", help="The traffic is what routing admits in the city; a cell for each of its O-DUs.")
    ] = False,
    day: Annotated[str, typer.Option(help="With --coupled: test or train.")] = "test",
    routing: Annotated[str, typer.Option(help="With --coupled: routing policies, separated by commas.")] = "cspf,learned",
    hours: Annotated[str, typer.Option(help="With --coupled: the window, in whole hours.")] = "0-24",
    out: Annotated[Path | None, typer.Option(help="With --coupled: folder for coupled.png and coupled.json.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Play episodes of the radio network; every policy meets the same arrivals, movement and fading.

    With --json one object per evaluation is in `evaluations`; `by_replica` has what paired comparisons need.

    Examples:

      ricity eval slicing --policy all --seeds 4

      ricity eval slicing --policy need-tuned,curve --profile all --json

      ricity eval slicing --policy all,oracle --replicas 2

      ricity eval slicing --policy equal-rr,static,need-tuned,learned --channel 38901 --replicas 2

      ricity eval slicing --coupled --profile paper --day test --out docs/results/slicing
    """
    from ric_sim.envs.slicing_evaluate import EPISODE_DECISIONS
    from ric_sim.radio.channel import make_channel
    from ric_sim.radio.config import RadioConfig
    from ric_sim.radio.profiles import RADIO_PROFILES
    from ric_sim.radio.world import World

    names = _policies(_COUPLED_POLICIES if coupled and policy == "all" else policy)

    def players(n_dus: int) -> list[SlicingPolicy]:
        return [_player(name, n_dus, weights) for name in names]

    if coupled:
        run = CoupledRun(profile or "paper", day, routing, hours, seed=first_seed, replicas=replicas, decisions=decisions)
        document = play_coupled(run, players, channel)
        if out is not None:
            write_coupled(out, document)
        emit(document, as_json=as_json, people=lambda: coupled_table(document))
        return
    policies = players(dus)
    world = World(RadioConfig(n_dus=dus), n_replicas=replicas, channel=make_channel(channel), **world_options(policies))
    episodes = range(first_seed, first_seed + seeds)
    n_decisions = EPISODE_DECISIONS if decisions is None else decisions
    results = [
        [_evaluate(each, world, radio_profile, episodes, n_decisions) for each in policies]
        for radio_profile in chosen("radio profile", profile or "nominal", RADIO_PROFILES)
    ]
    rows = [{**evaluation.to_dict(), "channel": channel} for of_profile in results for evaluation in of_profile]
    top = rows[0] if len(rows) == 1 else {}
    emit({**top, "evaluations": rows}, as_json=as_json, people=lambda: Group(*map(slicing_table, results)))


def slicing_table(evaluations: Sequence[SlicingEvaluation]) -> Any:
    """One row per policy: reward with its 95 % interval, satisfied slices in percent, mean QoS, RBs in use."""
    first = evaluations[0]
    slices = list(first.satisfied)
    columns = (
        "<policy",
        "reward",
        "+-",
        "worst 5 %",
        *(f"{name} met %" for name in slices),
        "all3 %",
        "Mbps, Mbps, ms",
        "RBs used %",
        "decisions/cpu-s",
    )
    rows = [
        (
            each.policy,
            f"{each.reward.mean:.3f}",
            "-" if each.reward.half_width is None else f"{each.reward.half_width:.3f}",
            f"{each.reward_low:.2f}",
            *(f"{100 * each.satisfied[name].mean:.1f}" for name in slices),
            f"{100 * each.all3.mean:.1f}",
            " ".join(number(each.qos[name]) for name in slices),
            f"{100 * sum(each.used_ratio.values()):.0f}",
            number(each.decisions_per_s),
        )
        for each in evaluations
    ]
    played = f"{len(first.seeds)} x {first.n_replicas} episodes of {first.decisions} decisions, {first.n_dus} O-DUs"
    shown = table(f"{first.profile}: {played}", columns, rows)
    shown.caption = _ORACLE_NOTE if any(each.policy == "oracle" for each in evaluations) else None
    return shown


def _policies(words: str) -> list[str]:
    """The policies named; `all` are those that an O-DU could play, others may be named beside it."""
    from ric_sim.radio.policies import SLICING_POLICIES

    deployable = [*(name for name, factory in SLICING_POLICIES.items() if factory.deployable), _LEARNED]
    named = [each for word in words.split(",") for each in (deployable if word.strip() == "all" else [word])]
    return chosen("slicing policy", ",".join(named), [*SLICING_POLICIES, _LEARNED])


def _player(name: str, n_dus: int, weights: Path | None) -> SlicingPolicy:
    from ric_sim.radio.learned import SHIPPED_FOLDER, load_slicing
    from ric_sim.radio.policies import make_slicing_policy

    return load_slicing(weights or SHIPPED_FOLDER, n_dus=n_dus) if name == _LEARNED else make_slicing_policy(name)


def _evaluate(policy: SlicingPolicy, world: World, profile: str, seeds: range, decisions: int) -> SlicingEvaluation:
    """One evaluation, with a bar on stderr while it runs."""
    from ric_sim.envs.slicing_evaluate import evaluate_slicing

    with Progress(console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task(f"{policy.name}, {profile}", total=len(seeds) * decisions)
        return evaluate_slicing(
            policy,
            world,
            profile=profile,
            seeds=list(seeds),
            decisions=decisions,
            progress=lambda done: bar.update(task, completed=done),
        )
