from dataclasses import replace
from itertools import pairwise

import pytest

from ric_sim.domain.errors import InvalidRoute, OutOfRange
from ric_sim.domain.flow import ANY_UPF, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.network.admission import MAX_ROUTE_LINKS, commit_request, host_processing_us, processing_coefficient_ns
from ric_sim.network.city import City
from ric_sim.network.services_catalogue import SERVICES

AR, IOT = 0, 1

UPLINK = "ru-a access agg du-0 agg cu-0 agg core upf-iot-1"
DOWNLINK = "upf-ar-0 core agg cu-0 agg du-0 agg access ru-b"
TURNING_BACK = "ru-a access agg core du-1 core agg cu-0 agg core upf-iot-0"
"""Runs twice over the link from agg to core."""


def links_of(city: City, path: str) -> list[int]:
    names = path.split()
    return [link_between(city, a, b) for a, b in pairwise(names)]


def link_between(city: City, a: str, b: str) -> int:
    ends = (city.node_names.index(a), city.node_names.index(b))
    return list(zip(city.link_src.tolist(), city.link_dst.tolist(), strict=True)).index(ends)


@pytest.fixture
def uplink(small_city: City) -> FlowRequest:
    return FlowRequest(
        flow_id="up-1",
        service=IOT,
        direction=Direction.UPLINK,
        ru=small_city.node_names.index("ru-a"),
        upf=ANY_UPF,
        bandwidth_kbps=50_000,
        n_requests=10,
        arrival_ms=1_000,
        holding_ms=500,
    )


@pytest.fixture
def downlink(small_city: City, uplink: FlowRequest) -> FlowRequest:
    node = small_city.node_names.index
    return replace(uplink, flow_id="down-1", service=AR, direction=Direction.DOWNLINK, ru=node("ru-b"), upf=node("upf-ar-0"))


def test_an_uplink_route_needs_its_links_and_the_compute_of_its_chain(small_city: City, uplink: FlowRequest) -> None:
    links = links_of(small_city, UPLINK)
    request = commit_request(small_city, uplink, links)
    compute = {name: small_city.n_links + small_city.node_names.index(name) for name in small_city.node_names}
    assert dict(request.entries) == {
        **dict.fromkeys(links, 50_000),
        compute["ru-a"]: 100_000,
        compute["du-0"]: 600_000,
        compute["cu-0"]: 500_000,
        compute["upf-iot-1"]: 500_000,
    }
    assert len(request.entries) == len(dict(request.entries))
    assert request.propagation_us == sum(int(small_city.link_latency_us[link]) for link in links)
    assert (request.flow_id, request.service, request.expiry_ms, request.budget_us) == ("up-1", IOT, 1_500, 10_000)
    assert request.route == tuple(links)
    # No term for the O-RU, whose weight is 0.
    assert [(resource, nominal) for resource, _, nominal in request.hosts] == [
        (compute["du-0"], 10_000_000),
        (compute["cu-0"], 20_000_000),
        (compute["upf-iot-1"], 25_000_000),
    ]


def test_a_downlink_route_runs_the_chain_backwards(small_city: City, downlink: FlowRequest) -> None:
    links = links_of(small_city, DOWNLINK)
    request = commit_request(small_city, downlink, links)
    compute = {name: small_city.n_links + small_city.node_names.index(name) for name in small_city.node_names}
    amounts = dict(request.entries)
    assert [resource for resource, _, _ in request.hosts] == [compute["upf-ar-0"], compute["cu-0"], compute["du-0"]]
    assert (amounts[compute["upf-ar-0"]], amounts[compute["ru-b"]]) == (950_000, 100_000)
    assert request.budget_us == 20_000


def test_a_link_used_twice_counts_twice(small_city: City, uplink: FlowRequest) -> None:
    links = links_of(small_city, TURNING_BACK)
    request = commit_request(small_city, uplink, links)
    twice = link_between(small_city, "agg", "core")
    assert links.count(twice) == 2
    assert dict(request.entries)[twice] == 100_000
    assert request.propagation_us == sum(int(small_city.link_latency_us[link]) for link in links)


