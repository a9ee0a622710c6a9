"""Measures everything docs/results.md shows and writes the page from what the commands printed.

    make results                      all of it, some half an hour on two cores
    make results ONLY=eval,live       some of it; the rest of the page keeps its last outputs
    python -m benchmarks.publish --render    the page alone, from the outputs in docs/results/

Every number on the page comes from a JSON file beside it, and every file from the command named above its table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OUTPUTS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "results.md"
PROFILES = ("paper", "congested", "stress")
SLICES = ("embb", "mmtc", "urllc")
SERVICES = ("ar", "gaming", "industry", "iot", "video", "voip")

COMMANDS = {
    "eval": f"eval routing --policy all --profile {','.join(PROFILES)} --day test --json",
    "live": "run --profile paper --day test --json --out {scratch}/run",
    "store": "bench store --json",
    "e2": "bench e2 --json",
    "loop": "bench loop --json",
    "train": "bench train-routing --json",
    "slicing": "eval slicing --policy all --profile nominal --first-seed 911 --seeds 2 --json",
    "both": "run --profile paper --day test --slicing --json --out {scratch}/run",
    "slicing-train": "bench train-slicing --json",
    "slicing-live": "bench slicing-live --json",
    "versions": "bench versions --json",
    "conflicts": "bench conflicts --json",
}

_INTRO = """# Results

