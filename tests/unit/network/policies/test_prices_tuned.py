"""Four prices per service: what each of them does, and the sets that come with the package."""

from __future__ import annotations

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.envs.evaluate import evaluate
from ric_sim.network.chain import ChainReader, as_amounts
from ric_sim.network.montreal import build_city
from ric_sim.network.policies import make_policy, near_host_ms
from ric_sim.network.policies.prices_tuned import NUMBER_NAMES, PricedPrices, ServicePrices, shipped_numbers, shipped_sets
from tests.unit.network.policies.cities import diamond, downlink, idle, link, loaded, node, route_names, uplink

NORTH = "upf-ar east cu east north west du-near west ru"
SOUTH = "upf-ar east cu east south west du-near west ru"
NORTH_FAR = "upf-ar east cu east north west du-far west ru"


@pytest.fixture(scope="module")
def city():
    return diamond()


def _route(city, used, flow, **of_ar):
    return route_names(city, make_policy("priced", city, numbers={"ar": of_ar}).plan(used, flow).links)


def _prices(city, used, flow, **of_ar):
    amounts = as_amounts(used)
    return PricedPrices(city, {"ar": of_ar})(amounts, flow, ChainReader(city).chain(amounts, flow))


def test_without_numbers_only_the_latency_counts(city):
    link_ms, host_ms = _prices(city, loaded(city, cu=0.5, north__west=0.5), downlink(city))
    assert np.array_equal(link_ms, city.link_latency_us / 1000)
    assert not host_ms.any()


def test_near_hosts_cost_what_their_number_says(city):
    _, host_ms = _prices(city, idle(city), downlink(city), near_du_ms=3.0, near_cu_ms=5.0)
    assert {city.node_names[at]: host_ms[at] for at in np.flatnonzero(host_ms)} == {"du-near": 3.0, "cu": 5.0}
    _, of_iot = _prices(city, idle(city), uplink(city), near_du_ms=3.0, near_cu_ms=5.0)
    assert not of_iot.any()


def test_load_costs_the_fourth_power_of_the_utilisation_with_the_request_in_place(city):
    used, flow = loaded(city, du_near=0.5, north__west=0.25), downlink(city, bandwidth_kbps=250_000)
    link_ms, host_ms = _prices(city, used, flow, full_host_ms=16.0, full_link_ms=8.0)
    north = link(city, "north", "west")
    assert link_ms[north] - city.link_latency_us[north] / 1000 == pytest.approx(8.0 * (0.25 + 0.25) ** 4)
    du = node(city, "du-near")
    demand = 250_000 * city.services[flow.service].compute_ucore_per_kbps[int(city.node_kind[du])]
    assert host_ms[du] == pytest.approx(16.0 * (0.5 + demand / city.compute_limit_ucores[du]) ** 4)


def test_a_full_host_costs_its_whole_number(city):
    flow = downlink(city, bandwidth_kbps=1)
    _, host_ms = _prices(city, loaded(city, cu=1.0), flow, full_host_ms=7.0)
    assert host_ms[node(city, "cu")] == pytest.approx(7.0, rel=1e-3)


def test_a_negative_price_of_load_falls_as_load_rises(city):
    used, flow = loaded(city, du_near=0.6, north__west=0.25), downlink(city, bandwidth_kbps=250_000)
    spread, pack = (_prices(city, used, flow, full_host_ms=weight, full_link_ms=weight) for weight in (3.0, -3.0))
    fixed = _prices(city, used, flow)
    for of_load, of_space, at_all in zip(spread, pack, fixed, strict=True):
        assert (of_space - at_all + of_load - at_all) == pytest.approx(3.0)
        assert (of_space >= at_all).all()
    assert pack[1][node(city, "du-near")] < pack[1][node(city, "du-far")]


def test_packing_fills_the_fuller_of_two_hosts(city):
    flow = downlink(city, bandwidth_kbps=10_000)
    assert _route(city, loaded(city, du_far=0.9), flow, full_host_ms=-0.5) == NORTH
    assert _route(city, loaded(city, du_far=0.9), flow, full_host_ms=-9.0) == NORTH_FAR


def test_a_resource_over_its_limit_costs_no_more_than_a_full_one(city):
    flow = downlink(city, bandwidth_kbps=2_000_000)
    link_ms, host_ms = _prices(city, idle(city), flow, full_host_ms=-7.0, full_link_ms=7.0)
    assert link_ms == pytest.approx(city.link_latency_us / 1000 + 7.0)
    assert (host_ms >= 0.0).all()


