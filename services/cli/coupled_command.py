"""`ricity eval slicing --coupled`: what routing admits is what the slicing agents of its O-DUs have to carry."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import Progress

from services.cli.eval_command import chosen
from services.cli.output import error_console, table

if TYPE_CHECKING:
    from ric_sim.envs.coupled import CoupledEvaluation
    from ric_sim.envs.coupled_traffic import AdmittedTraffic, TimeBins
    from ric_sim.radio.policies import SlicingPolicy
    from ric_sim.radio.world import World

_BIN_MS, _HOUR_MS = 1_800_000, 3_600_000

Policies = Callable[[int], Sequence["SlicingPolicy"]]


@dataclass(frozen=True)
class CoupledRun:
    """What to play.

    Attributes:
        profile, day: of the city. routing: routing policies, separated by commas.
        hours: the window, two whole hours with a dash between them.
        seed: of the radio network. replicas: of it, side by side. decisions: per stretch of 30 minutes, None for the usual.
    """

    profile: str
    day: str
    routing: str
    hours: str
    seed: int
    replicas: int
    decisions: int | None

    @property
    def bins(self) -> TimeBins:
        """`OutOfRange` for hours that are none."""
        from ric_sim.domain.errors import OutOfRange
        from ric_sim.envs.coupled_traffic import TimeBins

        begin, dash, end = self.hours.partition("-")
        if not (dash and begin.strip().isdigit() and end.strip().isdigit()):
            raise OutOfRange(f"hours {self.hours!r}: expected two whole hours such as 8-20")
        return TimeBins(int(begin) * _HOUR_MS, int(end) * _HOUR_MS, _BIN_MS)


def world_options(policies: Sequence[SlicingPolicy]) -> dict[str, str]:
    """Decoding and observation of the world that learned policies among these were trained in; nothing if there are none."""
    from ric_sim.radio.learned import LearnedSlicing

    specs = [each.actors.spec for each in policies if isinstance(each, LearnedSlicing)]
    return {"decoding": specs[0].decoding, "observation": specs[0].observation} if specs else {}


def play_coupled(run: CoupledRun, policies: Policies, channel: str) -> dict[str, Any]:
    """Plays the day once per routing policy and the radio network once per pair of policies, in both readings of a cell.

    Returns:
        The document for --json: what was played, the scale, what each routing policy admitted, and the evaluations; in those of
        `cells: "by size"` an O-DU has cells in proportion to its compute, in those of `cells: "one"` one, whatever its size.
    """
    from ric_sim.envs.coupled import coupled_world
    from ric_sim.network.policies import POLICIES
    from ric_sim.network.scenario import load_scenario
    from ric_sim.radio.channel import make_channel

    names, bins = chosen("policy", run.routing, POLICIES), run.bins
    scenario = load_scenario(profile=run.profile, day=run.day)
    admitted, evaluations = [], []
    world: World | None = None
    for name in names:
        traffic = _admitted(scenario, name, bins)
        admitted.append(traffic)
        players = policies(len(traffic.size))
        world = world or coupled_world(
            len(traffic.size), n_replicas=run.replicas, channel=make_channel(channel), **world_options(players)
        )
        for cells, seen in (("by size", traffic), ("one", replace(traffic, size=np.ones_like(traffic.size)))):
            evaluations += [{"cells": cells, **_evaluate(seen, each, world, run).to_dict()} for each in players]
    return {
        "profile": run.profile,
        "day": run.day,
        "config_hash": scenario.config_hash,
        "channel": channel,
        "seed": run.seed,
        "replicas": run.replicas,
        "hours": bins.middles_h.tolist(),
        "scale": _by_slice(admitted[0].nominal_mbps),
        "routing": [_admitted_dict(each) for each in admitted],
        "evaluations": evaluations,
    }


def write_coupled(folder: Path, document: Mapping[str, Any]) -> None:
    """coupled.json and coupled.png."""
    from services.cli.coupled_figure import draw_coupled

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "coupled.json").write_text(json.dumps(document, indent=1) + "\n")
    draw_coupled(folder / "coupled.png", document)


def coupled_table(document: Mapping[str, Any]) -> Any:
    """One row per pair of policies and reading of a cell."""
    gos = {each["policy"]: each["gos"] for each in document["routing"]}
    rows = [
        (
            each["routing"],
            f"{100 * gos[each['routing']]:.2f}",
            each["slicing"],
            each["cells"],
            f"{each['reward']:.3f}",
            *(f"{100 * part:.1f}" for part in each["satisfied"].values()),
            f"{100 * each['all3']:.1f}",
            f"{100 * each['served_ratio']:.1f}",
        )
        for each in document["evaluations"]
    ]
    slices = [f"{name} met %" for name in document["scale"]]
    columns = ("<routing", "GoS %", "<slicing", "<cells", "reward", *slices, "all3 %", "admitted and met %")
    shown = table(f"{document['profile']}, {document['day']} day: routing and slicing in one city", columns, rows)
    scale = ", ".join(f"{name} {mbps:.0f}" for name, mbps in document["scale"].items())
    shown.caption = f"usual load of a cell = Mbps requested per O-DU, mean of the day: {scale}"
    return shown


def _admitted(scenario: Any, name: str, bins: TimeBins) -> AdmittedTraffic:
    from ric_sim.envs.coupled_traffic import admitted_traffic

    with Progress(console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        total = int(np.searchsorted(scenario.day.arrival_ms, bins.end_ms))
        task = bar.add_task(f"routing, {name}", total=total)
        return admitted_traffic(scenario, name, bins, progress=lambda done: bar.update(task, completed=done))


def _evaluate(traffic: AdmittedTraffic, policy: SlicingPolicy, world: World, run: CoupledRun) -> CoupledEvaluation:
    from ric_sim.envs.coupled import DEFAULT_DECISIONS, evaluate_coupled

    with Progress(console=error_console, transient=True, disable=not error_console.is_terminal) as bar:
        task = bar.add_task(f"{traffic.policy}, {policy.name}", total=len(traffic.load))
        decisions = DEFAULT_DECISIONS if run.decisions is None else run.decisions
        return evaluate_coupled(
            traffic, policy, world, seed=run.seed, decisions=decisions, progress=lambda done: bar.update(task, completed=done)
        )


def _admitted_dict(traffic: AdmittedTraffic) -> dict[str, Any]:
    """By slice: admitted flows and their rate over time, and the heaviest load of a cell."""
    return {
        "policy": traffic.policy,
        "gos": traffic.gos_ratio,
        "largest_load": _by_slice(traffic.load.max(axis=(0, 1))),
        "mean_mbps_by_o_du": traffic.rate_mbps.sum(axis=2).mean(axis=0).tolist(),
        "size_by_o_du": traffic.size.tolist(),
        "flows": _by_slice(traffic.flows.sum(axis=1)),
        "rate_mbps": _by_slice(traffic.rate_mbps.sum(axis=1)),
    }


def _by_slice(values: Any) -> dict[str, Any]:
    """The last axis by name."""
    from ric_sim.radio.config import SLICES

    return {name: values[..., index].tolist() for index, name in enumerate(SLICES)}
