"""Rolling upgrades and configurations of a real routing xApp under a paced load; real processes only."""

import json
import signal
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from ric_sim.network.flow_file import save_flows
from ric_sim.network.scenario import load_scenario
from ric_sim.network.traffic import selection
from ric_sim.store.embedded import EmbeddedServer
from tests.e2e.live_run import run_ricity
from tests.e2e.managed_city import ManagedCity

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NAME = "routing-video"
DESCRIPTOR = Path("xapps/routing/xapp.yaml")
RATE = 60
N_REQUESTS = 1500


@pytest.fixture(scope="module")
def video_flows(tmp_path_factory):
    """Requests of one service, so that one xApp answers them all."""
    whole = load_scenario(profile="paper", day="test")
    chosen = np.flatnonzero(whole.day.service == whole.city.service_index["video"])[:N_REQUESTS]
    path = tmp_path_factory.mktemp("flows") / "flows.csv"
    save_flows(selection(whole.day, "video", chosen), whole.city, path)
    return path


@pytest.fixture
def city(tmp_path):
    with EmbeddedServer() as store:
        started = ManagedCity(tmp_path, store.url)
        try:
            for version, variables in (
                ("0.1.0", ["RICITY_POLICY=shortest"]),
                ("0.2.0", ["RICITY_POLICY=cspf"]),
                ("0.3.0", ["RICITY_POLICY=cspf", "RICITY_RIC=127.0.0.1:1"]),
            ):
                env = [word for each in variables for word in ("--env", each)]
                assert started.xapp("onboard", DESCRIPTOR, "--version", version, *env)[0] == 0
            assert started.xapp("deploy", NAME, "--version", "0.1.0")[0] == 0
            yield started
        finally:
            started.close()


def test_upgrades_under_load(city, video_flows):
    """One that works, one that never becomes ready, and one during which the manager is killed."""
    nodes = city.play(video_flows, rate=RATE)
    nodes.until(lambda: city.settled() > 50, "load")

    code, upgrade = city.xapp("upgrade", NAME, "--to", "0.2.0", "--step-s", 0.5)
    assert (code, upgrade["state"], upgrade["lost"], upgrade["doubled"]) == (0, "succeeded", 0, 0), upgrade
    assert upgrade["requests"] > 0
    drain_s = _time_in(upgrade, "drain", "done")
    starting_s = _time_in(upgrade, "wait_ready", "shift")  # most of it is a Python that starts, as fast as the machine is
    assert upgrade["duration_s"] - drain_s <= 10 + 2 * starting_s, upgrade

    code, never = city.xapp("upgrade", NAME, "--to", "0.3.0", "--ready-within-s", 4)
    assert (code, never["state"], never["lost"], never["doubled"]) == (1, "aborted", 0, 0)
    assert "not ready after 4 s" in never["reason"]

    code, begun = city.xapp("upgrade", NAME, "--to", "0.1.0", "--no-wait")
    assert code == 0
    code, refused = city.xapp("upgrade", NAME, "--to", "0.3.0")
    assert (code, refused["error"]["code"]) == (2, "rollout_underway")
    city.manager.end(signal.SIGKILL)
    city.start_manager()
    assert city.xapp("rollouts")[0] == 0
    city.manager.until(lambda: _rollout(city, begun["id"])["state"] != "running", "the end of the rollout")
    resumed = _rollout(city, begun["id"])
    assert (resumed["state"], resumed["lost"], resumed["doubled"]) == ("succeeded", 0, 0), resumed

    nodes.until(lambda: nodes.process.poll() is not None, "the end of the day")
    assert nodes.process.returncode == 0
    summary = json.loads((city.folder / "nodes_summary.json").read_text())
    assert summary["requests"] == N_REQUESTS
    assert (summary["defaulted"], summary["answered_twice"], summary["forgotten"]) == (0, 0, 0), summary
    catalogue = next(xapp for xapp in city.xapp("catalogue")[1]["xapps"] if xapp["name"] == NAME)
    running = {version["version"]: len(version["instances"]) for version in catalogue["versions"]}
    assert running == {"0.1.0": 1, "0.2.0": 0, "0.3.0": 0}
    assert city.xapp("stop", NAME)[0] == 0


