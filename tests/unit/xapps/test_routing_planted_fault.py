"""The planted fault declines its share, the same requests each time, and leaves the others alone."""

import dataclasses

import pytest
from pydantic import ValidationError

from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import Snapshot
from tests.unit.network.policies.cities import diamond, idle, uplink
from xapps.routing.agent import RoutingAgent
from xapps.routing.main import compose
from xapps.routing.planted_fault import DecliningAgent
from xapps.routing.settings import RoutingSettings


@pytest.fixture
def decide():
    city = diamond()
    sound = RoutingAgent(city, policy="shortest", seed=0)
    spoilt = DecliningAgent(sound, decline_percent=3)
    flow, snapshot = uplink(city), Snapshot(0, 0, idle(city))

    def decided(number):
        asked = dataclasses.replace(flow, flow_id=f"flow-{number}")
        return sound.decide(snapshot, asked), spoilt.decide(snapshot, asked)

    return decided


def test_three_in_a_hundred_are_declined(decide):
    plans = [decide(number) for number in range(4_000)]
    declined = [spoilt for _, spoilt in plans if spoilt.cause == Cause.DECLINED]
    assert len(declined) / len(plans) == pytest.approx(0.03, abs=0.008)
    assert all(spoilt == sound for sound, spoilt in plans if spoilt.cause != Cause.DECLINED)
    assert [spoilt for _, spoilt in plans[:200]] == [decide(number)[1] for number in range(200)]


def test_it_is_off_unless_asked_for(capsys):
    city = diamond()
    for settings, declined in (({}, 0), ({"fault_decline_percent": 3}, 3)):
        _, agents = compose(RoutingSettings(service="voip", policy="shortest", **settings))
        assert agents.inserts(city).decline_percent == declined
    assert capsys.readouterr().out.count("fault.planted") == 1
    with pytest.raises(ValidationError, match="less than or equal to 100"):
        RoutingSettings(service="voip", fault_decline_percent=101)


def test_a_running_xapp_is_spoilt_and_mended(capsys):
    before = RoutingSettings(service="voip", policy="shortest")
    _, agents = compose(before)
    agent = agents.inserts(diamond())
    for percent in (3, 3, 0):
        after = before.model_copy(update={"fault_decline_percent": percent})
        agents.config.check_settings(after)
        agents.config.take_settings(after)
        assert agent.decline_percent == percent
    assert capsys.readouterr().out.count("fault.planted") == 1
    assert agents.inserts(diamond()).decline_percent == 0
