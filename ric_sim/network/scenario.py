"""The one entry to a city and a day, built-in or from files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ric_sim.domain.errors import UnknownKey
from ric_sim.network.city import City
from ric_sim.network.city_file import load_city
from ric_sim.network.flow_file import load_flows
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.montreal_traffic import SEEDS, Split
from ric_sim.network.profiles import find_profile
from ric_sim.network.traffic import Day


@dataclass(frozen=True, eq=False)
class Scenario:
    """A city and the day to play in it."""

    city: City
    day: Day

    @property
    def config_hash(self) -> str:
        """16 hex digits over everything that defines the scenario; equal hashes mean the same city and the same flows."""
        return hashlib.sha256(json.dumps([self.city.fingerprint, self.day.digest]).encode()).hexdigest()[:16]


def load_scenario(
    *, profile: str, day: str, seed: int | None = None, city_file: Path | None = None, flow_file: Path | None = None
) -> Scenario:
    """City and day by name or from files.

    Args:
        profile: of the built-in city and its days. With a city file it only scales and cuts a generated day.
        day: `train` or `test`; ignored with a flow file.
        seed: another day with the same statistics, None for the split's own.
        city_file, flow_file: take the place of the built-in city and of the generated day.

    Raises:
        UnknownKey: profile or day.
        MalformedFile: a file that is missing or does not fit its schema.
        InvalidInput: a city file with other O-RUs than the built-in city, and no flow file.
    """
    find_profile(profile)
    if day not in SEEDS:
        raise UnknownKey("day", day, SEEDS)
    city = load_city(city_file) if city_file else build_city(profile)
    if flow_file:
        return Scenario(city, load_flows(flow_file, city))
    return Scenario(city, generate_day(city, cast(Split, day), profile=profile, seed=seed))
