"""`ricity loop --live` with real processes: RIC, store, nodes, a manager that runs the xApps, and a registry's folder."""

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ric_sim.network.flow_file import save_flows
from ric_sim.network.policies.learned import load_weights, save_weights, weight_files
from ric_sim.network.scenario import load_scenario
from ric_sim.network.traffic import selection
from ric_sim.store.embedded import EmbeddedServer
from services.registry.model import Stage
from services.registry.registry import Registry
from tests.e2e.live_run import WITHIN_S, ricity, run_ricity
from tests.e2e.managed_city import ManagedCity, Part
from tests.untrained import untrained_weights

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

XAPP, MODEL, OLD = "routing-video", "routing-amarl-video", "0.1.0"
RATE = 60
DESCRIPTOR = Path("xapps/routing/xapp.yaml")
SHIPPED = weight_files("amarl", ["video"])["video"]


def contrary(path: Path, *, seed: int) -> Path:
    """An agent with a taste for long ways: far worse than the one that comes with Ricity."""
    weights = untrained_weights("video", seed=seed)
    weights.tensors["direct.weight"][0, 0] = 3.0
    save_weights(path, weights)
    return path


@pytest.fixture(scope="module")
def video_flows(tmp_path_factory):
    """Requests of one service, so that one xApp answers them all; each twice, for a longer day."""
    whole = load_scenario(profile="paper", day="test")
    chosen = np.flatnonzero(whole.day.service == whole.city.service_index["video"])
    path = tmp_path_factory.mktemp("flows") / "flows.csv"
    save_flows(selection(whole.day, "video", np.repeat(chosen, 2)), whole.city, path)
    return path


@pytest.fixture
def registry(tmp_path):
    """In production: an agent that is bad at its work."""
    registry = Registry(tmp_path / "registry")
    registry.publish(MODEL, contrary(tmp_path / "contrary-1.safetensors", seed=1))
    registry.promote(MODEL, 1)
    return registry


@pytest.fixture
def city(tmp_path, registry):
    """The xApp follows production."""
    with EmbeddedServer() as store:
        started = ManagedCity(tmp_path, store.url)
        try:
            env = ("--env", "RICITY_POLICY=amarl", "--env", f"RICITY_WEIGHTS={registry.serving(MODEL)}")
            assert started.xapp("onboard", DESCRIPTOR, *env)[0] == 0
            assert started.xapp("deploy", XAPP, "--version", OLD)[0] == 0
            yield started
        finally:
            started.close()


def running(city) -> dict[str, int]:
    """Instances by version."""
    catalogue = next(xapp for xapp in city.xapp("catalogue")[1]["xapps"] if xapp["name"] == XAPP)
    return {version["version"]: len(version["instances"]) for version in catalogue["versions"] if version["instances"]}


def stages(registry) -> list[str]:
    return [str(version.stage) for version in registry.model(MODEL).versions]


def loop_words(city, registry, candidate: Path, *, percent: int = 50) -> tuple[object, ...]:
    place = ("--registry", registry.root, "--manager", city.url, "--out", city.folder / candidate.stem)
    return "loop", "--live", "--candidate", candidate, "--name", MODEL, "--percent", percent, *place


def test_better_is_promoted_worse_retired_and_what_is_interrupted_taken_back(city, registry, video_flows, tmp_path):
    nodes = city.play(video_flows, rate=RATE)
    nodes.until(lambda: city.settled() > 50, "load")

    code, report, errors = run_ricity(*loop_words(city, registry, SHIPPED))
    assert (code, report and report["verdict"], report and report["stage"]) == (0, "better", "production"), errors
    assert (report["candidate"], report["serves"]) == ("0.1.0-amarl.2", OLD)
    assert stages(registry) == ["retired", "production"]
    nodes.until(lambda: running(city) == {OLD: 1}, "one instance")
    in_use = weight_files("amarl", ["video"], registry.serving(MODEL))["video"]
    assert load_weights(in_use, algorithm="amarl", service="video").sha256 == registry.model(MODEL).version(2).files[0].sha256
    assert {path.name for path in (tmp_path / "video").iterdir()} == {"report.json", "evidence.svg"}

    words = loop_words(city, registry, contrary(tmp_path / "worse.safetensors", seed=2), percent=20)  # takes a while
    killed = begun(words, nodes, lambda: bool(ab_tests(city, "0.1.0-amarl.3")), tmp_path / "killed.log")
    killed.kill()
    killed.wait(WITHIN_S)
    assert registry.model(MODEL).version(3).stage is Stage.CANARY
    code, report, errors = run_ricity(*words)
    assert "goes on with" in errors
    assert len(ab_tests(city, "0.1.0-amarl.3")) == 1
    assert (code, report and report["verdict"], report and report["stage"]) == (1, "worse", "retired"), errors
    assert stages(registry) == ["retired", "production", "retired"]
    nodes.until(lambda: running(city) == {OLD: 1}, "one instance")

    words = loop_words(city, registry, contrary(tmp_path / "interrupted.safetensors", seed=3), percent=20)
    loop = begun(words, nodes, lambda: bool(ab_tests(city, "0.1.0-amarl.4")), tmp_path / "loop.log")
    loop.send_signal(signal.SIGINT)
    assert loop.wait(WITHIN_S) == 130, (tmp_path / "loop.log").read_text()
    (test,) = ab_tests(city, "0.1.0-amarl.4")
    assert test["state"] == "rolled_back"
    assert registry.model(MODEL).version(4).stage in (Stage.STAGED, Stage.RETIRED)
    assert not registry.serving(MODEL, Stage.CANARY).is_symlink()
    nodes.until(lambda: running(city) == {OLD: 1}, "one instance")
    assert nodes.end() == 0
    summary = json.loads((city.folder / "nodes_summary.json").read_text())
    assert (summary["answered_twice"], summary["forgotten"]) == (0, 0), summary


def begun(words: tuple[object, ...], nodes: Part, is_under_way: Callable[[], bool], log: Path) -> subprocess.Popen[bytes]:
    """A loop whose A/B test has begun."""
    with log.open("w") as output:
        loop = subprocess.Popen(ricity(*words), stdout=output, stderr=output)
    nodes.until(is_under_way, "the test")
    return loop


def ab_tests(city, candidate: str) -> list[dict]:
    with urllib.request.urlopen(f"{city.url}/v1/ab", timeout=30) as answer:  # at once: a test of a bad candidate is short
        found = json.load(answer)["tests"]
    return [test for test in found if test["candidate"] == candidate]
