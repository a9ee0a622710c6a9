"""The bound is right where the optimum is known, and above whatever anyone carries everywhere else."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.domain.flow import ANY_UPF
from ric_sim.domain.reservation import CommitStatus
from ric_sim.domain.service import Direction
from ric_sim.envs.bound import Window, bound_row, choose_windows, evaluate_on_windows, windows_at
from ric_sim.envs.bound.columns import columns_of, host_distances_us
from ric_sim.envs.bound.program import PackingProgram
from ric_sim.envs.bound.rows import RowFinder
from ric_sim.envs.bound.solve import bound_window
from ric_sim.network.admission import commit_request
from ric_sim.network.city import NodeKind
from ric_sim.network.graph import graph_arrays
from ric_sim.network.masks import LatencyFloors
from ric_sim.network.policies import POLICIES, make_policy
from ric_sim.network.policies.fixed import shortest_routes
from ric_sim.network.scenario import Scenario, load_scenario
from ric_sim.network.traffic import sorted_day
from ric_sim.store.base import StoreLayout
from ric_sim.store.memory_store import MemoryStore
from tests.unit.network.policies.cities import AR, IOT, city_of, diamond, host, node

MINUTE = Window(0, 60_000)


def street(*, du_cores=50, upf_iot_cores=50, cu_us=400):
    """One host of each kind in a row: what one flow takes, another cannot have."""
    return city_of(
        [
            host("ru", NodeKind.O_RU, cores=9),
            host("du", NodeKind.O_DU, cores=du_cores),
            host("cu", NodeKind.O_CU),
            host("upf-ar", NodeKind.UPF, service=AR),
            host("upf-iot", NodeKind.UPF, cores=upf_iot_cores, service=IOT),
        ],
        ["switch"],
        [
            ("ru", "switch", 400),
            ("du", "switch", 400),
            ("cu", "switch", cu_us),
            ("upf-ar", "switch", 400),
            ("upf-iot", "switch", 400),
        ],
    )


def day_of(city, *flows):
    """A day of (service, arrival ms, holding ms, kbps)."""
    service, arrival_ms, holding_ms, bandwidth_kbps = zip(*flows, strict=True)
    uplink = [index == IOT for index in service]
    columns = {
        "arrival_ms": arrival_ms,
        "holding_ms": holding_ms,
        "service": service,
        "direction": [Direction.UPLINK if up else Direction.DOWNLINK for up in uplink],
        "ru": [node(city, "ru")] * len(flows),
        "upf": [ANY_UPF if up else node(city, "upf-ar") for up in uplink],
        "bandwidth_kbps": bandwidth_kbps,
        "n_requests": [1] * len(flows),
    }
    return sorted_day("hand-made", columns)


def bounded(city, *flows):
    return bound_window(city, day_of(city, *flows), MINUTE, time_limit_s=10)


def test_of_two_flows_that_want_one_hosts_compute_one_is_carried():
    city = street(du_cores=5)  # 4 of them for admission; 300 Mbps take 3.6
    bound = bounded(city, (AR, 0, 1000, 300_000), (AR, 500, 1000, 300_000))
    assert (bound.requests, bound.accepted_at_most, bound.gos_ratio, bound.complete) == (2, 1, 0.5, True)
    assert bound.relaxed_accepted == pytest.approx(4 / 3.6)


def test_flows_one_after_the_other_do_not_stand_in_each_others_way():
    city = street(du_cores=5)
    assert bounded(city, (AR, 0, 500, 300_000), (AR, 500, 1000, 300_000)).gos_ratio == 1.0
    assert bounded(city, (AR, 0, 501, 300_000), (AR, 500, 1000, 300_000)).gos_ratio == 0.5


def test_the_links_of_a_host_hold_what_they_hold():
    """1 Gbps each way, and up and down alike go into the one O-DU and out of it again."""
    assert bounded(street(), (AR, 0, 1000, 500_000), (IOT, 0, 1000, 500_000)).accepted_at_most == 2
    assert bounded(street(), (AR, 0, 1000, 500_000), (IOT, 0, 1000, 501_000)).accepted_at_most == 1


def test_a_flow_that_no_host_holds_or_no_way_is_fast_enough_for_is_not_carried():
    assert bounded(street(du_cores=5), (IOT, 0, 1000, 400_000)).gos_ratio == 0.0
    assert bounded(street(cu_us=4_600), (IOT, 0, 1000, 100_000)).gos_ratio == 0.0
    assert bounded(street(cu_us=3_700), (IOT, 0, 1000, 100_000)).gos_ratio == 1.0


def test_small_flows_count_as_carried_and_take_nothing():
    city = street(du_cores=5)
    bound = bounded(city, (AR, 0, 1000, 300_000), *[(AR, 0, 1000, 10_000)] * 30)
    assert (bound.requests, bound.accepted_at_most) == (31, 31)


def test_load_that_makes_a_later_flow_late_costs_one_of_the_two():
    """The first flow fills du and cu; 10 ms less 8.2 ms of links do not suffice for what the second then waits there."""
    city = street(du_cores=15, cu_us=3_300)
    flows = ((AR, 0, 1000, 950_000), (IOT, 10, 1000, 40_000))
    assert exact_optimum(city, day_of(city, *flows)) == 1
    bound = bounded(city, *flows)
    assert bound.complete
    assert bound.relaxed_accepted < 2 - 1e-3
    assert bound.accepted_at_most == 1


def exact_optimum(city, day):
    """The most that any choice of routes carries, by trying all of them on a real store."""
    graph, floors = graph_arrays(city), LatencyFloors(city)
    routes = [
        shortest_routes(graph, floors.idle_chain(flow), floors.floor_us(flow), 100) for flow in map(day.flow, range(len(day)))
    ]

    def best(index, taken):
        if index == len(day):
            return len(taken)
        most = best(index + 1, taken)
        for links in routes[index]:
            choice = [*taken, (index, links)]
            if _all_commit(city, day, choice):
                most = max(most, best(index + 1, choice))
        return most

    return best(0, [])


def _all_commit(city, day, choice):
    store = MemoryStore()
    store.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
    for index, links in choice:
        flow = day.flow(index)
        if store.commit([commit_request(city, flow, links)], now_ms=flow.arrival_ms)[0].status != CommitStatus.COMMITTED:
            return False
    return True


@pytest.mark.parametrize("seed", range(8))
def test_the_bound_is_never_below_the_exact_optimum(seed):
    """Random traffic on a city of two O-DUs and two ways, every choice of routes tried."""
    rng = np.random.default_rng(seed)
    city = diamond()
    flows = [
        (int(rng.integers(2)), int(rng.integers(2000)), int(rng.integers(200, 3000)), int(rng.integers(150_000, 700_000)))
        for _ in range(5)
    ]
    optimum = exact_optimum(city, day_of(city, *flows))
    bound = bounded(city, *flows)
    assert bound.complete
    assert optimum <= bound.accepted_at_most <= optimum + 1


@pytest.fixture(scope="module")
def stress():
    return load_scenario(profile="stress", day="test")


BUSY = windows_at([(20 * 60 + 5) * 60_000], minutes=4)


@pytest.fixture(scope="module")
def busy_row(stress):
    return bound_row(stress, windows=BUSY)


@pytest.mark.parametrize("policy", [name for name, factory in POLICIES.items() if not factory.algorithm])
def test_no_policy_carries_more_than_the_bound(stress, busy_row, policy):
    played = evaluate_on_windows(stress, policy, BUSY)
    assert played.requests == busy_row.requests
    assert 0 < played.accepted <= busy_row.accepted_at_most


def carried_columns(city, day, columns, policy):
    """float64 [Q]: 1 for the column of every flow that a policy carries; fails if a carried flow has none."""
    store, router = MemoryStore(), make_policy(policy, city)
    store.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
    x = np.zeros(columns.n_columns)
    for index, flow in enumerate(map(day.flow, range(len(day)))):
        store.advance(flow.arrival_ms)
        plan = router.plan(store.snapshot().used, flow)
        if plan.accepted:
            store.commit([commit_request(city, flow, plan.links)], now_ms=flow.arrival_ms)
            passed = {int(city.link_src[plan.links[0]]), *city.link_dst[list(plan.links)].tolist()}
            hosts = sorted((node for node in passed if city.node_kind[node] <= NodeKind.UPF), key=lambda at: city.node_kind[at])
            (column,) = np.flatnonzero((columns.flow == index) & (columns.hosts == hosts).all(axis=1))
            x[column] = 1
    return x


@pytest.mark.parametrize("policy", ["shortest", "cspf", "widest-shortest", "specialised", "random"])
def test_what_a_policy_carries_breaks_no_row(stress, policy):
    """Under cspf many IoT flows keep their budget by little, so a row that asks too much would show."""
    day = windows_at([19 * 3_600_000], minutes=8)[0].day(stress.day)
    columns = columns_of(stress.city, day)
    x = carried_columns(stress.city, day, columns, policy)
    assert x.sum() > 20
    assert RowFinder(columns).broken(x) == []


def test_every_row_added_is_broken_by_the_solution_and_kept_by_what_policies_carry(stress):
    day = BUSY[0].day(stress.day)
    columns = columns_of(stress.city, day)
    carried = [carried_columns(stress.city, day, columns, policy) for policy in ("cspf", "widest-shortest", "specialised")]
    program, finder = PackingProgram(columns), RowFinder(columns)
    while broken := finder.broken(x := program.solve(time_limit_s=10)):
        for row in broken:
            assert row.values @ x[row.columns] > 1
            assert np.all(row.values > 0)
            assert all(row.values @ each[row.columns] <= 1 + 1e-9 for each in carried)
        program.add(broken)
    assert program.n_rows > 50


def test_the_bound_falls_while_rows_are_added(stress, busy_row):
    window = busy_row.windows[0]
    assert busy_row.complete
    assert window.rows > 50
    assert all(later <= earlier for earlier, later in pairwise(window.history))
    assert window.history[-1] == window.relaxed_accepted < window.history[0] <= window.requests


def test_the_last_solution_keeps_every_capacity_and_its_certificate_is_its_value(stress):
    day = BUSY[0].day(stress.day)
    columns = columns_of(stress.city, day)
    program, finder = PackingProgram(columns), RowFinder(columns)
    x = program.solve(time_limit_s=10)
    while broken := finder.broken(x):
        program.add(broken)
        x = program.solve(time_limit_s=10)
        assert program.certified_bound() == pytest.approx(x.sum(), abs=1e-4)
    for arrival_ms in day.arrival_ms:
        active = ((day.arrival_ms <= arrival_ms) & (day.end_ms > arrival_ms))[columns.flow]
        for tier in range(4):
            ucores = x * active * columns.amounts[0, columns.flow, tier]
            load = np.bincount(columns.hosts[:, tier], ucores, stress.city.n_nodes)
            assert np.all(load <= stress.city.compute_limit_ucores * (1 + 1e-4))


def test_a_search_cut_short_gives_a_bound_that_holds(stress, busy_row):
    at_once, midway = (bound_row(stress, windows=BUSY, time_limit_s=limit_s) for limit_s in (1e-9, 0.2))
    assert not at_once.complete
    assert at_once.windows[0].rows == 0
    assert at_once.requests >= at_once.accepted_at_most >= midway.accepted_at_most >= busy_row.accepted_at_most


@pytest.mark.parametrize("time_limit_s", [0.0, -1.0, float("nan")])
def test_a_time_limit_that_makes_no_sense_is_refused(stress, time_limit_s):
    with pytest.raises(OutOfRange):
        bound_row(stress, windows=BUSY, time_limit_s=time_limit_s)


def test_distances_are_those_of_the_planners(stress):
    """Segment by segment, least over all hosts, they give the latency floor of a whole chain."""
    city, distance_us = stress.city, host_distances_us(stress.city)
    for flow in map(stress.day.flow, range(0, len(stress.day), 4_000)):
        columns = columns_of(city, windows_at([flow.arrival_ms], minutes=1)[0].day(stress.day))
        source = flow.ru if flow.direction == Direction.UPLINK else flow.upf
        assert columns.latency_us[columns.flow == 0].min() == LatencyFloors(city).floor_us(flow)[0, source]
    du_0, du_1 = city.nodes_of(NodeKind.O_DU)[:2]
    assert distance_us[du_0, du_1] > 0


def test_the_result_is_one_json_object_like_an_evaluation(stress, busy_row):
    told = json.loads(json.dumps(busy_row.to_dict(), allow_nan=False))
    assert (told["policy"], told["profile"], told["day"]) == ("bound", "stress", stress.day.name)
    assert told["gos"] == busy_row.accepted_at_most / busy_row.requests
    assert list(told["gos_by_service"]) == [spec.key for spec in stress.city.services]
    assert told["windows"][0]["window"] == "20:05-20:09"


def test_chosen_windows_are_busy_and_spread_over_the_day(stress):
    day = stress.day
    windows = choose_windows(day, 6, minutes=15)
    assert windows == choose_windows(day, 6, minutes=15)
    assert all(earlier.end_ms <= later.start_ms for earlier, later in pairwise(windows))
    offered = np.bincount(day.arrival_ms // 900_000, day.bandwidth_kbps * day.holding_ms)
    busiest = np.argsort(offered)[-32:]
    assert sum(window.start_ms // 900_000 in busiest for window in windows) == 4
    assert len(choose_windows(day, 500, minutes=60)) == 24


def test_bounds_over_several_windows_are_weighted_by_their_requests():
    city = street(du_cores=5)
    flows = [(AR, 0, 1000, 300_000), (AR, 500, 1000, 300_000), (AR, 60_000, 1000, 300_000)]
    scenario = Scenario(city, day_of(city, *flows))
    told = []
    result = bound_row(scenario, windows=5, minutes=1, progress=told.append)
    assert [each.gos_ratio for each in result.windows] == [0.5, 1.0]
    assert tuple(told) == result.windows
    assert result.gos_ratio == pytest.approx(2 / 3)


def test_windows_that_make_no_sense_are_refused(stress):
    with pytest.raises(OutOfRange):
        choose_windows(stress.day, 0, minutes=15)
    with pytest.raises(OutOfRange):
        choose_windows(stress.day, 1, minutes=0)
    with pytest.raises(OutOfRange):
        windows_at([86_400_000], minutes=15)
    with pytest.raises(OutOfRange):
        evaluate_on_windows(stress, "cspf", [])
    with pytest.raises(OutOfRange, match="no request arrives"):
        bound_row(load_scenario(profile="smoke", day="test"), windows=windows_at([0], minutes=15))
