"""Cities and days that the tests of the network share."""

from __future__ import annotations

import pytest

from ric_sim.network.city import City, NodeKind
from ric_sim.network.city_assembly import LinkRow, NodeRow, assemble_city
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.services_catalogue import SERVICES
from ric_sim.network.traffic import Day

AR, IOT = 0, 1
"""Service indices in the small city."""

_LINES = [
    ("ru-a", "access"),
    ("ru-b", "access"),
    ("access", "agg"),
    ("agg", "core"),
    ("du-0", "agg"),
    ("du-1", "core"),
    ("cu-0", "agg"),
    ("upf-ar-0", "core"),
    ("upf-iot-0", "core"),
    ("upf-iot-1", "core"),
]


def _small_city() -> City:
    """Two services, nine hosts, three switches in a row; du-1 stands at the far end, so that a route over it turns back."""

    def host(name: str, kind: NodeKind, *, cores: int, service: int = -1) -> NodeRow:
        nominal = cores * 1_000_000
        return NodeRow(name, kind, 0.0, 0.0, near=True, service=service, nominal_ucores=nominal, limit_ucores=nominal * 8 // 10)

    nodes = [
        host("ru-a", NodeKind.O_RU, cores=3),
        host("ru-b", NodeKind.O_RU, cores=3),
        host("du-0", NodeKind.O_DU, cores=10),
        host("du-1", NodeKind.O_DU, cores=30),
        host("cu-0", NodeKind.O_CU, cores=20),
        host("upf-ar-0", NodeKind.UPF, cores=50, service=AR),
        host("upf-iot-0", NodeKind.UPF, cores=25, service=IOT),
        host("upf-iot-1", NodeKind.UPF, cores=25, service=IOT),
        NodeRow("access", NodeKind.ACCESS, 1.0, 0.5),
        NodeRow("agg", NodeKind.AGGREGATION, 2.0, 0.25),
        NodeRow("core", NodeKind.CORE, 3.0, -0.125),
    ]
    index = {node.name: number for number, node in enumerate(nodes)}
    links = []
    for number, (a, b) in enumerate(_LINES):
        links.append(LinkRow(index[a], index[b], 1_000_000, 400 + number))
        links.append(LinkRow(index[b], index[a], 1_000_000, 400 + number))
    return assemble_city("small", "paper", nodes=nodes, links=links, services=(SERVICES[0], SERVICES[3]))


@pytest.fixture(scope="session")
def small_city() -> City:
    return _small_city()


@pytest.fixture(scope="session")
def city() -> City:
    return build_city("paper")


@pytest.fixture(scope="session")
def paper_train_day(city: City) -> Day:
    return generate_day(city, "train")


@pytest.fixture(scope="session")
def paper_test_day(city: City) -> Day:
    return generate_day(city, "test")
