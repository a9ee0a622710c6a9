"""What the manager knows survives it, whole."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from ric_sim.domain.errors import Conflict, InvalidInput, StoreCorrupt
from services.manager.lifecycle.model import CataloguedXapp, Counts, Desired, Event, Rollout, RolloutPlan, RolloutState, Step
from services.manager.lifecycle.state_file import MAX_FINISHED_ROLLOUTS, StateFile

XAPP = CataloguedXapp("a", {"1.0.0": {"xapp_name": "a"}}, Desired("1.0.0", 2, {"1.1.0": 1}, {"RICITY_X": "1"}, 3), "0.9.0")
ROLLOUT = Rollout(
    "r1", "a", "1.0.0", "2.0.0", 2, RolloutPlan(), 5.0, Step.SHIFT, first=Counts(1, 2), events=(Event(5.0, Step.START, "began"),)
)


def opened(folder):
    state = StateFile(folder)
    state.close()
    return state


def test_what_is_put_is_there_for_the_next(tmp_path):
    state = StateFile(tmp_path / "new" / "folder")
    state.put_rollout(ROLLOUT, XAPP)
    state.put_xapps(CataloguedXapp("b"))
    state.remove_xapp("b")
    state.close()
    again = opened(tmp_path / "new" / "folder")
    assert again.xapps == {"a": XAPP}
    assert again.rollouts == {"r1": ROLLOUT}


def test_one_manager_to_a_folder(tmp_path):
    state = StateFile(tmp_path)
    with pytest.raises(Conflict, match="another manager"):
        StateFile(tmp_path)
    state.close()
    opened(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', '{"format": 1, "xapps": {"a": 3}, "rollouts": []}'])
def test_damage_is_told(tmp_path, content):
    (tmp_path / "lifecycle.json").write_text(content)
    with pytest.raises(StoreCorrupt):
        StateFile(tmp_path)


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="state folder"):
        StateFile(tmp_path / "file" / "folder")


def test_old_rollouts_are_dropped_and_running_ones_kept(tmp_path):
    state = StateFile(tmp_path)
    state.put_rollout(ROLLOUT)
    for number in range(MAX_FINISHED_ROLLOUTS + 3):
        state.put_rollout(replace(ROLLOUT, rollout_id=f"old{number}", state=RolloutState.SUCCEEDED))
    state.close()
    assert len(state.rollouts) == MAX_FINISHED_ROLLOUTS + 1
    assert "r1" in state.rollouts
    assert "old2" not in state.rollouts


_WRITER = """
import sys
from pathlib import Path
from services.manager.lifecycle.model import CataloguedXapp
from services.manager.lifecycle.state_file import StateFile
state = StateFile(Path(sys.argv[1]))
for number in range(100_000):
    state.put_xapps(CataloguedXapp("a", {str(number): {"x": "y" * 10_000}}))
    print(number, flush=True)
"""


def test_killed_while_it_writes(tmp_path):
    writer = subprocess.Popen((sys.executable, "-c", _WRITER, str(tmp_path)), stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = [writer.stdout.readline() for _ in range(20)]
    os.kill(writer.pid, signal.SIGKILL)
    told += writer.stdout.readlines()
    writer.wait()
    writer.stdout.close()
    (kept,) = opened(tmp_path).xapps["a"].documents
    assert int(kept) in (int(told[-1]), int(told[-1]) + 1)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([Counts(100, 90, 5, 0, 0, 5), Counts(200, 193, 5, 0, 0, 2)], (0, 0, 100)),
        ([Counts(100, 90, 5, 0, 0, 5), Counts(200, 190, 6, 1, 2, 2)], (3, 2, 100)),  # one default, one given up, one vanished
        ([Counts(100, 100), Counts(150, 149, 1), Counts(10, 9, 1)], (2, 0, 60)),  # the RIC restarted
    ],
)
def test_lost_and_doubled(counts, expected):
    rollout = ROLLOUT
    rollout = replace(rollout, first=None)
    for each in counts:
        rollout = rollout.counted(each)
    assert (rollout.lost, rollout.doubled, rollout.requests) == expected
