"""A small city under load, and agents nobody trained."""

from __future__ import annotations

import pytest

from ric_sim.network.montreal import build_city
from ric_sim.network.policies import make_policy
from ric_sim.network.policies.learned import LearnedPolicy
from tests.untrained import untrained_folder


@pytest.fixture(scope="session")
def city():
    return build_city("stress")


@pytest.fixture(scope="session")
def folder(city, tmp_path_factory):
    return untrained_folder(tmp_path_factory.mktemp("weights"), city.service_index)


@pytest.fixture(scope="session")
def policy(city, folder) -> LearnedPolicy:
    return make_policy("amarl", city, weights=folder)
