"""A city of two sites, west and east, each a gNB with one O-RU, one O-DU and one O-CU; small days in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ric_sim.domain.flow import ANY_UPF
from ric_sim.network.city import City, NodeKind
from ric_sim.network.city_assembly import LinkRow, NodeRow, assemble_city
from ric_sim.network.services_catalogue import SERVICES
from ric_sim.network.traffic import Day, sorted_day

AR, IOT = 0, 1
"""Service indices; AR is downlink only (S-NSSAI 1-000001), IoT uplink only (3-000001)."""

AR_SLICE, IOT_SLICE = "1-000001", "3-000001"
RU_WEST, RU_EAST, DU_WEST, DU_EAST, CU_WEST, CU_EAST, UPF_AR, UPF_IOT = range(8)
DU_WEST_NAME, DU_EAST_NAME = "gnbd_001_001_000001_0", "gnbd_001_001_000002_1"
CU_WEST_NAME, CU_EAST_NAME = "gnbc_001_001_000001_0", "gnbc_001_001_000002_1"

_LINES = [
    ("ru-west", "west", 100),
    ("ru-east", "east", 100),
    ("du-west", "west", 100),
    ("du-east", "east", 100),
    ("cu-west", "west", 200),
    ("cu-east", "east", 200),
    ("upf-ar", "east", 100),
    ("upf-iot", "east", 100),
    ("west", "east", 300),
]

UP_WEST = ("ru-west", "west", "du-west", "west", "cu-west", "west", "east", "upf-iot")
"""Nodes of an uplink route over the western O-DU and O-CU."""

UP_CROSSING = ("ru-west", "west", "east", "du-east", "east", "west", "cu-west", "west", "east", "upf-iot")
"""From the western O-RU over the eastern O-DU and the western O-CU."""

DOWN_EAST = ("upf-ar", "east", "cu-east", "east", "du-east", "east", "ru-east")
"""Nodes of a downlink route over the eastern O-CU and O-DU."""


def two_sites(*, du_latencies: tuple[int, int] = (100, 100)) -> City:
    """Links carry 1 Gbps each way; O-DUs have 10 cores, O-CUs 20."""

    def host(name: str, kind: NodeKind, *, cores: int, service: int = -1) -> NodeRow:
        nominal = cores * 1_000_000
        return NodeRow(name, kind, 0.0, 0.0, near=True, service=service, nominal_ucores=nominal, limit_ucores=nominal * 8 // 10)

    nodes = [
        host("ru-west", NodeKind.O_RU, cores=3),
        host("ru-east", NodeKind.O_RU, cores=3),
        host("du-west", NodeKind.O_DU, cores=10),
        host("du-east", NodeKind.O_DU, cores=10),
        host("cu-west", NodeKind.O_CU, cores=20),
        host("cu-east", NodeKind.O_CU, cores=20),
        host("upf-ar", NodeKind.UPF, cores=50, service=AR),
        host("upf-iot", NodeKind.UPF, cores=50, service=IOT),
        NodeRow("west", NodeKind.AGGREGATION, 0.0, 0.0),
        NodeRow("east", NodeKind.AGGREGATION, 1.0, 0.0),
    ]
    index = {node.name: number for number, node in enumerate(nodes)}
    latency_us = {
        **{(a, b): us for a, b, us in _LINES},
        ("du-west", "west"): du_latencies[0],
        ("du-east", "east"): du_latencies[1],
    }
    links = []
    for (a, b), us in latency_us.items():
        links.append(LinkRow(index[a], index[b], 1_000_000, us))
        links.append(LinkRow(index[b], index[a], 1_000_000, us))
    return assemble_city("two-sites", "paper", nodes=nodes, links=links, services=(SERVICES[0], SERVICES[3]))


def links_along(city: City, names: Sequence[str]) -> tuple[int, ...]:
    """The links between nodes in a row."""
    index = {name: node for node, name in enumerate(city.node_names)}
    link_of = {(source, target): link for link, (source, target, _, _) in enumerate(city.link_table)}
    return tuple(link_of[index[a], index[b]] for a, b in pairwise(names))


def day_of(*flows: tuple[int, int, int, int, int, int], name: str = "day") -> Day:
    """Each flow: service, O-RU, arrival_ms, holding_ms, bandwidth_kbps, n_requests."""
    services = [flow[0] for flow in flows]
    columns = {
        "service": services,
        "direction": [1 if service == AR else 0 for service in services],
        "ru": [flow[1] for flow in flows],
        "upf": [UPF_AR if service == AR else ANY_UPF for service in services],
        "arrival_ms": [flow[2] for flow in flows],
        "holding_ms": [flow[3] for flow in flows],
        "bandwidth_kbps": [flow[4] for flow in flows],
        "n_requests": [flow[5] for flow in flows],
    }
    return sorted_day(name, columns)


def uniform_day(n: int, *, spacing_ms: int = 1000, holding_ms: int = 5000) -> Day:
    """Flows in turn of AR in the east and IoT in the west, one every `spacing_ms`."""
    flows = [(AR, RU_EAST) if i % 2 == 0 else (IOT, RU_WEST) for i in range(n)]
    return day_of(*((service, ru, i * spacing_ms, holding_ms, 1000, 10) for i, (service, ru) in enumerate(flows)))


def route_of(city: City, service: int) -> tuple[int, ...]:
    """The route of `uniform_day`'s flows."""
    return links_along(city, DOWN_EAST if service == AR else UP_WEST)
