"""`ricity eval slicing`: slicing policies on the radio network, in one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.progress import Progress

from services.cli.eval_command import chosen
from services.cli.output import JsonOption, emit, error_console, table
from services.cli.run_tables import number

if TYPE_CHECKING:
    from ric_sim.envs.slicing_evaluate import SlicingEvaluation
    from ric_sim.radio.policies import SlicingPolicy
    from ric_sim.radio.world import World

_ORACLE_NOTE = "oracle: best responses with the rates to come; no network can play it"


def slicing(
    policy: Annotated[
        str, typer.Option(help="A policy, several separated by commas, or all; all leaves out the oracle, which is slow.")
    ] = "all",
    profile: Annotated[str, typer.Option(help="A radio profile, several separated by commas, or all.")] = "nominal",
    seeds: Annotated[int, typer.Option(help="Episodes per replica.")] = 1,
    first_seed: Annotated[int, typer.Option(help="Seed of the first episode; the others follow it.")] = 901,
    replicas: Annotated[int, typer.Option(help="Networks side by side.")] = 8,
    decisions: Annotated[int, typer.Option(help="Decisions of each O-DU per episode.")] = 100,
    dus: Annotated[int, typer.Option(help="O-DUs, 2 to 10, with cells of 500 m.")] = 6,
    as_json: JsonOption = False,
) -> None:
    """Play episodes of the radio network; every policy meets the same arrivals, movement and fading.

    With --json one object per evaluation is in `evaluations`; `by_replica` has what paired comparisons need.

    Examples:

      ricity eval slicing --policy all --seeds 4

      ricity eval slicing --policy need-tuned,curve --profile all --json

      ricity eval slicing --policy all,oracle --replicas 2
    """
    from ric_sim.radio.config import RadioConfig
    from ric_sim.radio.policies import make_slicing_policy
    from ric_sim.radio.profiles import RADIO_PROFILES
    from ric_sim.radio.world import World

    names = _policies(policy)
    world = World(RadioConfig(n_dus=dus), n_replicas=replicas)
    episodes = range(first_seed, first_seed + seeds)
    results = [
        [_evaluate(make_slicing_policy(name), world, each, episodes, decisions) for name in names]
        for each in chosen("radio profile", profile, RADIO_PROFILES)
    ]
    rows = [evaluation.to_dict() for of_profile in results for evaluation in of_profile]
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

    deployable = [name for name, factory in SLICING_POLICIES.items() if factory.deployable]
    named = [each for word in words.split(",") for each in (deployable if word.strip() == "all" else [word])]
    return chosen("slicing policy", ",".join(named), SLICING_POLICIES)


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
