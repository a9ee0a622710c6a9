from pathlib import Path

import pytest

from ric_sim.network.services_catalogue import SERVICES
from services.registry.registry import Registry
from tests.untrained import untrained_folder

KEYS = [spec.key for spec in SERVICES]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


@pytest.fixture
def team(tmp_path):
    """Makes a folder of six small agents; equal seeds, equal agents."""

    def make(seed: int = 0, **spec) -> Path:
        return untrained_folder(tmp_path / f"team-{seed}", KEYS, seed=seed, **spec)

    return make
