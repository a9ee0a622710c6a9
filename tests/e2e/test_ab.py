"""A/B tests with real processes: RIC, store, nodes at full speed, two versions of a routing xApp, a manager, the command line."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ric_sim.domain.errors import RicUnreachable
from ric_sim.network.city_file import save_city
from ric_sim.network.flow_file import save_flows
from ric_sim.network.scenario import Scenario, load_scenario
from ric_sim.network.traffic import selection
from ricity.e2.v1 import admin_pb2
from services.cli.admin import TIMEOUT_S, ask
from services.common.child_environment import clean_environment
from tests.e2e.live_run import WITHIN_S, run_ricity

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

OLD, NEW = "0.1.0", "0.2.0"
NOON_MS = 12 * 3_600_000

Starter = Callable[..., None]


@pytest.fixture
def start(tmp_path) -> Iterator[Starter]:
    """Starts a process of ours; ends all of them after the test."""
    started = []

    def start_one(module: str, **settings: object) -> None:
        env = {f"RICITY_{name.upper()}": str(value) for name, value in settings.items()}
        with (tmp_path / f"{module}.log").open("a") as log:
            command = [sys.executable, "-m", module]
            started.append(subprocess.Popen(command, env={**clean_environment(), **env}, stdout=log, stderr=log))

    yield start_one
    for process in started:
        process.terminate()
    for process in started:
        process.wait(WITHIN_S)


def written(folder: Path, *, profile: str, chosen: Callable[[Scenario], np.ndarray]) -> tuple[object, ...]:
    """City and flow file of a part of the test day, as options of `ricity run`."""
    whole = load_scenario(profile=profile, day="test")
    save_city(whole.city, folder / "city.json")
    save_flows(selection(whole.day, "part", np.flatnonzero(chosen(whole))), whole.city, folder / "day.csv")
    return "--city", folder / "city.json", "--flows", folder / "day.csv"


def verdict(live, start: Starter, folder: Path, files, *, service: str, policies: tuple[str, str], percent: int, fault: int = 0):
    """Plays the day with a candidate beside the xApp of a service; exit code and report of `ricity ab start --wait`."""
    run = live(*files, "--policy", policies[0], "--no-plots", "--in-flight", 12)
    run.until(lambda: run.read("deployment.json") != {}, "the address of the RIC")
    ric = run.read("deployment.json")["ric"]
    ready = folder / "manager.json"
    start("services.manager.main", ric=ric, http_port=0, ready_file=ready, ab_folder=folder / "ab")
    candidate = {"service": service, "policy": policies[1], "xapp_version": NEW, "fault_decline_percent": fault}
    start("xapps.routing.main", ric=ric, weight=0, **candidate)
    run.until(ready.exists, "the manager")
    manager = ("--manager", f"http://127.0.0.1:{json.loads(ready.read_text())['http_port']}")
    run.until(lambda: {OLD, NEW} <= attached(ric, f"routing-{service}").keys(), "both versions")
    words = (f"routing-{service}", "--baseline", OLD, "--candidate", NEW, "--percent", percent)
    began_s = time.monotonic()
    code, report, errors = run_ricity("ab", "start", *words, "--wait", *manager)
    assert report is not None, errors
    weights = attached(ric, f"routing-{service}")
    run.process.send_signal(signal.SIGINT)
    _, summary = run.finish()
    assert (summary["audit"]["ok"], summary["forgotten"], summary["answered_twice"]) == (True, 0, 0)
    assert (folder / "ab" / report["id"] / "evidence.svg").exists()
    return code, report, weights, time.monotonic() - began_s


def attached(ric: str, xapp: str) -> dict[str, int]:
    """Weight by version."""
    try:
        rows = ask(ric, lambda stub: stub.ListXapps(admin_pb2.ListXappsRequest(), timeout=TIMEOUT_S)).xapps
    except RicUnreachable:
        return {}
    return {row.xapp_version: row.weight for row in rows if row.xapp_name == xapp}


def test_a_planted_bad_version_is_rolled_back_by_itself(live, start, tmp_path, record_property):
    """3 points of GoS at a share of 20 %: docs/ab.md states within how many requests."""
    files = written(tmp_path, profile="paper", chosen=lambda s: s.day.service == s.city.service_index["voip"])
    code, report, weights, took_s = verdict(
        live, start, tmp_path, files, service="voip", policies=("cspf", "cspf"), percent=20, fault=3
    )
    record_property("requests", report["requests"])
    record_property("seconds", took_s)
    assert (code, report["state"], report["verdict"]) == (1, "rolled_back", "worse"), report["reason"]
    assert report["requests"] <= 8_000
    assert weights == {OLD: 100, NEW: 0}


def test_a_planted_good_version_is_promoted_by_itself(live, start, tmp_path, record_property):
    files = written(tmp_path, profile="paper", chosen=lambda s: s.day.arrival_ms >= NOON_MS)
    code, report, weights, took_s = verdict(
        live, start, tmp_path, files, service="industry", policies=("shortest", "learned"), percent=20
    )
    record_property("requests", report["requests"])
    record_property("seconds", took_s)
    assert (code, report["state"], report["verdict"]) == (0, "promoted", "better"), report["reason"]
    assert report["gain"] > 0.03
    assert weights == {OLD: 0, NEW: 100}
