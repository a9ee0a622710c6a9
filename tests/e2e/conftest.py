import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

from ric_sim.network.city_file import save_city
from ric_sim.network.flow_file import save_flows
from ric_sim.network.scenario import Scenario, load_scenario
from ric_sim.network.traffic import selection
from tests.e2e.live_run import WITHIN_S, LiveRun

# A test run started in the background inherits an ignored Ctrl-C and would pass that on to the runs it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

BUSY_HOUR_MS = 16 * 3_600_000
BUSY_REQUESTS = 4000

LiveRunStarter = Callable[..., LiveRun]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveRunStarter]:
    """Starts runs; ends those that a failed test left."""
    started: list[LiveRun] = []

    def start(*words: object) -> LiveRun:
        started.append(LiveRun(tmp_path / f"run{len(started)}", *words))
        return started[-1]

    yield start
    for run in started:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGINT)
    for run in started:
        try:
            run.process.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            run.process.kill()


@pytest.fixture(scope="session")
def busy_hour(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Scenario]:
    """City and flow file of the first requests from 16:00 on of the test day, when hosts are full and commits abort."""
    folder = tmp_path_factory.mktemp("busy-hour")
    whole = load_scenario(profile="paper", day="test")
    chosen = np.flatnonzero(whole.day.arrival_ms >= BUSY_HOUR_MS)[:BUSY_REQUESTS]
    scenario = Scenario(whole.city, selection(whole.day, "busy", chosen))
    save_city(scenario.city, folder / "city.json")
    save_flows(scenario.day, scenario.city, folder / "flows.csv")
    return folder / "city.json", folder / "flows.csv", scenario


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """`RICITY_TEST_CHROMIUM` names another browser than Debian's."""
    with sync_playwright() as driver:
        path = os.environ.get("RICITY_TEST_CHROMIUM", "/usr/bin/chromium")
        if not Path(path).exists() and os.environ.get("RICITY_TEST_REQUIRE_ENGINE") != "1":
            pytest.skip(f"no browser at {path}: install Debian's chromium, or name one with RICITY_TEST_CHROMIUM")
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Folder of the screenshots: `RICITY_TEST_PICTURES`, or a temporary one."""
    given = os.environ.get("RICITY_TEST_PICTURES")
    folder = Path(given) if given else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
