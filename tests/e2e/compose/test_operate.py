"""Operating the containers: an upgrade under load, A/B tests that decide by themselves, open doors, a clean end."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from ric_sim.network.flow_file import save_flows
from ric_sim.network.scenario import load_scenario
from ric_sim.network.traffic import selection
from tests.e2e.compose.stack import ROOT, ROUTING_HALF, Stack, command, eventually, ready_instance

SHORTEST, LEARNED, FAULTY = "0.2.0", "0.3.0", "0.4.0"
DESCRIPTOR = ROOT / "xapps" / "routing" / "xapp.yaml"
VERSIONS = {
    SHORTEST: ("RICITY_POLICY=shortest",),
    LEARNED: ("RICITY_POLICY=learned",),
    FAULTY: ("RICITY_POLICY=learned", "RICITY_FAULT_DECLINE_PERCENT=3"),
}
VERDICT_WITHIN_S = 480
NOON_MS = 12 * 3_600_000
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def stack(image, tmp_path_factory):
    """The routing half on the test day from noon on, in six minutes: every step below meets the paced load of its hours."""
    whole = load_scenario(profile="paper", day="test")
    flows = tmp_path_factory.mktemp("afternoon") / "flows.csv"
    save_flows(selection(whole.day, "afternoon", np.flatnonzero(whole.day.arrival_ms >= NOON_MS)), whole.city, flows)
    flows.chmod(0o644)  # the containers have users of their own
    flows.parent.chmod(0o755)
    stack = Stack(files=("docker-compose.yml", HERE / "afternoon.yml"), PROFILE="paper", SPEED="120", FLOWS=str(flows))
    try:
        stack.up(*ROUTING_HALF, "manager", "registry", "console")
        yield stack
    finally:
        stack.down()


def ricity(stack, *words, codes=(0,)):
    """The command line of this machine at the deployment's manager; its JSON."""
    line = [sys.executable, "-m", "services.cli.main", *words, "--manager", f"http://{stack.address('manager', 8080)}", "--json"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=VERDICT_WITHIN_S, check=False)
    assert done.returncode in codes, done.stdout[:3000] + done.stderr[-2000:]  # a report begins with what it found
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def onboarded(stack):
    for version, settings in VERSIONS.items():
        env = [word for setting in settings for word in ("--env", setting)]
        ricity(stack, "xapp", "onboard", str(DESCRIPTOR), "--version", version, *env)
    return stack


def test_a_container_of_compose_is_one_instance(onboarded):
    """The manager knows it by the id of its container, the RIC by an id that begins so."""
    catalogue = ricity(onboarded, "xapp", "catalogue")["xapps"]
    attached = {row["xapp_name"]: row["instance_id"] for row in onboarded.ricity("xapp", "list")["xapps"]}
    for xapp in catalogue:
        if xapp["name"] in attached:
            (instance,) = [row for each in xapp["versions"] for row in each["instances"]]
            assert (instance["state"], instance["managed"]) == ("ready", True)
            container = onboarded.container(xapp["name"])["Id"]
            assert container.startswith(instance["instance_id"])
            assert attached[xapp["name"]].startswith(f"{instance['instance_id']}-")


@pytest.fixture(scope="module")
def upgraded(onboarded):
    """The report of an upgrade under load, to a version that is worse: what the A/B test below has to find."""
    return ricity(onboarded, "xapp", "upgrade", "routing-video", "--to", SHORTEST)


def verdict(stack, xapp, *, baseline, candidate, percent, codes):
    """The report of an A/B test of a version that the manager starts on standby."""
    ricity(stack, "xapp", "deploy", xapp, "--version", candidate, "--standby")
    stub, channel = stack.admin()
    with channel:
        eventually(lambda: ready_instance(stub, xapp, version=candidate), within_s=60)
    shares = ("--baseline", baseline, "--candidate", candidate, "--percent", str(percent))
    return ricity(stack, "ab", "start", xapp, *shares, "--min-requests", "200", "--wait", codes=codes)


def test_an_upgrade_under_load_loses_nothing(upgraded, record_property):
    record_property("upgrade_s", upgraded["duration_s"])
    record_property("requests_during_upgrade", upgraded["requests"])
    assert upgraded["state"] == "succeeded"
    assert upgraded["requests"] > 0
    assert (upgraded["lost"], upgraded["doubled"]) == (0, 0)


def test_the_old_container_is_gone_and_the_new_one_belongs_to_the_project(upgraded, stack):
    (row,) = [row for row in stack.rows() if row["Config"]["Labels"].get("ricity.xapp") == "routing-video"]
    assert row["Config"]["Labels"]["ricity.version"] == SHORTEST
    assert row["HostConfig"]["ReadonlyRootfs"]
    assert row["HostConfig"]["CapDrop"] == ["ALL"]


def test_a_better_version_is_promoted_by_itself(upgraded, stack):
    report = verdict(stack, "routing-video", baseline=SHORTEST, candidate=LEARNED, percent=50, codes=(0,))
    assert (report["state"], report["verdict"]) == ("promoted", "better"), report["reason"]


def test_a_worse_version_is_rolled_back_by_itself(onboarded, stack):
    """Three of a hundred requests declined."""
    ricity(stack, "xapp", "upgrade", "routing-voip", "--to", LEARNED)
    report = verdict(stack, "routing-voip", baseline=LEARNED, candidate=FAULTY, percent=50, codes=(1,))
    assert (report["state"], report["verdict"]) == ("rolled_back", "worse"), report["reason"]


@pytest.mark.parametrize(
    ("part", "port", "path"),
    [("manager", 8080, "/A1-P/v2/policytypes"), ("registry", 8090, "/openapi.json"), ("console", 8088, "/")],
)
def test_the_doors_are_open_on_this_machine(stack, part, port, path):
    with urllib.request.urlopen(f"http://{stack.address(part, port)}{path}", timeout=30) as answer:
        assert answer.status == 200
        assert answer.read()


def test_the_audit_passes_after_all_that(stack):
    assert stack.ricity("audit", "--store", "redis://store:6379/0")["ok"]


def test_down_takes_what_the_manager_started_too(onboarded, stack):
    stack.down()
    assert command("docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={stack.project}") == ""
