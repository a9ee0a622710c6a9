import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange, UnknownKey
from ric_sim.domain.flow import ANY_UPF
from ric_sim.domain.service import Direction
from ric_sim.network import montreal_data
from ric_sim.network.calibration import day_statistics
from ric_sim.network.city import City, NodeKind
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city, ru_district
from ric_sim.network.montreal_traffic import TRAFFIC
from ric_sim.network.traffic import COLUMNS, DAY_MS, Day

FLOWS = {"train": (2_100, 8_430, 6_020, 7_812, 9_241, 13_458), "test": (1_594, 6_009, 8_545, 5_500, 6_635, 18_778)}
OFFERED_MBPS = {
    "train": (1_210.64, 651.08, 708.60, 839.35, 907.46, 212.44),
    "test": (1_561.89, 841.50, 917.04, 1_097.47, 1_162.29, 275.05),
}


@pytest.fixture(params=["train", "test"])
def day(request: pytest.FixtureRequest) -> Day:
    return request.getfixturevalue(f"paper_{request.param}_day")


def test_flow_counts_are_those_of_the_paper(day: Day) -> None:
    assert len(day) == 47_061
    assert tuple(np.bincount(day.service).tolist()) == FLOWS[day.name]


def test_offered_load_is_that_of_the_paper(city: City, day: Day) -> None:
    for service, expected_mbps in zip(day_statistics(city, day).services, OFFERED_MBPS[day.name], strict=True):
        assert service.offered_kbps / 1000 == pytest.approx(expected_mbps, rel=0.001)


def test_every_flow_is_one_its_city_can_route(city: City, day: Day) -> None:
    assert (np.diff(day.arrival_ms) >= 0).all()
    assert day.arrival_ms.min() >= 0
    assert day.arrival_ms.max() < DAY_MS
    assert day.holding_ms.min() >= 1
    assert set(city.node_kind[day.ru].tolist()) == {NodeKind.O_RU}
    down = day.direction == Direction.DOWNLINK
    assert (city.upf_service[day.upf[down]] == day.service[down]).all()
    assert (day.upf[~down] == ANY_UPF).all()
    for service, spec in enumerate(city.services):
        assert set(day.direction[day.service == service].tolist()) == {int(direction) for direction in spec.directions}


