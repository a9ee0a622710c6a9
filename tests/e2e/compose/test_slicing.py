"""The slicing half as containers: all parts healthy, rewards exported, and half a minute without the critic loses no cell."""

import json
import statistics
import time
from dataclasses import dataclass

import pytest

from tests.e2e.compose.stack import Stack, eventually, sample_sum

DUS = [f"du_{du}" for du in range(6)]
DAPPS = {f"slicing-du-{du}" for du in range(6)}
AWAY_S = 30.0
FRAMES_PER_S = 20
WITHIN_S = 120
MOST_MISSED = 0.02
"""Of the frames of the cell in the middle, while the critic is away: a busy machine may be late with a control now and then."""
MOST_MISSED_IN_ALL = 0.05
"""Of all frames then: a dApp that stands still for some seconds is not the critic's doing, six of them would be."""


@dataclass(frozen=True)
class Look:
    """What the radio network has counted, by O-DU."""

    applied: list[float]
    missing: list[float]
    attached: float


@dataclass(frozen=True)
class Story:
    stack: Stack
    before: Look
    after: Look
    resumed: dict


def look(stack):
    text = stack.metrics("radio")
    applied, missing = (
        [sample_sum(text, "ricity_radio_controls_total", du=du, result=result) for du in DUS] for result in ("applied", "missing")
    )
    return Look(applied, missing, sample_sum(text, "ricity_radio_dapps_attached"))


def critic_line(stack, event):
    """The last log line of the critic of a kind, {} if it never said it."""
    said = stack.compose("logs", "--no-color", "--no-log-prefix", "critic").splitlines()
    lines = [json.loads(line[line.index("{") :]) for line in said if event in line]  # compose may begin a line with its own codes
    return max(lines, default={}, key=lambda line: line["timestamp"])


@pytest.fixture(scope="module")
def stack(image):
    stack = Stack(FRAMES_PER_S=str(FRAMES_PER_S))
    try:
        stack.up("radio", "critic", *sorted(DAPPS))
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="module")
def story(stack):
    """The critic is killed once it has taught and kept a checkpoint, and started again half a minute later."""
    eventually(lambda: sample_sum(stack.metrics("critic"), "ricity_critic_updates_total") >= 20, within_s=WITHIN_S, every_s=1)
    eventually(
        lambda: sample_sum(stack.metrics("critic"), "ricity_critic_checkpoints_total", result="saved") >= 1,
        within_s=WITHIN_S,
        every_s=1,
    )
    stack.compose("kill", "critic")
    before, until_s = look(stack), time.monotonic() + AWAY_S
    eventually(lambda: time.monotonic() >= until_s, within_s=AWAY_S + 5)
    eventually(lambda: look(stack).attached == len(DUS), within_s=20)
    after = look(stack)
    stack.compose("start", "critic")
    return Story(stack, before, after, eventually(lambda: critic_line(stack, "critic.resumed"), within_s=WITHIN_S, every_s=1))


def test_the_six_dapps_the_critic_and_the_radio_network_are_healthy(stack):
    health = {name: row["State"]["Health"]["Status"] for name, row in stack.containers().items()}
    assert {name: health[name] for name in (*DAPPS, "critic", "radio")} == dict.fromkeys((*DAPPS, "critic", "radio"), "healthy")


def test_every_cell_exports_its_reward(stack):
    def rewards():
        text = stack.metrics("radio")
        assert sample_sum(text, "ricity_radio_frames_total") > 0
        return [sample_sum(text, "ricity_radio_reward", du=du) for du in DUS]

    assert all(-1.5 <= reward <= 2.3 for reward in eventually(rewards, within_s=WITHIN_S, every_s=1))
    assert eventually(lambda: any(rewards()), within_s=WITHIN_S, every_s=1)


def test_half_a_minute_without_the_critic_loses_no_cell(story, record_property):
    applied = [after - before for after, before in zip(story.after.applied, story.before.applied, strict=True)]
    missing = [after - before for after, before in zip(story.after.missing, story.before.missing, strict=True)]
    record_property("frames_without_critic", min(applied))
    assert story.after.attached == len(DUS)
    assert min(applied) > 0.5 * AWAY_S * FRAMES_PER_S
    assert statistics.median(missing) <= MOST_MISSED * max(applied)
    assert sum(missing) <= MOST_MISSED_IN_ALL * (sum(applied) + sum(missing))


def test_the_critic_goes_on_from_its_checkpoint_and_teaches_again(story):
    assert story.resumed["updates"] > 0
    assert story.resumed["transitions"] > 0
    attached = "ricity_critic_actors_attached"
    eventually(lambda: sample_sum(story.stack.metrics("critic"), attached) == len(DUS), within_s=WITHIN_S, every_s=1)
    eventually(
        lambda: sample_sum(story.stack.metrics("critic"), "ricity_critic_updates_total") >= 5, within_s=WITHIN_S, every_s=1
    )


def test_only_the_critic_was_away(story):
    restarts = {name: row["RestartCount"] for name, row in story.stack.containers().items()}
    assert not any(restarts[name] for name in (*DAPPS, "radio"))
