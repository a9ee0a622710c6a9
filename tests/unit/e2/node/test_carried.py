"""What each node carries: known answers on two flows, and agreement with integration by hand on many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.domain.errors import InvalidRoute
from ric_sim.e2.identity import nodes_of
from ric_sim.e2.kpm import NodeCapacity
from ric_sim.e2.node.carried import CarriedLoad
from tests.unit.e2.node.two_sites import (
    AR,
    DOWN_EAST,
    IOT,
    RU_EAST,
    RU_WEST,
    UP_CROSSING,
    UP_WEST,
    day_of,
    links_along,
    two_sites,
)

CITY = two_sites()
NODES = nodes_of(CITY)
ROW = {node.node_name: row for row, node in enumerate(NODES)}
UL, DL = 0, 1


def period(load: CarriedLoad, name: str, *, start_ms: int, end_ms: int):
    load.advance(start_ms)
    before = load.integrals()
    load.advance(end_ms)
    return load.period_load(ROW[name], load.integrals() - before, end_ms - start_ms)


def test_a_flow_loads_the_hosts_of_its_route_and_the_home_of_its_radio_unit():
    load = CarriedLoad(CITY, NODES)
    flow = day_of((IOT, RU_WEST, 1000, 3000, 500, 5)).flow(0)
    load.carry(flow, links_along(CITY, UP_CROSSING))
    crossing = period(load, "du-east", start_ms=0, end_ms=2000)
    assert crossing.carried_kbps_ms.tolist() == [[0, 0], [500_000, 0]]
    assert crossing.users_ms.tolist() == [[0, 0], [5000, 0]]
    assert crossing.compute_ucores_ms.tolist() == [[0, 0], [500_000 * 12, 0]]
    assert not crossing.radio_kbps_ms.any()


def test_the_rest_of_the_flow_falls_into_the_next_period():
    load = CarriedLoad(CITY, NODES)
    load.carry(day_of((IOT, RU_WEST, 1000, 3000, 500, 5)).flow(0), links_along(CITY, UP_CROSSING))
    home = period(load, "du-west", start_ms=2000, end_ms=6000)
    assert home.radio_kbps_ms.tolist() == [[0, 0], [500 * 2000, 0]]
    assert not home.carried_kbps_ms.any()
    assert load.active == [0, 0]


def test_a_flow_that_is_cut_carries_nothing_more():
    load = CarriedLoad(CITY, NODES)
    flow = day_of((IOT, RU_WEST, 1000, 3000, 500, 5)).flow(0)
    load.carry(flow, links_along(CITY, UP_CROSSING))
    load.cut(flow, links_along(CITY, UP_CROSSING), 1600)
    assert period(load, "du-east", start_ms=0, end_ms=6000).carried_kbps_ms.tolist() == [[0, 0], [500 * 600, 0]]
    assert load.active == [0, 0]
    load.cut(flow, links_along(CITY, UP_CROSSING), 5000)
    assert not period(load, "du-east", start_ms=6000, end_ms=7000).carried_kbps_ms.any()


def test_the_cu_of_the_gnb_sees_its_radio_too():
    load = CarriedLoad(CITY, NODES)
    load.carry(day_of((AR, RU_EAST, 0, 1000, 700, 2)).flow(0), links_along(CITY, DOWN_EAST))
    cu = period(load, "cu-east", start_ms=0, end_ms=1000)
    assert cu.radio_kbps_ms.tolist() == [[0, 700_000], [0, 0]]
    assert cu.compute_ucores_ms.tolist() == [[0, 700_000 * 10], [0, 0]]


def test_a_flow_taken_late_counts_from_now_and_one_that_is_over_not_at_all():
    load = CarriedLoad(CITY, NODES)
    load.advance(2500)
    before = load.integrals()
    day = day_of((IOT, RU_WEST, 1000, 3000, 500, 5), (IOT, RU_WEST, 1000, 1500, 500, 5))
    for index in range(2):
        load.carry(day.flow(index), links_along(CITY, UP_WEST))
    load.advance(10_000)
    late = load.period_load(ROW["du-west"], load.integrals() - before, 7500)
    assert late.carried_kbps_ms[1, UL] == 500 * 1500


def test_active_flows_follow_emulated_time():
    load = CarriedLoad(CITY, NODES)
    day = day_of((IOT, RU_WEST, 1000, 3000, 500, 5), (AR, RU_EAST, 2000, 500, 500, 5))
    load.carry(day.flow(0), links_along(CITY, UP_WEST))
    load.carry(day.flow(1), links_along(CITY, DOWN_EAST))
    assert load.last_end_ms == 4000
    seen = []
    for now_ms in (999, 1000, 2000, 2500, 4000):
        load.advance(now_ms)
        seen.append(tuple(load.active))
    assert seen == [(0, 0), (0, 1), (1, 1), (0, 1), (0, 0)]
    assert load.last_end_ms == 4000


def test_time_never_runs_back():
    load = CarriedLoad(CITY, NODES, start_ms=500)
    load.advance(100)
    assert load.now_ms == 500


@pytest.mark.parametrize("links", [[], [999], [-1], links_along(CITY, ("ru-west", "west", "du-west"))])
def test_a_route_that_cannot_be_is_refused_and_changes_nothing(links):
    load = CarriedLoad(CITY, NODES)
    with pytest.raises(InvalidRoute, match="day-000000"):
        load.carry(day_of((IOT, RU_WEST, 1000, 3000, 500, 5)).flow(0), links)
    load.advance(5000)
    assert not load.integrals().any()


def test_shares_are_taken_of_the_radio_units_of_the_gnb():
    load = CarriedLoad(CITY, NODES)
    assert load.capacity(ROW["du-west"]) == NodeCapacity((1_000_000, 1_000_000), 10_000_000)
    assert load.capacity(ROW["cu-east"]) == NodeCapacity((1_000_000, 1_000_000), 20_000_000)


flow_rows = st.tuples(
    st.sampled_from([(AR, RU_EAST), (AR, RU_WEST), (IOT, RU_WEST)]),
    st.integers(0, 5000),
    st.integers(1, 5000),
    st.integers(1, 10**6),
    st.integers(1, 100),
)
ROUTES = {
    (AR, RU_EAST): links_along(CITY, DOWN_EAST),
    (AR, RU_WEST): links_along(CITY, ("upf-ar", "east", "cu-east", "east", "west", "du-west", "west", "ru-west")),
    (IOT, RU_WEST): links_along(CITY, UP_CROSSING),
}


@settings(deadline=None)
@given(st.lists(flow_rows, min_size=1, max_size=12), st.integers(0, 9000), st.integers(1, 9000))
def test_integrals_are_exact_and_conserved(rows, start_ms, length_ms):
    day = day_of(*((service, ru, *rest) for (service, ru), *rest in rows))
    load = CarriedLoad(CITY, NODES)
    for index in range(len(day)):
        flow = day.flow(index)
        load.carry(flow, ROUTES[flow.service, flow.ru])
    end_ms = start_ms + length_ms
    load.advance(start_ms)
    before = load.integrals()
    load.advance(end_ms)
    change = load.integrals() - before
    overlap_ms = np.clip(np.minimum(day.end_ms, end_ms) - np.maximum(day.arrival_ms, start_ms), 0, None)
    volume = int((overlap_ms * day.bandwidth_kbps).sum())
    users = int((overlap_ms * day.n_requests).sum())
    loads = [load.period_load(row, change, length_ms) for row in range(4)]
    for tier, demand in ((loads[:2], 12), (loads[2:], 10)):
        assert sum(node.carried_kbps_ms.sum() for node in tier) == volume
        assert sum(node.users_ms.sum() for node in tier) == users
        assert sum(node.radio_kbps_ms.sum() for node in tier) == volume
        assert sum(node.compute_ucores_ms.sum() for node in tier) == demand * volume
    load.advance(int(day.end_ms.max()))
    assert load.active == [0, 0]
    rest = load.integrals()
    load.advance(10**9)
    assert (load.integrals() == rest).all()
