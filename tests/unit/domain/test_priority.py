"""Priorities of services: the defaults, a table of one's own, and what is refused."""

from __future__ import annotations

import pytest

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.domain.priority import service_priorities
from ric_sim.network.montreal import build_city


@pytest.fixture(scope="module")
def services():
    return build_city("smoke").services


def test_by_default_machines_and_voice_come_first_and_ar_next(services):
    by_key = dict(zip([spec.key for spec in services], service_priorities(services), strict=True))
    assert by_key == {"ar": 1, "gaming": 0, "industry": 2, "iot": 2, "video": 0, "voip": 2}


def test_a_table_of_ones_own_replaces_the_defaults(services):
    assert service_priorities(services, {"gaming": 7}) == tuple(7 * (spec.key == "gaming") for spec in services)


def test_unknown_services_and_impossible_priorities_are_refused(services):
    with pytest.raises(UnknownKey):
        service_priorities(services, {"gamming": 1})
    with pytest.raises(OutOfRange):
        service_priorities(services, {"gaming": 8})
