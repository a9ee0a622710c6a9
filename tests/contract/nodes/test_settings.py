"""Settings of the node process: what they make, and what cannot be."""

from __future__ import annotations

import os

import pytest
import structlog

from ric_sim.domain.errors import RicityError
from ric_sim.e2.node.pacing import MaxPace, RatePace, SpeedPace
from services.common.settings import load_settings
from services.nodes.composition import node_agent, pace_of
from services.nodes.settings import NodesSettings
from tests.unit.e2.node.two_sites import uniform_day

DAY = uniform_day(3)


@pytest.fixture
def environment(monkeypatch):
    """Sets only the given variables."""
    for name in [name for name in os.environ if name.startswith("RICITY_")]:
        monkeypatch.delenv(name)
    return lambda variables: [monkeypatch.setenv(name, value) for name, value in variables.items()]


@pytest.mark.parametrize(
    ("variables", "pace"),
    [
        ({}, MaxPace),
        ({"RICITY_SPEED": "max"}, MaxPace),
        ({"RICITY_SPEED": "60"}, SpeedPace),
        ({"RICITY_SPEED": "0.5"}, SpeedPace),
        ({"RICITY_RATE": "100"}, RatePace),
        ({"RICITY_RATE": "100", "RICITY_SPEED": "60"}, RatePace),
    ],
)
def test_the_pace_follows_from_speed_and_rate(environment, variables, pace):
    environment(variables)
    assert type(pace_of(load_settings(NodesSettings), DAY)) is pace


def test_a_day_can_be_cut_short(environment):
    environment({"RICITY_PROFILE": "smoke", "RICITY_MAX_FLOWS": "7"})
    agent = node_agent(load_settings(NodesSettings), log=structlog.get_logger())
    assert (len(agent.player.day), len(agent.nodes)) == (7, 16)


def test_every_process_start_has_a_name_of_its_own(environment):
    environment({})
    assert load_settings(NodesSettings).agent_id != load_settings(NodesSettings).agent_id


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RICITY_SPEED": "0"}, "speed 0.0 is not possible"),
        ({"RICITY_SPEED": "nan"}, "speed nan is not possible"),
        ({"RICITY_SPEED": "inf"}, "speed inf is not possible"),
        ({"RICITY_SPEED": "fast"}, "RICITY_SPEED"),
        ({"RICITY_RATE": "0"}, "RICITY_RATE"),
        ({"RICITY_INFLIGHT": "3"}, "did you mean 'RICITY_IN_FLIGHT'"),
        ({"RICITY_IN_FLIGHT": "0"}, "greater than or equal to 1"),
        ({"RICITY_PROFILE": "papper"}, "did you mean 'paper'"),
        ({"RICITY_TIME_TO_WAIT_MS": "60001"}, "less than or equal to 60000"),
        ({"RICITY_AGENT_ID": "no spaces"}, "RICITY_AGENT_ID"),
    ],
)
def test_settings_that_cannot_be_are_refused(environment, variables, message):
    environment(variables)
    with pytest.raises(RicityError, match=message):
        node_agent(load_settings(NodesSettings), log=structlog.get_logger())
