from __future__ import annotations

import pytest
import torch

from tests.unit.xapps.learning.tiny import tiny_config
from xapps.learning.config import TrainingConfig


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def config() -> TrainingConfig:
    return tiny_config()
