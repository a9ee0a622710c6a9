import pytest

from services.console.faults import FaultWatch
from services.console.hub import Hub


def whats(section):
    return [each["what"] for each in section["now"]]


def test_a_part_that_goes_away_and_comes_back_is_two_lines_of_the_log():
    hub, watch = Hub(), FaultWatch()
    hub.publish("load", {"connected": True})
    assert watch.update(hub, 10.0)["now"] == []
    hub.publish("load", {"connected": False, "why": "gone"})
    found = watch.update(hub, 11.0)
    assert whats(found) == ["RIC: not connected"]
    assert (found["now"][0]["critical"], found["now"][0]["since_s"]) == (True, 11)
    assert watch.update(hub, 15.0)["now"][0]["since_s"] == 11
    hub.publish("load", {"connected": True})
    ended = watch.update(hub, 20.0)
    assert ended["now"] == []
    assert [(line["at_s"], line["event"]) for line in ended["log"]] == [(20, "ended"), (11, "began")]


def test_a_section_never_looked_at_is_no_fault():
    assert FaultWatch().update(Hub(), 0.0) == {"connected": True, "now": [], "log": []}


def test_an_xapp_is_missed_once_it_had_been_there():
    hub, watch = Hub(), FaultWatch()
    instance = {"xapp": "routing-ar", "state": "ready"}
    hub.publish("live_xapps", {"connected": True, "instances": [instance]})
    assert watch.update(hub, 0.0)["now"] == []
    hub.publish("live_xapps", {"connected": True, "instances": [{**instance, "state": "draining"}]})
    assert whats(watch.update(hub, 1.0)) == ["routing-ar: no instance is ready"]


@pytest.mark.parametrize(
    ("controls", "warned"),
    [
        ({}, False),
        ({"late": 9.0}, False),
        ({"applied": 95.0, "missing": 5.0}, False),
        ({"applied": 94.0, "missing": 3.0, "refused": 3.0}, True),
        ({"applied": 94.0, "shielded": 50.0, "missing": 6.0, "late": 70.0}, False),
    ],
)
def test_a_frame_now_and_then_on_the_safe_split_is_no_fault(controls, warned):
    hub = Hub()
    hub.publish("radio", {"connected": True, "dus": {"du_0": {"controls": controls}}})
    assert bool(FaultWatch().update(hub, 0.0)["now"]) is warned


def test_critical_conditions_come_first():
    hub, watch = Hub(), FaultWatch()
    hub.publish("radio", {"connected": True, "dus": {"du_0": {"controls": {"missing": 3.0}}}})
    hub.publish(
        "policies", {"connected": True, "policies": [{"type": "t", "id": "p", "enforced": False, "reason": "OTHER_REASON"}]}
    )
    hub.publish(
        "ric", {"connected": True, "queue": {"routing-ar": 501.0}, "recent": {"default_actions": 2.0, "redelivered": 9.0}}
    )
    hub.publish("nodes", {"nodes": [{"node": f"du-{index}", "connected": False} for index in range(6)]})
    hub.publish("parts", {"parts": [{"name": "critic", "state": "unreachable"}, {"name": "ric", "state": "ready"}]})
    found = watch.update(hub, 1.0)["now"]
    assert [each["critical"] for each in found] == [True, True, False, False, False, False]
    assert "6 E2 nodes disconnected: du-0, du-1, du-2, du-3 …" in whats({"now": found})
    assert any("safe split" in each["what"] for each in found)
    assert any("routing-ar" in each["what"] for each in found)
