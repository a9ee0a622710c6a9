"""A part of the deployment dies in the middle of the day: the day completes, nothing is lost, and it heals in seconds."""

import signal

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

HEALED_WITHIN_S = 10.0
"""Beside another deployment on the same cores; alone it takes less than 5 s, as the tests with containers check."""
KILL_AT = 800


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("routing-voip", signal.SIGKILL),
        ("ric", signal.SIGKILL),
        ("store", signal.SIGTERM),
        ("store", signal.SIGKILL),
    ],
)
def test_the_day_survives(live, busy_hour, record_property, name, number):
    city, flows, scenario = busy_hour
    run = live("--city", city, "--flows", flows, "--no-plots")
    run.until_settled(KILL_AT)
    before = run.kill(name, number)
    run.until(lambda: run.pids().get(name, before) != before, f"another {name}")
    code, summary = run.finish()
    assert code == 0, run.said
    assert summary["requests"] == len(scenario.day)
    assert summary["forgotten"] == 0
    assert summary["answered_twice"] == 0
    assert summary["audit"] == {"ok": True, "violations": [], "accepted_without_commit": 0, "commit_without_acceptance": 0}
    assert summary["restarts"] == {name: 1}
    record_property("heal_s", summary["heal_s"]["max"])
    assert summary["heal_s"]["max"] < max(HEALED_WITHIN_S, 2 * summary["start_up_s"])  # as fast as processes start here


def test_one_part_after_the_other(live, busy_hour):
    """Every kind of part dies once in the same day, the next one when the one before is back."""
    city, flows, scenario = busy_hour
    run = live("--city", city, "--flows", flows, "--no-plots")
    victims = ["routing-video", "ric", "store", "routing-ar"]
    for number, name in enumerate(victims, start=1):
        run.until_settled(number * 500)
        before = run.kill(name, signal.SIGKILL)
        run.until(lambda name=name, before=before: run.pids().get(name, before) != before, f"another {name}")
    code, summary = run.finish()
    assert code == 0, run.said
    assert summary["restarts"] == dict.fromkeys(victims, 1)
    assert (summary["requests"], summary["forgotten"], summary["answered_twice"]) == (len(scenario.day), 0, 0)
