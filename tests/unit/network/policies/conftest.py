"""A busy hour of the built-in city under stress, for tests that need real load."""

from __future__ import annotations

import numpy as np
import pytest

from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.scenario import Scenario
from ric_sim.network.traffic import selection

_START_MS = 19 * 3_600_000
_N_FLOWS = 700


@pytest.fixture(scope="session")
def busy_hour() -> Scenario:
    """The test day from 19:00: what is still held then, and the arrivals after it."""
    city = build_city("stress")
    day = generate_day(city, "test", profile="stress")
    return Scenario(city, selection(day, "busy-hour", np.flatnonzero(day.end_ms > _START_MS)[:_N_FLOWS]))
