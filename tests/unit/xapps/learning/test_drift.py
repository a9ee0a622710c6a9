from __future__ import annotations

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from xapps.learning.drift import BIN_MS, DriftDetector, FloatArray, PageHinkley, Regime, signals

CITY = build_city("paper")
SERVICES = list(CITY.service_index)


def _day(seed: int) -> FloatArray:
    day = generate_day(CITY, "train", seed=20_278_500 + seed)
    requests = np.zeros((86_400_000 // BIN_MS, len(SERVICES)), dtype=np.int64)
    bandwidth_kbps = np.zeros(len(requests), dtype=np.int64)
    np.add.at(requests, (day.arrival_ms // BIN_MS, day.service), 1)
    np.add.at(bandwidth_kbps, day.arrival_ms // BIN_MS, day.bandwidth_kbps)
    return signals(requests, bandwidth_kbps, np.zeros(len(requests), dtype=np.int64))


def test_false_alarms_come_as_seldom_as_siegmunds_formula_says() -> None:
    tests, n_streams, n_steps = PageHinkley(2_000, tolerance=0.5, threshold=4.0), 2_000, 2_000
    rng = np.random.default_rng(1)
    alarms = sum(int(tests.add(rng.standard_normal(n_streams)).sum()) for _ in range(n_steps))
    reach = 4.0 + 1.166  # 2 k (h + 1.166) with k = 0.5
    between = (np.exp(reach) - reach - 1) / 0.5 / 2  # two-sided
    assert alarms == pytest.approx(n_streams * n_steps / between, rel=0.15)


def test_false_alarms_are_rarer_than_one_in_a_hundred_thousand_values() -> None:
    tests, rng = PageHinkley(500), np.random.default_rng(2)
    assert sum(int(tests.add(rng.standard_normal(500)).sum()) for _ in range(2_000)) <= 10


@pytest.mark.parametrize("shift", [2.0, -2.0])
def test_a_shift_of_two_deviations_is_noticed_within_twenty_values(shift: float) -> None:
    tests, rng = PageHinkley(200), np.random.default_rng(3)
    noticed = np.zeros(200, dtype=bool)
    for _ in range(20):
        noticed |= tests.add(rng.standard_normal(200) + shift)
    assert noticed.mean() > 0.95


def test_the_hours_of_a_day_and_other_days_alike_are_no_drift() -> None:
    detector = DriftDetector(Regime.of([_day(seed) for seed in range(3)]), SERVICES)
    assert sum(len(detector.watch(_day(seed))) for seed in range(10, 30)) <= 1


def test_twice_the_demand_of_a_service_is_noticed_within_the_hour_and_named() -> None:
    detector = DriftDetector(Regime.of([_day(seed) for seed in range(3)]), SERVICES)
    day, noon = _day(40), 12 * 4
    day[noon:, SERVICES.index("iot")] *= np.sqrt(2.0)
    first = detector.watch(day)[0]
    assert noon * BIN_MS < first.at_ms <= (noon + 4) * BIN_MS
    assert first.signals == ("iot",)


def test_a_regime_needs_more_than_one_day() -> None:
    with pytest.raises(InvalidInput, match="two days"):
        Regime.of([_day(0)])


@pytest.mark.parametrize(("tolerance", "threshold"), [(-0.1, 1.0), (0.5, 0.0)])
def test_a_test_that_cannot_work_is_refused(tolerance: float, threshold: float) -> None:
    with pytest.raises(OutOfRange, match="expected"):
        PageHinkley(1, tolerance=tolerance, threshold=threshold)
