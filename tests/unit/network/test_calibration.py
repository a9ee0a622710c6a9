import numpy as np
import pytest

from ric_sim.network.calibration import day_statistics, fitted_processing_ns, reference_processing_us
from ric_sim.network.city import City
from ric_sim.network.montreal_traffic import TRAFFIC
from ric_sim.network.traffic import Day, sorted_day

PAPER_DELAY_MS = {"train": (5.21, 2.93, 2.41, 2.85, 3.09, 0.70), "test": (6.72, 3.79, 3.12, 3.73, 3.95, 0.91)}


@pytest.mark.parametrize("split", ["train", "test"])
def test_reference_delay_is_within_two_percent_of_the_paper(city: City, split: str, request: pytest.FixtureRequest) -> None:
    statistics = day_statistics(city, request.getfixturevalue(f"paper_{split}_day"))
    delays_ms = [service.reference_processing_us / 1000 for service in statistics.services]
    assert delays_ms == pytest.approx(PAPER_DELAY_MS[split], rel=0.02)
    table = [TRAFFIC[spec.key].paper_processing_us[split] / 1000 for spec in city.services]  # type: ignore[index]
    assert table == pytest.approx(PAPER_DELAY_MS[split])


def test_the_constants_are_those_that_fit_both_days(city: City, paper_train_day: Day, paper_test_day: Day) -> None:
    targets = {
        day.name: (day, {key: traffic.paper_processing_us[day.name] for key, traffic in TRAFFIC.items()})  # type: ignore[index]
        for day in (paper_train_day, paper_test_day)
    }
    fitted = fitted_processing_ns(city, targets)
    assert [fitted[spec.key] for spec in city.services] == pytest.approx([s.processing_ns for s in city.services], rel=0.02)


def test_day_in_figures(city: City, paper_test_day: Day) -> None:
    statistics = day_statistics(city, paper_test_day)
    assert statistics.flows == sum(statistics.flows_per_hour) == sum(service.flows for service in statistics.services) == 47_061
    assert statistics.offered_kbps == pytest.approx(5_855_240, rel=1e-3)
    assert 100 < statistics.peak_concurrent_flows < 135
    assert sum(service.concurrent_flows for service in statistics.services) == pytest.approx(51.9, rel=0.01)
    by_key = {service.key: service for service in statistics.services}
    assert by_key["iot"].uplink_flows == 5_500
    assert by_key["ar"].uplink_flows == 0
    assert by_key["ar"].reference_processing_p95_us > by_key["ar"].reference_processing_us


def test_reference_delay_by_hand(small_city: City) -> None:
    """Three flows of the small city (O-DU tier 40 cores, O-CU 20, UPF of AR 50, of IoT 2 x 25)."""
    day = sorted_day(
        "hand",
        {
            "arrival_ms": [0, 10, 20],
            "holding_ms": [20, 100, 100],
            "service": [0, 1, 0],
            "direction": [1, 0, 1],
            "ru": [0, 0, 1],
            "upf": [5, -1, 5],
            "bandwidth_kbps": [250_000, 318_750, 500_000],
            "n_requests": [1, 1, 1],
        },
    )
    # The second meets the first's load; the third, as the first has just ended, only the second's, and none on its own UPF.
    second = 11_170 * 1.0 * (0.40 * 250_000 * 12 / 40e6 + 0.35 * 250_000 * 10 / 20e6)
    third = 16_320 * 1.5 * (0.40 * 318_750 * 12 / 40e6 + 0.35 * 318_750 * 10 / 20e6)
    np.testing.assert_allclose(reference_processing_us(small_city, day), [0.0, second, third])
    statistics = day_statistics(small_city, day)
    assert statistics.peak_concurrent_flows == 2
    assert [service.flows for service in statistics.services] == [2, 1]


def test_own_upf_load_counts(small_city: City) -> None:
    day = sorted_day(
        "hand",
        {
            "arrival_ms": [0, 10],
            "holding_ms": [100, 100],
            "service": [0, 0],
            "direction": [1, 1],
            "ru": [0, 1],
            "upf": [5, 5],
            "bandwidth_kbps": [250_000, 250_000],
            "n_requests": [1, 1],
        },
    )
    share = 0.40 * 250_000 * 12 / 40e6 + 0.35 * 250_000 * 10 / 20e6 + 0.25 * 250_000 * 19 / 50e6
    np.testing.assert_allclose(reference_processing_us(small_city, day), [0.0, 16_320 * share])
