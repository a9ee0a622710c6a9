"""What an agent is shown of links that policies close."""

import numpy as np
import pytest

from ric_sim.network.montreal import build_city
from ricity.e2.v1 import xapp_pb2
from xapps.sdk.steering import Steering


@pytest.fixture(scope="module")
def city():
    return build_city("smoke")


@pytest.fixture
def used(city):
    return np.arange(city.n_resources, dtype=np.uint32)


def notice(*services):
    return xapp_pb2.SteeringNotice(generation=1, services=[xapp_pb2.ServiceSteering(**fields) for fields in services])


def test_without_rules_the_snapshot_itself_is_planned_on(city, used):
    (basis,) = Steering(city).bases(0, used)
    assert basis is used


def test_closed_links_are_full_first_all_of_them_then_the_forbidden_only(city, used):
    steering = Steering(city)
    steering.take(notice({"service": 1, "forbidden": [3], "avoided": [5, city.n_resources]}))
    obliging, strict = steering.bases(1, used)
    assert np.flatnonzero(obliging != used).tolist() == [3, 5]
    assert np.flatnonzero(strict != used).tolist() == [3]
    assert obliging[3] == city.limits[3]
    assert obliging[5] == city.limits[5]
    assert not obliging.flags.writeable
    assert next(steering.bases(0, used)) is used


def test_a_new_notice_replaces_the_old_one(city, used):
    steering = Steering(city)
    steering.take(notice({"service": 1, "forbidden": [3]}))
    steering.take(notice())
    (basis,) = steering.bases(1, used)
    assert basis is used
