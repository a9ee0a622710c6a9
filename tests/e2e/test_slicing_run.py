"""`ricity run --slicing`: both halves live, and a critic that dies in the middle."""

import signal

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def with_control(run):
    """Frames of all O-DUs that had a control, shielded ones among them, and all frames."""
    dus = run.read("slicing.json")["dus"].values()
    good = sum(du["applied"] + du["shielded"] for du in dus)
    return good, good + sum(du["missing"] + du["refused"] for du in dus)


def test_both_halves_are_played_and_no_cell_notices_that_the_critic_dies(live):
    run = live("--profile", "smoke", "--rate", 4, "--slicing", "--slicing-weights", "shipped")
    kept = run.out / "critic" / "checkpoint.pt"
    run.until(kept.exists, "a checkpoint of what the critic has learnt")
    run.until(lambda: run.read("slicing.json") != {}, "the first frames")
    good, frames = with_control(run)
    killed = run.kill("critic", signal.SIGKILL)
    run.until(lambda: run.pids().get("critic", killed) != killed, "another critic")
    run.until(lambda: with_control(run)[1] > frames + 600, "frames since")
    now = with_control(run)
    assert now[0] - good >= 0.5 * (now[1] - frames)  # seven more processes learn and decide on the same cores
    run.process.send_signal(signal.SIGINT)  # nothing of the rest of the day is asked here
    code, summary = run.finish()
    assert code == 130, run.said
    assert summary["audit"]["ok"]
    assert summary["restarts"]["critic"] == 1
    assert summary["killed_at_stop"] == []
    slicing = summary["slicing"]
    assert slicing["frames"] > 50
    assert slicing["controls"]["refused"] == 0
    assert set(slicing["policy_version"]) == {f"du_{du}" for du in range(6)}
    assert 0 < slicing["all3"]["last_fifth"] <= 1
    assert (run.out / "plots" / "slicing.png").exists()
