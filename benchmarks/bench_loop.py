"""The whole day live against the same day in-process, and what stale snapshots cost the live system.

    ricity bench loop

Throughput: the test day of profile paper, policy cspf, six xApps, against `ricity eval routing`
on the same machine right after. Staleness: two busy hours of that day, live, with 1 to 64 requests open at once and with
0 or 1 new plans after an aborted commit; the reference is the same window planned in-process on fresh snapshots.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ric_sim.envs.evaluate import Staleness, evaluate
from ric_sim.network.city_file import save_city
from ric_sim.network.flow_file import save_flows
from ric_sim.network.scenario import Scenario, load_scenario
from ric_sim.network.traffic import selection
from services.cli.local.options import RunOptions
from services.cli.local.play import LocalRun
from services.cli.local.watcher import Silent

POLICY = "cspf"
PROFILE = "paper"
IN_FLIGHT = (1, 6, 24, 64)
REPLANS = (0, 1)
HOUR_MS = 3_600_000
WINDOW_MS = (16 * HOUR_MS, 18 * HOUR_MS)
QUICK_WINDOW_MS = (16 * HOUR_MS, 16 * HOUR_MS + HOUR_MS // 6)

Tell = Callable[[str], None]


def measure(*, quick: bool, tell: Tell) -> dict[str, Any]:
    """Runs everything; `figures` has one row per published figure, `staleness` the table."""
    with tempfile.TemporaryDirectory(prefix="ricity-bench-") as scratch:
        folder = Path(scratch)
        live, in_process = _whole_day(folder, quick=quick, tell=tell)
        staleness = _staleness(folder, WINDOW_MS if not quick else QUICK_WINDOW_MS, tell=tell)
    return {
        "figures": _figures(live, in_process, staleness),
        "staleness": staleness,
        "live": live,
        "in_process": in_process,
    }


def play(options: RunOptions) -> dict[str, Any]:
    """Summary of one live run."""
    run = LocalRun(options, Silent())
    try:
        return run.play().summary
    finally:
        run.close()


def _whole_day(folder: Path, *, quick: bool, tell: Tell) -> tuple[dict[str, Any], dict[str, Any]]:
    max_flows = 2000 if quick else None
    tell("the day, live")
    live = play(RunOptions(out=folder / "day", profile=PROFILE, policy=POLICY, max_flows=max_flows))
    tell(f"  {live['wall_s']:.1f} s, GoS {100 * live['gos']:.2f} %; now in-process")
    result = evaluate(load_scenario(profile=PROFILE, day="test"), POLICY, max_flows=max_flows).to_dict()
    tell(f"  {result['wall_s']:.1f} s, GoS {100 * result['gos']:.2f} %")
    return live, result


def _staleness(folder: Path, window_ms: tuple[int, int], *, tell: Tell) -> list[dict[str, Any]]:
    scenario = _window(window_ms)
    city, flows = folder / "city.json", folder / "window.csv"
    save_city(scenario.city, city)
    save_flows(scenario.day, scenario.city, flows)
    fresh = evaluate(scenario, POLICY).gos_ratio
    rows = []
    for in_flight in IN_FLIGHT:
        for replans in REPLANS:
            out = folder / f"stale-{in_flight}-{replans}"
            options = RunOptions(out=out, city=city, flows=flows, policy=POLICY, in_flight=in_flight, replans=replans)
            live = play(options)
            simulated = evaluate(scenario, POLICY, staleness=Staleness(in_flight, replans)).gos_ratio
            row = {
                "in_flight": in_flight,
                "replans": replans,
                "requests": live["requests"],
                "gos": live["gos"],
                "lost_points": round(100 * (fresh - live["gos"]), 3),
                "aborted_commits": live["commits"]["aborted"],
                "decisions_per_s": live["decisions_per_s"],
                "fresh_gos": round(fresh, 6),
                "simulated_gos": round(simulated, 6),
            }
            tell(f"  in flight {in_flight}, replans {replans}: GoS {100 * row['gos']:.2f} % (fresh {100 * fresh:.2f} %)")
            rows.append(row)
    return rows


def _window(window_ms: tuple[int, int]) -> Scenario:
    """The requests of the test day that arrive in a part of it."""
    scenario = load_scenario(profile=PROFILE, day="test")
    arrival_ms = scenario.day.arrival_ms
    inside = np.flatnonzero((arrival_ms >= window_ms[0]) & (arrival_ms < window_ms[1]))
    return Scenario(scenario.city, selection(scenario.day, "window", inside))


def _figures(live: dict[str, Any], in_process: dict[str, Any], staleness: list[dict[str, Any]]) -> list[dict[str, Any]]:
    worst = {row["replans"]: row for row in staleness if row["in_flight"] == IN_FLIGHT[-1]}
    live_per_s = live["decisions_per_s"]
    in_process_per_s = in_process["requests"] / in_process["wall_s"]
    return [
        {
            "name": "the day live, wall time",
            "value": live["wall_s"],
            "unit": "s",
            "reference": "in-process",
            "reference_value": round(in_process["wall_s"], 2),
            "ratio": round(live["wall_s"] / in_process["wall_s"], 2),
            "goal": "<= 90 s live, <= 10 s in-process",
        },
        {
            "name": "decisions live",
            "value": live_per_s,
            "unit": "1/s",
            "reference": "in-process",
            "reference_value": round(in_process_per_s, 1),
            "ratio": round(live_per_s / in_process_per_s, 4),
        },
        {
            "name": "GoS live",
            "value": round(100 * live["gos"], 3),
            "unit": "%",
            "reference": "in-process",
            "reference_value": round(100 * in_process["gos"], 3),
            "ratio": round(live["gos"] / in_process["gos"], 5),
            "goal": "within 0.3 points",
        },
        *(
            {
                "name": f"GoS in busy hours, {IN_FLIGHT[-1]} in flight, {replans} replans",
                "value": round(100 * row["gos"], 3),
                "unit": "%",
                "reference": "fresh snapshots",
                "reference_value": round(100 * row["fresh_gos"], 3),
                "ratio": round(row["gos"] / row["fresh_gos"], 5),
            }
            for replans, row in worst.items()
        ),
    ]
