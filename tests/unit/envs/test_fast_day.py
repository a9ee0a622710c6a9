"""A compiled day has the outcome of the evaluation: every count, cause, latency and hop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange, UnknownKey
from ric_sim.domain.flow import ANY_UPF, Cause
from ric_sim.domain.service import Direction
from ric_sim.envs.evaluate import evaluate
from ric_sim.envs.fast_day import FastDay
from ric_sim.network import kernels_chain, kernels_layered, kernels_prices
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.policies import make_policy, near_host_ms
from ric_sim.network.policies.prices_tuned import NUMBER_NAMES, shipped_numbers
from ric_sim.network.scenario import Scenario
from ric_sim.network.traffic import selection, sorted_day
from tests.unit.network.policies.cities import IOT, node, zigzag


@pytest.fixture(scope="module", params=["paper", "stress"])
def busy(request):
    """The busiest stretch of a test day: what is still held at 19:00 and the arrivals after it, many of which end in it."""
    city = build_city(request.param)
    day = generate_day(city, "test", profile=request.param)
    return Scenario(city, selection(day, "busy", np.flatnonzero(day.end_ms > 19 * 3_600_000)[:1500]))


def _near(city):
    return {key: {"near_du_ms": price, "near_cu_ms": price} for key, price in near_host_ms(city).items()}


def _random(city, seed):
    rng = np.random.default_rng(seed)
    rows = rng.exponential(4.0, (len(city.services), 4)) * [1, 1, rng.choice([-1, 1]), rng.choice([-1, 1])]
    return {spec.key: dict(zip(NUMBER_NAMES, row, strict=True)) for spec, row in zip(city.services, rows.tolist(), strict=True)}


def _assert_same(scenario, outcome, evaluation):
    city, accepted = scenario.city, outcome.accepted
    assert int(accepted.sum()) == evaluation.accepted
    assert outcome.gos_ratio == evaluation.gos_ratio
    refused = outcome.causes[~accepted]
    assert {Cause(int(cause)).label: int((refused == cause).sum()) for cause in np.unique(refused)} == evaluation.rejects_by_cause
    for index, spec in enumerate(city.services):
        of_service = scenario.day.service == index
        if of_service.any():
            assert accepted[of_service].mean() == evaluation.gos_by_service[spec.key]
        if accepted[of_service].any():
            mean_ms = outcome.latency_us[of_service & accepted].sum() / 1000 / accepted[of_service].sum()
            assert mean_ms == pytest.approx(evaluation.latency_ms_by_service[spec.key], rel=1e-12)
    assert outcome.hops.sum() / accepted.sum() == evaluation.hops


def test_without_prices_it_is_cspf(busy):
    _assert_same(busy, FastDay(busy).play({}), evaluate(busy, "cspf"))


def test_with_prices_for_near_hosts_it_is_specialised(busy):
    _assert_same(busy, FastDay(busy).play(_near(busy.city)), evaluate(busy, "specialised"))


def test_with_the_shipped_numbers_it_is_priced(busy):
    _assert_same(busy, FastDay(busy).play(shipped_numbers(busy.city)), evaluate(busy, "priced"))


@pytest.mark.parametrize("seed", range(3))
def test_with_any_numbers_it_is_priced_with_them(seed, busy):
    numbers = _random(busy.city, seed)
    outcome = FastDay(busy).play(numbers)
    _assert_same(busy, outcome, evaluate(busy, make_policy("priced", busy.city, numbers=numbers)))
    assert {Cause.NO_ROUTE_CAPACITY, Cause.NO_ROUTE_LATENCY} & set(outcome.causes.tolist())


def test_playing_again_starts_on_an_idle_city(busy):
    day = FastDay(busy)
    first, again = (day.play(_near(busy.city)) for _ in range(2))
    assert np.array_equal(first.causes, again.causes)
    assert np.array_equal(first.latency_us, again.latency_us)


def _zigzag_day(city, *, arrival_ms, holding_ms, bandwidth_kbps):
    """IoT requests in a city where every route crosses from west to east twice."""
    n_flows = len(arrival_ms)
    columns = {
        "service": [IOT] * n_flows,
        "direction": [int(Direction.UPLINK)] * n_flows,
        "ru": [node(city, "ru")] * n_flows,
        "upf": [ANY_UPF] * n_flows,
        "n_requests": [1] * n_flows,
    }
    given = {"arrival_ms": arrival_ms, "holding_ms": holding_ms, "bandwidth_kbps": bandwidth_kbps}
    return sorted_day("zigzag", columns | given)


def test_a_link_with_room_for_one_crossing_is_closed_and_the_search_repeated():
    """The first request leaves room on the northern way for one crossing only; the last finds what the first has left."""
    city = zigzag()
    day = _zigzag_day(city, arrival_ms=[0, 10, 20, 30, 1000], holding_ms=[1000, 1000, 5, 1, 5], bandwidth_kbps=[300_000] * 5)
    scenario = Scenario(city, day)
    outcome = FastDay(scenario).play({})
    _assert_same(scenario, outcome, evaluate(scenario, "cspf"))
    assert outcome.accepted.tolist() == [True, True, False, False, True]
    assert outcome.latency_us[1] > outcome.latency_us[0]


def test_what_ends_at_an_arrival_is_released_before_it():
    city = zigzag()
    day = _zigzag_day(city, arrival_ms=[0, 99, 100], holding_ms=[100, 1, 1], bandwidth_kbps=[800_000] * 3)
    assert FastDay(Scenario(city, day)).play({}).accepted.tolist() == [False, False, False]
    day = _zigzag_day(city, arrival_ms=[0, 99, 100], holding_ms=[100, 1, 1], bandwidth_kbps=[500_000, 500_001, 500_000])
    outcome = FastDay(Scenario(city, day)).play({})
    assert outcome.accepted.tolist() == [True, False, True]
    assert outcome.latency_us[0] == outcome.latency_us[2]


def test_a_day_without_requests_has_no_service():
    city = zigzag()
    outcome = FastDay(Scenario(city, _zigzag_day(city, arrival_ms=[], holding_ms=[], bandwidth_kbps=[]))).play({})
    assert (len(outcome.causes), outcome.gos_ratio) == (0, 0.0)


@pytest.mark.parametrize(
    ("column", "value"),
    [("service", 9), ("ru", 0), ("ru", 10**6), ("upf", 10**6), ("bandwidth_kbps", 0), ("bandwidth_kbps", 2**32)],
)
def test_a_flow_that_the_city_cannot_know_is_refused(column, value, busy):
    wrong = getattr(busy.day, column).copy()
    wrong[777] = value if (column, value) != ("ru", 0) else busy.city.n_nodes - 1
    with pytest.raises(InvalidInput):
        FastDay(Scenario(busy.city, replace(busy.day, **{column: wrong})))


def test_numbers_that_make_no_sense_are_refused(busy):
    day = FastDay(busy)
    with pytest.raises(UnknownKey):
        day.play({"viedo": {"near_du_ms": 1.0}})
    with pytest.raises(OutOfRange):
        day.play({"video": {"near_du_ms": -1.0}})


def test_the_policies_keep_one_compilation_of_each_kernel(busy):
    """A caller with types of its own would make a second one, which live policies would load for nothing."""
    FastDay(busy).play({})
    make_policy("priced", busy.city).plan(np.zeros(busy.city.n_resources, np.uint32), busy.day.flow(0))
    kernels = [kernels_layered.cheapest_route, kernels_layered.latency_to_go, kernels_layered.overused_link]
    kernels += [kernels_chain.open_hosts, kernels_prices.load_prices]
    assert [len(kernel.signatures) for kernel in kernels] == [1] * len(kernels)
