"""Which configurations a running xApp takes, and that one it does not take changes nothing."""

import pytest
import structlog
from pydantic import Field

from ric_sim.domain.errors import InvalidInput
from ricity.e2.v1 import xapp_pb2
from xapps.sdk.live_config import LiveConfig
from xapps.sdk.settings import LIVE, XappSettings


class Settings(XappSettings):
    depth: int = Field(2, ge=0, json_schema_extra=LIVE)
    policy: str = "cspf"


class Agent:
    """Takes no depth above its room."""

    def __init__(self):
        self.room = 8
        self.depth = 2

    def check_settings(self, settings):
        if settings.depth > self.room:
            raise InvalidInput(f"depth {settings.depth}: there is room for {self.room}")

    def take_settings(self, settings):
        self.depth = settings.depth


@pytest.fixture
def agent():
    return Agent()


@pytest.fixture
def config(agent):
    return LiveConfig(Settings(replans=3, policy="shortest", config_generation=4), agent, log=structlog.get_logger())


def notice(generation, *, check_only=False, **settings):
    named = {f"RICITY_{name.upper()}": value for name, value in settings.items()}
    return xapp_pb2.ConfigNotice(notice_id=11, generation=generation, settings=named, check_only=check_only)


def test_what_is_live_is_declared(config):
    assert config.variables == ("RICITY_DEPTH", "RICITY_GROUP_DECISIONS", "RICITY_REPLANS")


def test_a_configuration_is_whole(config, agent):
    answer = config.take(notice(5, depth="7", policy="shortest"))
    assert (answer.notice_id, answer.generation, answer.accepted, answer.reason) == (11, 5, True, "")
    assert (config.generation, config.settings.depth, config.settings.replans, agent.depth) == (5, 7, 1, 7)
    assert config.take(notice(6)).accepted
    assert (config.settings.depth, config.settings.policy, agent.depth) == (2, "shortest", 2)


def test_asking_changes_nothing(config, agent):
    answer = config.take(notice(5, check_only=True, depth="7"))
    assert (answer.generation, answer.accepted) == (4, True)
    assert (config.generation, config.settings.replans, agent.depth) == (4, 3, 2)


def test_who_asks_hears_what_is_wrong_and_not_what_takes_a_start(config):
    assert config.take(notice(5, check_only=True, policy="cspf")).accepted
    refused = config.take(notice(5, check_only=True, policy="cspf", dept="3"))
    assert (refused.accepted, "did you mean 'RICITY_DEPTH'" in refused.reason) == (False, True)


@pytest.mark.parametrize(
    ("generation", "settings", "reason"),
    [
        (5, {"depth": "nine"}, "RICITY_DEPTH='nine'"),
        (5, {"replans": "17"}, "RICITY_REPLANS='17'"),
        (5, {"depth": "9"}, "there is room for 8"),
        (5, {"policy": "cspf", "depth": "3"}, "RICITY_POLICY: read at the start only"),
        (5, {"dept": "3"}, "did you mean 'RICITY_DEPTH'"),
        (3, {"depth": "3"}, "generation 3 is older than 4"),
    ],
)
def test_a_refusal_says_why_and_the_old_one_holds(config, agent, generation, settings, reason):
    answer = config.take(notice(generation, **settings))
    assert not answer.accepted
    assert reason in answer.reason
    assert (answer.generation, config.settings.depth, config.settings.replans, agent.depth) == (4, 2, 3, 2)
