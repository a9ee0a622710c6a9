"""Which options of a training go together."""

from __future__ import annotations

import pytest

from ric_sim.domain.errors import InvalidInput, UnknownKey
from ric_sim.network.montreal import build_city
from services.trainer.async_trainer import AgentsPlan
from services.trainer.backends import BackendPlan, checked_backend
from services.trainer.routing import find_config


def test_backends_by_name():
    assert checked_backend("ray", algo="amarl", with_store=False, agents=("voip",)) == "ray"
    assert checked_backend("local", algo="sarl", with_store=False, agents=()) == "local"
    with pytest.raises(UnknownKey, match="did you mean 'ray'"):
        checked_backend("rays", algo="amarl", with_store=False, agents=())


@pytest.mark.parametrize(
    ("name", "algo", "with_store", "agents"),
    [("ray", "sarl", False, ()), ("local", "sarl", True, ()), ("local", "sarl", False, ("voip",)), ("ray", "amarl", True, ())],
)
def test_options_that_exclude_each_other(name, algo, with_store, agents):
    with pytest.raises(InvalidInput, match="--store"):
        checked_backend(name, algo=algo, with_store=with_store, agents=agents)


def test_only_a_plain_plan_is_lockstep():
    assert BackendPlan().is_plain
    assert not BackendPlan("ray").is_plain
    assert not BackendPlan(agents=("voip",)).is_plain


def test_agent_of_an_unknown_service_is_named(tmp_path):
    with pytest.raises(UnknownKey, match="did you mean 'voip'"):
        AgentsPlan(find_config("fast"), 1, (build_city("paper"),), ("day",), ("voipp",), tmp_path)