def test_a_ric_that_is_killed_during_the_shift(city, video_flows):
    """The rollout ends, and what it says of lost requests is what the nodes say."""
    nodes = city.play(video_flows, rate=RATE)
    nodes.until(lambda: city.settled() > 50, "load")
    begun = city.xapp("upgrade", NAME, "--to", "0.2.0", "--step-s", 2, "--no-wait")[1]
    nodes.until(lambda: _rollout(city, begun["id"])["step"] == "shift", "the shift")
    city.ric.end(signal.SIGKILL)
    city.start_ric()
    city.manager.until(lambda: _rollout(city, begun["id"])["state"] != "running", "the end of the rollout")
    nodes.until(lambda: nodes.process.poll() is not None, "the end of the day")

    ended = _rollout(city, begun["id"])
    serving = {"succeeded": "0.2.0", "aborted": "0.1.0"}[ended["state"]]
    assert _ready(city, serving), ended
    summary = json.loads((city.folder / "nodes_summary.json").read_text())
    assert (summary["requests"], summary["forgotten"]) == (N_REQUESTS, 0)
    assert (ended["lost"], ended["doubled"]) == (summary["defaulted"], summary["answered_twice"]), (ended, summary)


def test_configurations_under_load(city, video_flows):
    """Live, refused, and by replacement; nothing is lost meanwhile."""
    nodes = city.play(video_flows, rate=RATE)
    nodes.until(lambda: city.settled() > 50, "load")
    before = _ready(city, "0.1.0")

    code, done = city.xapp("config", NAME, "RICITY_REPLANS=3")
    assert (code, done["applied"], done["running"]) == (0, "live", [2]), done
    assert _ready(city, "0.1.0") == before
    (attached,) = run_ricity("xapp", "list", "--ric", f"127.0.0.1:{city.ric_port}")[1]["xapps"]
    assert (attached["instance_id"], attached["config_generation"]) == (before[0], 2)

    code, refused = city.xapp("config", NAME, "RICITY_REPLANS=99")
    assert (code, refused["error"]["code"]) == (2, "config_refused")
    assert city.xapp("config", NAME)[1]["config"] == {"RICITY_REPLANS": "3"}

    code, done = city.xapp("config", NAME, "RICITY_REPLANS=3", "RICITY_WINDOW=32")
    assert (code, done["applied"], done["running"]) == (0, "replacement", [3]), done
    assert done["reason"] == "RICITY_WINDOW: read at the start only"
    assert not set(before) & set(_ready(city, "0.1.0"))

    nodes.until(lambda: nodes.process.poll() is not None, "the end of the day")
    summary = json.loads((city.folder / "nodes_summary.json").read_text())
    assert summary["requests"] == N_REQUESTS
    assert (summary["defaulted"], summary["answered_twice"], summary["forgotten"]) == (0, 0, 0), summary


def _ready(city, version):
    """Instances of a version that are ready."""
    xapp = next(xapp for xapp in city.xapp("catalogue")[1]["xapps"] if xapp["name"] == NAME)
    rows = [row for each in xapp["versions"] if each["version"] == version for row in each["instances"]]
    return [row["instance_id"] for row in rows if row["state"] == "ready"]


def _rollout(city, rollout_id):
    """As it stands, asked for at once: a step may be short."""
    with urllib.request.urlopen(f"{city.url}/v1/rollouts/{rollout_id}", timeout=30) as answer:
        return json.load(answer)


def _time_in(rollout, first, last):
    at = {event["step"]: event["at"] for event in rollout["events"]}
    return at[last] - at[first]
