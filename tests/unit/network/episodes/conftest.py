"""A built-in city and requests of its busiest profile."""

from __future__ import annotations

import pytest

from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city


@pytest.fixture(scope="session")
def city():
    return build_city("stress")


@pytest.fixture(scope="session")
def flows(city):
    """60 requests, spread over the test day."""
    day = generate_day(city, "test", profile="stress")
    return [day.flow(index) for index in range(0, len(day), len(day) // 60)][:60]
