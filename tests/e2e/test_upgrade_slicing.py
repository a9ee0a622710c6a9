"""Upgrades of a slicing dApp and of the critic while O-DUs are sliced; real processes only, and no RIC."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest

from services.radio.dapps import MISSES_BEFORE_UNWAITED
from tests.contract.slicing.parts import QUICK_LEARNING
from tests.e2e.live_run import run_ricity
from tests.e2e.managed_city import Part, end_instances

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DAPP, CRITIC = "slicing-du-0", "critic"
FRAMES_PER_S = 50
DEADLINE_MS = 5000
"""Longer than a process of a busy machine stands still: a frame without control is one that had no dApp."""
SHORT_DEADLINE_MS = 1000


class ManagedRadio:
    """A radio network of two O-DUs, and a manager that runs the dApps and the critic."""

    def __init__(self, folder: Path, critic_port: int, deadline_ms: int) -> None:
        self.folder = folder
        network = {"dus": 2, "ues": 40, "frames_per_s": FRAMES_PER_S, "deadline_ms": deadline_ms, "wait_for_dapps_s": 0}
        self.radio = Part("services.radio.main", folder, grpc_port=0, out=folder, **network)
        self.address = f"127.0.0.1:{self.radio.facts()['grpc_port']}"
        places = {"ric": "127.0.0.1:1", "radio": self.address, "critic": f"127.0.0.1:{critic_port}"}
        kept = {"xapp_folder": folder / "xapps", "ab_folder": folder / "ab"}
        self.manager = Part("services.manager.main", folder, http_port=0, **places, **kept)
        self.url = f"http://127.0.0.1:{self.manager.facts()['http_port']}"

    def xapp(self, *words: object) -> tuple[int, dict]:
        """A `ricity xapp` command: exit code and its object."""
        code, said, error = run_ricity("xapp", *words, "--manager", self.url)
        assert said is not None, error
        return code, said

    def onboard(self, xapp: str, version: str, **variables: object) -> None:
        env = [word for key, value in variables.items() for word in ("--env", f"RICITY_{key.upper()}={value}")]
        assert self.xapp("onboard", Path("xapps") / xapp / "xapp.yaml", "--version", version, *env)[0] == 0

    def controls(self) -> dict[str, int]:
        """What became of the frames of the first O-DU."""
        record = self.folder / "slicing.json"
        return json.loads(record.read_text())["dus"]["du_0"] if record.exists() else {"applied": 0}

    def until_applied(self, more: int = 2 * FRAMES_PER_S) -> None:
        wanted = self.controls()["applied"] + more
        self.radio.until(lambda: self.controls()["applied"] >= wanted, f"{wanted} frames with control")

    def decides(self) -> tuple[str, int]:
        """Version of the dApp that decides for the first O-DU, and the process id."""
        _, said, _ = run_ricity("xapp", "list", "--radio", self.address)
        (row,) = [row for row in said["xapps"] if row["xapp_name"] == DAPP and row["weight"] == 100]
        return row["xapp_version"], int((self.folder / "xapps" / "instances" / row["instance_id"] / "pid").read_text())

    def close(self) -> None:
        self.manager.end()  # first: it would start again what ends
        end_instances(self.folder / "xapps")
        self.radio.end()


@pytest.fixture
def managed(tmp_path, unused_tcp_port, request):
    started = ManagedRadio(tmp_path, unused_tcp_port, getattr(request, "param", DEADLINE_MS))
    try:
        yield started
    finally:
        started.close()


def test_a_dapp_is_upgraded_while_its_o_du_is_sliced(managed):
    managed.onboard("slicing", "0.1.0")
    managed.onboard("slicing", "0.2.0")
    managed.onboard("slicing", "0.3.0", radio="127.0.0.1:1")
    managed.onboard("slicing", "0.4.0", slicing_weights="/nowhere")
    assert managed.xapp("deploy", DAPP, "--version", "0.1.0")[0] == 0
    managed.until_applied()

    code, done = managed.xapp("upgrade", DAPP, "--to", "0.2.0")
    assert (code, done["state"], done["strategy"], done["lost"]) == (0, "succeeded", "handover", 0), done
    assert done["requests"] >= FRAMES_PER_S
    assert managed.decides()[0] == "0.2.0"

    code, never = managed.xapp("upgrade", DAPP, "--to", "0.3.0", "--ready-within-s", 4)
    assert (code, never["state"], never["lost"]) == (1, "aborted", 0), never
    assert "not ready after 4 s" in never["reason"]
    code, crashing = managed.xapp("upgrade", DAPP, "--to", "0.4.0")
    assert (code, crashing["state"], crashing["lost"]) == (1, "aborted", 0), crashing
    assert "ended 3 times" in crashing["reason"]
    assert managed.decides()[0] == "0.2.0"


@pytest.mark.parametrize("managed", [SHORT_DEADLINE_MS], indirect=True)
def test_a_dapp_that_hangs_once_it_decides_is_rolled_back(managed):
    managed.onboard("slicing", "0.1.0")
    managed.onboard("slicing", "0.2.0")
    assert managed.xapp("deploy", DAPP, "--version", "0.1.0")[0] == 0
    managed.until_applied()
    code, begun = managed.xapp("upgrade", DAPP, "--to", "0.2.0", "--no-wait", "--step-s", 60, "--ready-within-s", 20)
    assert code == 0
    managed.radio.until(lambda: managed.decides()[0] == "0.2.0", "the handover")
    managed.until_applied(6 * FRAMES_PER_S)  # so that what it then misses is too little for the guard
    _, pid = managed.decides()
    os.kill(pid, signal.SIGSTOP)
    try:
        managed.radio.until(lambda: rollout(managed, begun["id"])["step"] in ("restore", "discard", "done"), "the way back")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    managed.radio.until(lambda: rollout(managed, begun["id"])["state"] != "running", "the end")
    ended = rollout(managed, begun["id"])
    assert (ended["state"], ended["reason"].partition(":")[0]) == ("aborted", "0.2.0 is not ready after 20 s"), ended
    assert MISSES_BEFORE_UNWAITED <= ended["lost"] < FRAMES_PER_S, ended
    assert managed.decides()[0] == "0.1.0"
    managed.until_applied()


def test_the_critic_is_replaced_and_goes_on_from_its_checkpoint(managed, tmp_path):
    config = tmp_path / "quick.yaml"
    config.write_text(QUICK_LEARNING)
    quick = {"config": config, "push_every": 4, "trial_decisions": 0}
    for version in ("0.1.0", "0.2.0"):
        managed.onboard("critic", version, **quick)
    managed.onboard("critic", "0.3.0", config="/nowhere.yaml")
    managed.onboard("slicing", "0.1.0", batch_transitions=4)
    for name in (CRITIC, DAPP, "slicing-du-1"):
        assert managed.xapp("deploy", name, "--version", "0.1.0")[0] == 0
    managed.radio.until(lambda: managed.controls().get("policy_version", 0) >= 2, "weights")
    missing = managed.controls()["missing"]

    code, done = managed.xapp("upgrade", CRITIC, "--to", "0.2.0")
    assert (code, done["state"], done["strategy"]) == (0, "succeeded", "replace"), done
    assert 0 < done["downtime_s"] < 60
    held = managed.controls()["policy_version"]
    managed.radio.until(lambda: managed.controls()["policy_version"] > held, "newer weights")

    code, broken = managed.xapp("upgrade", CRITIC, "--to", "0.3.0")
    assert (code, broken["state"]) == (1, "aborted"), broken
    assert broken["events"][-1]["text"] == "0.2.0 serves as before"
    held = managed.controls()["policy_version"]
    managed.radio.until(lambda: managed.controls()["policy_version"] > held, "weights of the old critic")
    assert managed.controls()["missing"] == missing


def rollout(managed: ManagedRadio, rollout_id: str) -> dict:
    """As it stands, asked for at once: a step may be short."""
    with urllib.request.urlopen(f"{managed.url}/v1/rollouts/{rollout_id}", timeout=30) as answer:
        return json.load(answer)