def test_an_uplink_flow_may_name_its_upf(small_city: City, uplink: FlowRequest) -> None:
    named = replace(uplink, upf=small_city.node_names.index("upf-iot-1"))
    assert commit_request(small_city, named, links_of(small_city, UPLINK)).route
    with pytest.raises(InvalidRoute, match="upf-iot-0 does not serve"):
        commit_request(small_city, named, links_of(small_city, TURNING_BACK))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("access agg du-0 agg cu-0 agg core upf-iot-1", "leaves access but the route stands at ru-a"),
        ("ru-b access agg du-0 agg cu-0 agg core upf-iot-1", "leaves ru-b but the route stands at ru-a"),
        ("ru-a access agg cu-0", "enters cu-0 where O_DU comes next"),
        ("ru-a access agg du-0 agg core upf-iot-1", "enters upf-iot-1 where O_CU comes next"),
        ("ru-a access agg du-0 agg du-0", "enters du-0 where O_CU comes next"),
        ("ru-a access ru-b", "enters ru-b where O_DU comes next"),
        ("ru-a access agg du-0 agg cu-0", "ends at cu-0 after 3 of 4 functions"),
        ("ru-a access agg du-0 agg cu-0 agg core", "ends at core after 3 of 4 functions"),
        (UPLINK + " core", "ends at core after 4 of 4 functions"),
        (UPLINK + " core upf-iot-0", "enters upf-iot-0 where nothing more comes next"),
        ("ru-a access agg du-0 agg cu-0 agg core upf-ar-0", "upf-ar-0 does not serve iot"),
    ],
)
def test_an_uplink_route_that_is_none(small_city: City, uplink: FlowRequest, path: str, message: str) -> None:
    with pytest.raises(InvalidRoute, match=message):
        commit_request(small_city, uplink, links_of(small_city, path))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("upf-iot-0 core agg cu-0 agg du-0 agg access ru-b", "leaves upf-iot-0 but the route stands at upf-ar-0"),
        ("upf-ar-0 core agg cu-0 agg du-0 agg access ru-a", "ends at ru-a, not at ru-b"),
        ("upf-ar-0 core agg du-0 agg cu-0 agg access ru-b", "enters du-0 where O_CU comes next"),
        ("upf-ar-0 core agg cu-0 agg access ru-b", "enters ru-b where O_DU comes next"),
        (DOWNLINK + " access", "ends at access after 4 of 4 functions"),
    ],
)
def test_a_downlink_route_that_is_none(small_city: City, downlink: FlowRequest, path: str, message: str) -> None:
    with pytest.raises(InvalidRoute, match=message):
        commit_request(small_city, downlink, links_of(small_city, path))


def test_links_that_do_not_connect(small_city: City, uplink: FlowRequest) -> None:
    links = links_of(small_city, UPLINK)
    with pytest.raises(InvalidRoute, match="leaves agg but the route stands at access"):
        commit_request(small_city, uplink, links[:1] + links[2:])
    with pytest.raises(InvalidRoute, match="leaves access but the route stands at ru-a"):
        commit_request(small_city, uplink, links[::-1][-2:])


def test_links_that_do_not_exist_or_are_too_many(small_city: City, uplink: FlowRequest) -> None:
    links = links_of(small_city, UPLINK)
    for absent in (-1, small_city.n_links, 2**40):
        with pytest.raises(OutOfRange, match=f"link {absent} does not exist, the city has links 0 to 19"):
            commit_request(small_city, uplink, [*links[:2], absent])
    there_and_back = links_of(small_city, "access agg access")
    with pytest.raises(OutOfRange, match=f"1 to {MAX_ROUTE_LINKS} links, got 67"):
        commit_request(small_city, uplink, [links[0], *there_and_back * 33])
    with pytest.raises(OutOfRange, match="got 0"):
        commit_request(small_city, uplink, [])


def test_processing_delay_of_a_mean_flow_on_a_full_host() -> None:
    """T_s split by tier weight: 16.32 ms of AR are 0, 6.528, 5.712 and 4.080 ms."""
    ar = SERVICES[0]
    assert [processing_coefficient_ns(ar, tier, 250_000) for tier in range(4)] == [0, 6_528_000, 5_712_000, 4_080_000]
    # g(b) = 0.5 + 0.5 b / mean: 1.5 at twice the mean.
    assert processing_coefficient_ns(ar, 1, 500_000) == 9_792_000
    assert host_processing_us(13_200_000, 6_528_000, 13_200_000) == 6_528
    assert host_processing_us(6_600_000, 6_528_000, 13_200_000) == 3_264
    assert host_processing_us(0, 6_528_000, 13_200_000) == 0
