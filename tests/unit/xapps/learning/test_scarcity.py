"""Who is to blame for a refusal, and what the model makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from ric_sim.envs.lanes import LaneBatch, new_outcomes
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from xapps.learning.scarcity import Scarcity


@pytest.fixture(scope="module")
def busy() -> LaneBatch:
    """Lanes of a city at its limits, filled by a plain rule."""
    city = build_city("stress")
    day = generate_day(city, "train", profile="stress", seed=20270001, hold_scale=1.6)
    batch = LaneBatch(city, day, n_lanes=4, stretch=20_000, seed=5, verdicts=2_000)
    batch.lanes.cursor[:] = int(np.searchsorted(day.arrival_ms, 17 * 3_600_000))
    batch.lanes.last[:] = len(day)
    batch.fill(500)
    return batch


def test_refusals_are_blamed_on_reservations_that_shared_what_was_full(busy: LaneBatch) -> None:
    verdicts = busy.verdicts
    n = int(verdicts.written[0])
    blamed = verdicts.blame[:n] > 0
    assert 0 < blamed.sum() < n
    assert (verdicts.share[:n][blamed].max(axis=1) > 0).all()


def test_nobody_is_blamed_where_no_verdicts_are_asked_for(busy: LaneBatch) -> None:
    batch = LaneBatch(busy.city, busy.day, n_lanes=2, stretch=20_000, seed=5)
    batch.fill(200)
    assert batch.verdicts.written[0] == 0
    assert not batch.lanes.blame.any()


def test_prices_follow_the_blame(busy: LaneBatch) -> None:
    scarcity = Scarcity(len(busy.watched), n_services=6, learning_rate=1e-2, seed=1)
    verdicts = busy.verdicts
    n = int(verdicts.written[0])
    share, blame = verdicts.share[:n].copy(), verdicts.blame[:n].copy()
    scarcity.remember(busy)
    assert verdicts.written[0] == 0
    first = scarcity.learn(1)
    last = scarcity.learn(150)
    assert last < first
    hour = scarcity._kept[0].hour
    prices = scarcity.model(scarcity._kept[0].state, hour).detach().numpy()
    expected = (prices * share).sum(axis=1)
    assert expected[blame > 0].mean() > 1.5 * expected[blame == 0].mean()


def test_the_cost_of_nothing_is_nothing(busy: LaneBatch) -> None:
    scarcity = Scarcity(len(busy.watched), n_services=6, learning_rate=1e-2, seed=1)
    outcomes = new_outcomes(3, len(busy.watched))
    outcomes.written[0] = 3
    outcomes.before[:] = outcomes.after[:] = 0.5
    assert scarcity.cost(busy, outcomes).tolist() == [0.0, 0.0, 0.0]