Written by `make results` from the outputs in [docs/results](results/); nothing here is typed in by hand. All on two shared cores,
so ratios within one table mean more than absolute times. What the learned policies reach, over seeds and beside heuristics and
bound, is on pages of their own: [routing](results/routing/README.md) and [slicing](results/slicing/README.md), with slicing
[under a 3GPP 38.901 channel](results/slicing/channels.md) and [with the traffic that routing admits](results/slicing/coupled.md).
"""


def measure(names: Iterable[str]) -> None:
    """Runs the commands and keeps their outputs."""
    OUTPUTS.mkdir(exist_ok=True)
    for name in names:
        with tempfile.TemporaryDirectory(prefix="ricity-results-") as scratch:
            command = COMMANDS[name].format(scratch=scratch)
            print(f"ricity {COMMANDS[name]}", file=sys.stderr, flush=True)
            done = subprocess.run([ROOT / ".venv/bin/ricity", *command.split()], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"ricity {command}: exit code {done.returncode}")
        output = json.loads(done.stdout)
        output.pop("out", None)
        (OUTPUTS / f"{name}.json").write_text(json.dumps(output, indent=1) + "\n")


def render() -> str:
    """The page, from the outputs that are there."""
    sections = [_INTRO]
    for name, write in _SECTIONS.items():
        path = OUTPUTS / f"{name}.json"
        if path.exists():
            sections.append(f"{write(json.loads(path.read_text()))}\n")
    return "\n".join(sections)


def _eval(output: dict[str, Any]) -> str:
    rows = output["evaluations"]
    lines = [
        _heading("Routing policies, in-process", "eval"),
        "Grade of Service on the test day, %; latency is the mean of accepted flows.",
    ]
    for profile in PROFILES:
        mine = [row for row in rows if row["profile"] == profile]
        lines.append(f"\n**{profile}**, {mine[0]['requests']:,} requests\n")
        table = [
            [
                row["policy"] if row["policy"] != "bound" else f"bound, {row['requests']:,} requests of busy windows",
                f"**{100 * row['gos']:.2f}**",
                *(_percent(row["gos_by_service"][key]) for key in SERVICES),
                " / ".join(_milliseconds(row["latency_ms_by_service"][key]) for key in SERVICES),
                f"{row['wall_s']:.1f}",
            ]
            for row in sorted(mine, key=lambda row: -row["gos"])
        ]
        lines.append(_table(["policy", "GoS", *SERVICES, "latency ms, same order", "s"], table))
    return "\n".join(lines)


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{100 * ratio:.1f}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _live(output: dict[str, Any]) -> str:
    facts = [
        ["requests, accepted", f"{output['requests']:,}, {output['accepted']:,}"],
        ["GoS", f"{100 * output['gos']:.2f} %"],
        ["wall time, start-up", f"{output['wall_s']:.1f} s, {output['start_up_s']:.1f} s"],
        ["decisions per second", f"{output['decisions_per_s']:.0f}"],
        [
            "decision p50, p99 (loaded: as fast as answers come)",
            f"{output['decision_ms']['p50']} ms, {output['decision_ms']['p99']} ms",
        ],
        ["commits ok, aborted", f"{output['commits']['ok']:,}, {output['commits']['aborted']:,}"],
        [
            "answered twice, forgotten, default actions",
            f"{output['answered_twice']}, {output['forgotten']}, {output['defaulted']}",
        ],
        ["memory of the whole deployment, peak", f"{output['memory_mb_peak']:.0f} MB"],
        ["audit", "passed" if output["audit"]["ok"] else "FAILED"],
        ["commit", f"`{output['git_commit']}`"],
    ]
    services = _table(
        ["service", "GoS %", "latency ms"],
        [[key, f"{100 * output['gos_by_service'][key]:.2f}", f"{output['latency_ms_by_service'][key]:.2f}"] for key in SERVICES],
    )
    return "\n".join([_heading("The day, live", "live"), _table(["figure", "value"], facts), "", services])


def _slicing(output: dict[str, Any]) -> str:
    rows = [
        [
            row["policy"],
            _interval(row["reward"], digits=3),
            _interval(row["all3"], digits=1, scale=100),
            *(f"{100 * row['satisfied'][key]['mean']:.1f}" for key in SLICES),
        ]
        for row in sorted(output["evaluations"], key=lambda row: -row["reward"]["mean"])
    ]
    columns = ["policy", "reward", "all slices satisfied %", *(f"{key} %" for key in SLICES)]
    told = "Nominal traffic, six O-DUs, episodes nobody trained on; 95 % intervals over episodes, for one training seed."
    return "\n".join([_heading("Slicing policies, in-process", "slicing"), told, "", _table(columns, rows)])


def _interval(figure: dict[str, float], *, digits: int, scale: float = 1) -> str:
    return f"{scale * figure['mean']:.{digits}f} ± {scale * figure['half_width']:.{digits}f}"


def _both(output: dict[str, Any]) -> str:
    slicing = output["slicing"]
    controls, rule = slicing["controls"], slicing["rule"]
    shares = ["whole", "first_fifth", "last_fifth"]
    facts = [
        ["reward of the dApps", *(f"{slicing['reward'][share]:.3f}" for share in shares)],
        [f"reward of the rule {rule['name']}, same arrivals", *(f"{rule[share]:.3f}" for share in shares)],
        ["all slices satisfied, %", *(f"{100 * slicing['all3'][share]:.1f}" for share in shares)],
    ]
    told = (
        f"{slicing['frames']:,} frames of six O-DUs while the routing day was played (GoS {100 * output['gos']:.2f} %). "
        "No actor had weights at the start. "
        f"Controls: {controls['applied']:,} applied, {controls['missing']} missing, {controls['refused']} refused."
    )
    table = _table(["figure", "whole run", "first fifth", "last fifth"], facts)
    return "\n".join([_heading("Both halves, live, the critic learning", "both"), told, "", table])


def _bench(title: str, name: str) -> Callable[[dict[str, Any]], str]:
    def write(output: dict[str, Any]) -> str:
        rows = [
            [
                row["name"],
                f"{row['value']:g} {row['unit']}",
                f"{row['reference_value']:g} ({row['reference']})",
                f"{row['ratio']:g}",
                row.get("goal", ""),
            ]
            for row in output["figures"]
        ]
        return "\n".join([_heading(title, name), _table(["figure", "value", "reference, same run", "ratio", "goal"], rows)])

    return write


def _loop(output: dict[str, Any]) -> str:
    head = _bench("The loop: live against in-process, and staleness", "loop")(output)
    rows = [
        [
            str(row["in_flight"]),
            str(row["replans"]),
            f"{100 * row['gos']:.2f}",
            f"{row['lost_points']:.2f}",
            f"{100 * row['simulated_gos']:.2f}",
            f"{row['aborted_commits']:,}",
            f"{row['decisions_per_s']:.0f}",
        ]
        for row in output["staleness"]
    ]
    columns = ["in flight", "re-plans", "GoS live %", "points lost", "in-process study %", "aborted", "decisions/s"]
    return f"{head}\n\n{_STALENESS}\n{_table(columns, rows)}"


_STALENESS = """Staleness in the busy hours, live, with and without a re-plan after an abort. A negative loss is no gain of ours:
at speed max the emulated clock shows the newest arrival, so the requests decided beside it see a city a little emptier than
the one they came to, the more the wider the window. A window of one is exact, the default of six stays within 0.3 points over
the whole day; wider windows are for throughput, not for figures.
"""

_SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "eval": _eval,
    "live": _live,
    "e2": _bench("One decision, INSERT to CONTROL", "e2"),
    "loop": _loop,
    "store": _bench("The resource store", "store"),
    "train": _bench("Training speed against stock RLlib and SB3", "train"),
    "slicing": _slicing,
    "both": _both,
    "slicing-train": _bench("Updates of six slicing actors and their critic", "slicing-train"),
    "slicing-live": _bench("Slicing decisions and weight pushes, live", "slicing-live"),
    "versions": _bench("Two versions of an xApp side by side", "versions"),
    "conflicts": _bench("The conflict guard and the safety shield", "conflicts"),
}


def _heading(title: str, name: str) -> str:
    command = COMMANDS[name].replace(" --out {scratch}/run", "")
    return f"## {title}\n\n`.venv/bin/ricity {command}` → [{name}.json](results/{name}.json)\n"


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure and write docs/results.md.")
    parser.add_argument("--only", default=",".join(COMMANDS), help=f"some of: {', '.join(COMMANDS)}")
    parser.add_argument("--render", action="store_true", help="measure nothing, write the page from the outputs that are there")
    options = parser.parse_args()
    names = [name for name in options.only.split(",") if name]
    unknown = sorted(set(names) - set(COMMANDS))
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}; expected some of {', '.join(COMMANDS)}")
    if not options.render:
        measure(names)
    PAGE.write_text(render())


if __name__ == "__main__":
    main()
