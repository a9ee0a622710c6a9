"""`ricity run --slicing`: both halves live, and a critic that dies in the middle."""

import signal

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


def test_both_halves_are_played_and_no_cell_notices_that_the_critic_dies(live):
    run = live("--profile", "smoke", "--rate", 4, "--slicing", "--slicing-weights", "shipped")
    kept = run.out / "critic" / "checkpoint.pt"
    run.until(kept.exists, "a checkpoint of what the critic has learnt")
    killed = run.kill("critic", signal.SIGKILL)
    run.until(lambda: run.pids().get("critic", killed) != killed, "another critic")
    run.process.send_signal(signal.SIGINT)  # nothing of the rest of the day is asked here
    code, summary = run.finish()
    assert code == 130, run.said
    assert summary["audit"]["ok"]
    assert summary["restarts"]["critic"] == 1
    assert summary["killed_at_stop"] == []
    slicing = summary["slicing"]
    assert slicing["frames"] > 50
    assert slicing["controls"]["refused"] == 0
    assert slicing["controls"]["applied"] >= 0.9 * 6 * slicing["frames"]  # others use the machine, too
    assert set(slicing["policy_version"]) == {f"du_{du}" for du in range(6)}
    assert 0 < slicing["all3"]["last_fifth"] <= 1
    assert (run.out / "plots" / "slicing.png").exists()
