"""Hand-made cities in which the right route is plain to see, and requests on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import ANY_UPF, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.network.city import City, NodeKind
from ric_sim.network.city_assembly import LinkRow, NodeRow, assemble_city
from ric_sim.network.services_catalogue import SERVICES

AR, IOT = 0, 1
"""Service indices; AR is downlink only, IoT uplink only and has the tighter latency budget."""

Line = tuple[str, str, int]
"""Two ends and the latency in microseconds, the same both ways."""


def host(name: str, kind: NodeKind, *, cores: int = 50, near: bool = True, service: int = -1) -> NodeRow:
    """A host that admission may fill to 80 %."""
    nominal = cores * 1_000_000
    return NodeRow(name, kind, 0.0, 0.0, near=near, service=service, nominal_ucores=nominal, limit_ucores=nominal * 8 // 10)


def city_of(hosts: Sequence[NodeRow], switches: Sequence[str], lines: Sequence[Line]) -> City:
    """Links carry 1 Gbps each way."""
    nodes = [*hosts, *(NodeRow(name, NodeKind.AGGREGATION, 0.0, 0.0) for name in switches)]
    index = {node.name: number for number, node in enumerate(nodes)}
    links = []
    for a, b, latency_us in lines:
        links.append(LinkRow(index[a], index[b], 1_000_000, latency_us))
        links.append(LinkRow(index[b], index[a], 1_000_000, latency_us))
    return assemble_city("test", "paper", nodes=nodes, links=links, services=(SERVICES[0], SERVICES[3]))


def diamond() -> City:
    """Two ways of equal hops between west and east, north the shorter; O-DUs in the west, one near and one far."""
    return city_of(
        [
            host("ru", NodeKind.O_RU, cores=3),
            host("du-near", NodeKind.O_DU),
            host("du-far", NodeKind.O_DU, cores=100, near=False),
            host("cu", NodeKind.O_CU, cores=100),
            host("upf-ar", NodeKind.UPF, service=AR),
            host("upf-iot", NodeKind.UPF, service=IOT),
        ],
        ["west", "north", "south", "east"],
        [
            ("ru", "west", 400),
            ("west", "north", 400),
            ("west", "south", 600),
            ("north", "east", 400),
            ("south", "east", 600),
            ("du-near", "west", 400),
            ("du-far", "west", 1400),
            ("cu", "east", 400),
            ("upf-ar", "east", 400),
            ("upf-iot", "east", 400),
        ],
    )


def zigzag() -> City:
    """The chain goes east for the O-DU, back west for the O-CU and east again for the UPF: both ways are crossed."""
    return city_of(
        [
            host("ru", NodeKind.O_RU, cores=3),
            host("du", NodeKind.O_DU),
            host("cu", NodeKind.O_CU),
            host("upf-ar", NodeKind.UPF, service=AR),
            host("upf-iot", NodeKind.UPF, service=IOT),
        ],
        ["west", "north", "south", "east"],
        [
            ("ru", "west", 400),
            ("west", "north", 400),
            ("west", "south", 600),
            ("north", "east", 400),
            ("south", "east", 600),
            ("du", "east", 400),
            ("cu", "west", 400),
            ("upf-ar", "east", 400),
            ("upf-iot", "east", 400),
        ],
    )


def node(city: City, name: str) -> int:
    return city.node_names.index(name)


def link(city: City, source: str, target: str) -> int:
    ends = (city.link_src == node(city, source)) & (city.link_dst == node(city, target))
    (found,) = np.flatnonzero(ends)
    return int(found)


def route_names(city: City, links: Sequence[int]) -> str:
    """The nodes of a route, `a b c`."""
    return " ".join(city.node_names[number] for number in [city.link_src[links[0]], *city.link_dst[list(links)]])


def idle(city: City) -> npt.NDArray[np.uint32]:
    return np.zeros(city.n_resources, dtype=np.uint32)


def loaded(city: City, **ratios: float) -> npt.NDArray[np.uint32]:
    """A snapshot with shares of limits in use, by host name or `source__target` of a link (`_` for `-`)."""
    used = idle(city)
    for name, ratio in ratios.items():
        ends = name.replace("__", " ").replace("_", "-").split()
        resource = link(city, *ends) if len(ends) == 2 else city.n_links + node(city, *ends)
        used[resource] = int(city.limits[resource] * ratio)
    return used


def busy(city: City, seed: int) -> npt.NDArray[np.uint32]:
    """A random snapshot: every resource between empty and full, half of them below a third."""
    rng = np.random.default_rng(seed)
    share = np.where(rng.random(city.n_resources) < 0.5, rng.random(city.n_resources) / 3, rng.random(city.n_resources))
    return (city.limits * share).astype(np.uint32)


def uplink(city: City, *, bandwidth_kbps: int = 300_000) -> FlowRequest:
    """An IoT request from the O-RU to any UPF of the service."""
    return FlowRequest("up", IOT, Direction.UPLINK, node(city, "ru"), ANY_UPF, bandwidth_kbps, 1, arrival_ms=0, holding_ms=1000)


def downlink(city: City, *, bandwidth_kbps: int = 300_000) -> FlowRequest:
    """An AR request from its UPF to the O-RU."""
    ends = replace(uplink(city, bandwidth_kbps=bandwidth_kbps), flow_id="down", service=AR, upf=node(city, "upf-ar"))
    return replace(ends, direction=Direction.DOWNLINK)
