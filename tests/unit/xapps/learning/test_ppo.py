from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from xapps.learning.ppo import PpoSettings, advantages

SETTINGS = PpoSettings(rollout=1, minibatch=1, epochs=1, learning_rate=1e-3, gamma=0.9, gae_lambda=0.5)


def _decisions(value: list[float], reward: list[float], done: list[bool], *, last: float) -> Any:
    def column(values: list[Any], dtype: type) -> np.ndarray:
        return np.array(values, dtype=dtype)[:, None]

    return SimpleNamespace(
        value=column(value, np.float32),
        reward=column(reward, np.float32),
        done=column(done, np.bool_),
        last_value=np.array([last], dtype=np.float32),
    )


def test_advantages_by_hand() -> None:
    gained = advantages(_decisions([1.0, 2.0], [0.5, 1.0], [False, False], last=4.0), SETTINGS)
    last = 1.0 + 0.9 * 4.0 - 2.0
    assert gained[:, 0].tolist() == pytest.approx([0.5 + 0.9 * 2.0 - 1.0 + 0.9 * 0.5 * last, last])


def test_nothing_flows_back_over_the_end_of_an_episode() -> None:
    gained = advantages(_decisions([1.0, 2.0], [0.5, 100.0], [True, False], last=4.0), SETTINGS)
    assert gained[0, 0] == pytest.approx(-0.5)