def test_each_number_moves_the_route_it_prices(city):
    flow = downlink(city, bandwidth_kbps=100_000)
    assert _route(city, idle(city), flow) == NORTH
    assert _route(city, idle(city), flow, near_du_ms=0.9) == NORTH
    assert _route(city, idle(city), flow, near_du_ms=2.1) == NORTH_FAR
    assert _route(city, idle(city), flow, near_cu_ms=100.0) == NORTH, "there is no other O-CU to go to"
    full_du, full_north = loaded(city, du_near=0.7), loaded(city, north__west=0.8)
    assert _route(city, full_du, flow, full_host_ms=0.5) == NORTH
    assert _route(city, full_du, flow, full_host_ms=30.0) == NORTH_FAR
    assert _route(city, full_north, flow, full_link_ms=0.1) == NORTH
    assert _route(city, full_north, flow, full_link_ms=3.0) == SOUTH


def test_cspf_and_specialised_are_special_cases(busy_hour):
    city = busy_hour.city
    near = {key: {"near_du_ms": price, "near_cu_ms": price} for key, price in near_host_ms(city).items()}
    for name, numbers in (("cspf", {}), ("specialised", near)):
        known, priced = evaluate(busy_hour, name), evaluate(busy_hour, make_policy("priced", city, numbers=numbers))
        assert priced.latency_ms_by_service == known.latency_ms_by_service
        assert (priced.accepted, priced.rejects_by_cause) == (known.accepted, known.rejects_by_cause)


def test_the_shipped_numbers_beat_cspf_in_the_busy_hour(busy_hour):
    assert evaluate(busy_hour, "priced").gos_ratio > evaluate(busy_hour, "cspf").gos_ratio


@pytest.mark.parametrize("profile", ["paper", "congested", "stress"])
def test_a_profile_has_24_numbers_and_the_record_of_their_search(profile):
    entry = shipped_sets()[profile]
    city = build_city(profile)
    assert list(entry["numbers"]) == [spec.key for spec in city.services]
    for named in entry["numbers"].values():
        assert tuple(named) == NUMBER_NAMES
        ServicePrices(**named)
    found = entry["found"]
    assert found["split"] == "train"
    assert found["evaluations"] >= found["generations"] * found["population"] >= 100
    assert found["gos_train"] >= found["gos_train_at_start"]
    assert f"--seed {found['seed']} " in found["command"] + " "
    assert f"--profile {profile}" in found["command"]
    assert shipped_numbers(city) == entry["numbers"]


def test_the_profiles_have_sets_of_their_own_and_others_take_that_of_paper(city):
    of_profile = {name: shipped_numbers(build_city(name)) for name in ("paper", "congested", "stress", "smoke")}
    assert of_profile["smoke"] == of_profile["paper"]
    assert of_profile["paper"] != of_profile["congested"] != of_profile["stress"]
    assert shipped_numbers(city) == {key: of_profile["paper"][key] for key in ("ar", "iot")}


def test_a_service_that_was_not_tuned_pays_latency_only():
    city = build_city("paper")
    flow = FlowRequest(
        "x", city.service_index["video"], Direction.DOWNLINK, 7, int(np.flatnonzero(city.upf_service == 4)[0]), 200_000, 1, 0, 1
    )
    numbers = {key: named for key, named in shipped_numbers(city).items() if key != "video"}
    used = idle(city)
    assert make_policy("priced", city, numbers=numbers).plan(used, flow) == make_policy("cspf", city).plan(used, flow)


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({"video": {"near_du_ms": 1.0}}, "service 'video'"),
        ({"ar": {"near_du": 1.0}}, "did you mean 'near_du_ms'"),
    ],
)
def test_names_that_do_not_exist_are_refused(numbers, says, city):
    with pytest.raises(UnknownKey, match=says):
        make_policy("priced", city, numbers=numbers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in NUMBER_NAMES for value in (1e7, -1e7, float("nan"), float("inf"))),
        ("near_du_ms", -0.1),
        ("near_cu_ms", -0.1),
    ],
)
def test_prices_outside_their_range_are_refused(name, value, city):
    with pytest.raises(OutOfRange, match=name):
        make_policy("priced", city, numbers={"ar": {name: value}})
