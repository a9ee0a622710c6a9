"""What an xApp process takes from its environment, and how it refuses the rest."""

import socket

import pytest

from ric_sim.domain.errors import InvalidInput, UnknownKey
from services.common.settings import load_settings
from xapps.routing.main import compose
from xapps.routing.settings import RoutingSettings
from xapps.sdk.settings import XappSettings


@pytest.fixture
def environment(monkeypatch):
    def with_(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return with_


def test_everything_has_a_default_but_the_service():
    settings = load_settings(XappSettings)
    assert (settings.ric, settings.weight, settings.window, settings.replans) == ("127.0.0.1:50051", 100, 64, 1)
    assert settings.instance_id != load_settings(XappSettings).instance_id
    assert settings.instance_id.startswith(f"{socket.gethostname()[:48]}-"), "so that a container's id is in front"
    with pytest.raises(InvalidInput, match="RICITY_SERVICE"):
        load_settings(RoutingSettings)


@pytest.mark.parametrize("target", ["ric:50051", "127.0.0.1:1", "[::1]:65535", "ric.city.svc.cluster.local:50051"])
def test_a_ric_is_a_host_and_a_port(environment, target):
    environment(RICITY_RIC=target)
    assert load_settings(XappSettings).ric == target


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RICITY_RIC", "ric"),
        ("RICITY_RIC", "ric:0"),
        ("RICITY_RIC", "ric:70000"),
        ("RICITY_RIC", "http://ric:50051"),
        ("RICITY_WINDOW", "0"),
        ("RICITY_WINDOW", "4097"),
        ("RICITY_WEIGHT", "-1"),
        ("RICITY_WEIGHT", "nan"),
        ("RICITY_REPLANS", "-1"),
        ("RICITY_XAPP_VERSION", "one"),
        ("RICITY_INSTANCE_ID", "a b"),
        ("RICITY_SERVICE", "AR!"),
        ("RICITY_POLICY", "cspff"),
        ("RICITY_POLICY_SEED", "-3"),
    ],
)
def test_an_unusable_value_is_named(environment, name, value):
    environment(RICITY_SERVICE="ar")
    environment(**{name: value})
    with pytest.raises(InvalidInput, match=name):
        load_settings(RoutingSettings)


def test_an_unknown_variable_is_refused_with_the_nearest_one(environment):
    environment(RICITY_SERVICE="ar", RICITY_POLICI="cspf")
    with pytest.raises(UnknownKey, match="did you mean 'RICITY_POLICY'"):
        load_settings(RoutingSettings)


def test_a_routing_xapp_is_named_after_its_service(environment):
    environment(RICITY_SERVICE="voip", RICITY_POLICY="specialised")
    instance, agents = compose(load_settings(RoutingSettings))
    assert (instance.xapp_name, instance.inserts, instance.reports) == ("routing-voip", ("voip",), ())
    assert agents.inserts is not None
    assert agents.reports is None