def test_bundles_and_rates_are_those_of_table_3(city: City, day: Day) -> None:
    for service, spec in enumerate(city.services):
        of = day.service == service
        n_requests, bandwidth_kbps = day.n_requests[of], day.bandwidth_kbps[of]
        lowest, highest = TRAFFIC[spec.key].request_kbps
        assert (n_requests.min(), n_requests.max()) == TRAFFIC[spec.key].bundle
        assert (bandwidth_kbps % n_requests == 0).all()
        assert ((bandwidth_kbps // n_requests).min(), (bandwidth_kbps // n_requests).max()) == (lowest, highest)
        assert bandwidth_kbps.mean() == pytest.approx(spec.mean_bandwidth_kbps, rel=0.03)


def test_services_with_both_chains_use_each_for_half_of_their_flows(city: City, day: Day) -> None:
    for key in ("industry", "voip"):
        up = day.direction[day.service == city.service_index[key]] == Direction.UPLINK
        assert abs(up.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(up))


def test_hours_follow_the_weights(city: City, day: Day) -> None:
    for service, spec in enumerate(city.services):
        per_hour = np.bincount(day.arrival_ms[day.service == service] * 24 // DAY_MS, minlength=24)
        weights = np.array(TRAFFIC[spec.key].hour_weights)
        expected = per_hour.sum() * weights / weights.sum()
        spread = np.sqrt(expected) + 0.1 * expected
        assert (np.abs(per_hour - expected) < 4 * spread).all()


def test_flows_arise_where_their_users_are(city: City, day: Day) -> None:
    """Shares of the districts by day, against the zone mix, within five standard deviations."""
    zones = np.array([(d.residential, d.business, d.industrial) for d in montreal_data.DISTRICTS])
    by_day = (day.arrival_ms >= 8 * DAY_MS // 24) & (day.arrival_ms < 18 * DAY_MS // 24)
    for service, spec in enumerate(city.services):
        district = ru_district()[day.ru[(day.service == service) & by_day]]
        expected = zones / zones.sum(axis=0) @ np.array(TRAFFIC[spec.key].day_mix)
        observed = np.bincount(district, minlength=24) / len(district)
        assert (np.abs(observed - expected) < 5 * np.sqrt(expected / len(district))).all()


def test_same_seed_gives_the_same_bytes_in_another_process(paper_train_day: Day, paper_test_day: Day) -> None:
    script = (
        "from ric_sim.network.generator import generate_day; from ric_sim.network.montreal import build_city; "
        "print(*(generate_day(build_city(), split).digest for split in ('train', 'test')))"
    )
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert other == [paper_train_day.digest, paper_test_day.digest]


def test_another_seed_gives_another_day_with_the_same_statistics(city: City, paper_test_day: Day) -> None:
    other = generate_day(city, "test", seed=20260103)
    assert other.name == "test-20260103"
    assert other.digest != paper_test_day.digest
    assert not np.array_equal(other.arrival_ms, paper_test_day.arrival_ms)
    assert np.array_equal(np.bincount(other.service), np.bincount(paper_test_day.service))
    load = [[service.offered_kbps for service in day_statistics(city, day).services] for day in (other, paper_test_day)]
    assert load[0] == pytest.approx(load[1], rel=1e-4)


def test_profiles_share_the_day(paper_test_day: Day) -> None:
    assert generate_day(build_city("stress"), "test", profile="stress").digest == paper_test_day.digest


def test_smoke_is_the_test_day_around_the_busiest_hour(city: City, paper_test_day: Day) -> None:
    smoke = generate_day(city, "test", profile="smoke")
    start_ms = 16 * DAY_MS // 24
    assert (smoke.name, len(smoke)) == ("test-smoke", 400)
    first = int(np.flatnonzero(paper_test_day.arrival_ms == smoke.arrival_ms[0])[0])
    rows = {tuple(int(getattr(paper_test_day, column)[i]) for column in COLUMNS) for i in range(first, len(paper_test_day))}
    assert all(tuple(int(getattr(smoke, column)[i]) for column in COLUMNS) in rows for i in range(len(smoke)))
    for at_ms in (start_ms, int(smoke.arrival_ms[-1])):
        load_kbps = [
            int(day.bandwidth_kbps[(day.arrival_ms <= at_ms) & (day.end_ms > at_ms)].sum()) for day in (smoke, paper_test_day)
        ]
        assert load_kbps[0] == load_kbps[1] > 0


def test_hold_scale_scales_holding_times_only(city: City, paper_test_day: Day) -> None:
    longer = generate_day(city, "test", hold_scale=1.2)
    assert np.abs(longer.holding_ms - 1.2 * paper_test_day.holding_ms).max() <= 1.2
    for column in set(COLUMNS) - {"holding_ms"}:
        assert np.array_equal(getattr(longer, column), getattr(paper_test_day, column))


def test_larger_flows_are_shorter_and_offer_the_same_load(city: City, paper_test_day: Day) -> None:
    bundled = generate_day(city, "test", bundles_per_flow={"voip": 20})
    voip = bundled.service == city.service_index["voip"]
    assert np.array_equal(bundled.bandwidth_kbps[voip], 20 * paper_test_day.bandwidth_kbps[voip])
    assert bundled.holding_ms[voip].mean() == pytest.approx(paper_test_day.holding_ms[voip].mean() / 20, rel=1e-3)
    assert np.array_equal(bundled.holding_ms[~voip], paper_test_day.holding_ms[~voip])
    doubled = day_statistics(city, generate_day(city, "test", bundles_per_flow=2))
    assert doubled.offered_kbps == pytest.approx(5_855_240, rel=1e-4)


def test_a_changed_city_keeps_the_day_while_its_radio_units_stay(city: City, paper_test_day: Day) -> None:
    without_video = dataclasses.replace(city, services=tuple(s for s in city.services if s.key != "video"))
    with pytest.raises(InvalidInput, match="give a flow file"):
        generate_day(dataclasses.replace(city, node_names=("ru-x", *city.node_names[1:])), "test")
    # Services keep their own random streams, so the others' flows do not move.
    day = generate_day(dataclasses.replace(without_video, upf_service=_without(city.upf_service, 4)), "test")
    voip = day.service == 4
    assert np.array_equal(day.arrival_ms[voip], paper_test_day.arrival_ms[paper_test_day.service == 5])


def _without(upf_service: np.ndarray, removed: int) -> np.ndarray:
    shifted = np.where(upf_service > removed, upf_service - 1, upf_service)
    return np.where(upf_service == removed, -1, shifted).astype(np.int8)


def test_bad_arguments_are_refused(city: City) -> None:
    with pytest.raises(UnknownKey, match=r"unknown day 'tset'.*did you mean 'test'"):
        generate_day(city, "tset")
    with pytest.raises(UnknownKey, match="unknown profile"):
        generate_day(city, "test", profile="huge")
    with pytest.raises(OutOfRange, match="seed"):
        generate_day(city, "test", seed=-1)
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(OutOfRange, match="hold_scale"):
            generate_day(city, "test", hold_scale=bad)
        with pytest.raises(OutOfRange, match="bundles_per_flow"):
            generate_day(city, "test", bundles_per_flow={"ar": bad})
    unknown = dataclasses.replace(city.services[0], key="vr")
    with pytest.raises(UnknownKey, match="'vr'"):
        generate_day(dataclasses.replace(city, services=(unknown, *city.services[1:])), "test")
