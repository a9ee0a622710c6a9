"""How long a slicing decision and a weight push take while everything runs: radio network, six dApps and their critic.

    ricity bench slicing-live

Each dApp clocks its own decisions, from a report in its hands to the control on its way; the critic clocks its pushes, from
sending weights to having them activated. The reference of both is one message there and back on a bare stream between two
processes that do nothing else, 100 a second. Needs an otherwise idle machine: eight processes share its cores.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bench_e2 import reference
from services.cli.local.deployment import Deployment
from services.cli.local.folder import RunFolder, read_json
from services.cli.local.options import RunOptions
from services.cli.local.supervisor import Supervisor

SECONDS, QUICK_SECONDS = 60.0, 8.0
ECHOES, QUICK_ECHOES = 3000, 300
GOALS_MS = {"decision": "< 2 ms", "push": "< 10 ms"}

Tell = Callable[[str], None]


def measure(*, quick: bool, tell: Tell) -> dict[str, Any]:
    """Lets the slicing half run for a while, then measures the reference."""
    with tempfile.TemporaryDirectory(prefix="ricity-bench-") as scratch:
        folder = RunFolder(Path(scratch) / "run")
        live = _play(folder, QUICK_SECONDS if quick else SECONDS, tell)
    tell("now the reference")
    echo_ms = reference("bidi", "", QUICK_ECHOES if quick else ECHOES)
    return {"figures": figures_of(live, echo_ms), "live": live, "bidi_ms": echo_ms}


def figures_of(live: dict[str, Any], echo_ms: dict[str, float]) -> list[dict[str, Any]]:
    """Rows: the median dApp's p50 and the worst dApp's p99, and the pushes' quantiles, each over the echo's."""
    of_dapps = list(live["decision_ms"].values())
    values = {
        ("decision", "p50"): statistics.median(each["p50"] for each in of_dapps),
        ("decision", "p99"): max(each["p99"] for each in of_dapps),
        ("push", "p50"): live["push_ms"]["p50"],
        ("push", "p99"): live["push_ms"]["p99"],
    }
    return [
        {
            "name": f"{what} {quantile}",
            "value": value,
            "unit": "ms",
            "reference": "bare bidi echo",
            "reference_value": round(echo_ms[quantile], 3),
            "ratio": round(value / echo_ms[quantile], 2),
            "goal": GOALS_MS[what] if quantile == "p99" else "",
        }
        for (what, quantile), value in values.items()
    ]


def _play(folder: RunFolder, seconds: float, tell: Tell) -> dict[str, Any]:
    """What dApps, critic and radio network say of a run; the clock starts once all are ready."""
    folder.create()
    options = RunOptions(out=folder.root, slicing=True)
    specs = Deployment(options, folder, store_url="", namespace="", ric_port=0).slicing_processes()
    supervisor = Supervisor(folder.logs, folder.pids, tell=tell)
    try:
        supervisor.start(*specs)
        supervisor.wait_ready(*supervisor.children)
        tell(f"all parts are ready; {seconds:g} s of frames")
        until_s = time.monotonic() + seconds
        supervisor.wait(lambda: time.monotonic() >= until_s)
    finally:
        supervisor.stop(list(supervisor.children))
    dapps = [spec.name for spec in specs if spec.name.startswith("slicing-")]
    critic = _last_line(folder, "critic", "critic.taught")
    record = read_json(folder.slicing) or {}
    return {
        "decision_ms": {name: _last_line(folder, name, "slicing.decided")["decision_ms"] for name in dapps},
        "push_ms": critic["push_ms"],
        "updates": critic["updates"],
        "frames": record["frames"],
        "frames_per_s": record["frames_per_s"],
        "answer_ms": record["answer_ms"],
    }


def _last_line(folder: RunFolder, name: str, event: str) -> dict[str, Any]:
    """The fields of a process' last log line of a kind; `IndexError` if it never said it."""
    lines = map(json.loads, (folder.logs / f"{name}.jsonl").read_text().splitlines())
    found: dict[str, Any] = [line for line in lines if line["event"] == event][-1]
    return found
