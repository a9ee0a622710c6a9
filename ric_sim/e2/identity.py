"""Who is who on the E2 interface: the RIC's id, and ids and names of the E2 nodes of a city.

Each O-DU and each O-CU is an E2 node. A gNB is one O-CU with the O-DUs that stand nearest to it (as in a real split
gNB, whose units share its gNB id); routing may still combine any O-DU with any O-CU.

ranName: `gnbd_<mcc>_<mnc>_<gNB id>_<O-DU id>` or `gnbc_<mcc>_<mnc>_<gNB id>_<O-CU id>`, mnc in three digits, gNB id in
six hex digits. gNB ids count from 1 in the order of the O-CUs; unit ids count from 0 in the order of the city's nodes of
that kind, so that `du-7` is `gnbd_..._7`.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import InvalidInput
from ric_sim.network.city import City, NodeKind
from ricity.e2.v1 import common_pb2

GNB_ID_BITS = 24


@dataclass(frozen=True, slots=True)
class PlmnId:
    """A mobile network: country code (three digits) and network code (two or three)."""

    mcc: str
    mnc: str

    def __str__(self) -> str:
        return f"{self.mcc}_{self.mnc:0>3}"


PLMN = PlmnId("001", "01")
"""The test network."""


@dataclass(frozen=True, slots=True)
class GlobalE2NodeId:
    """Global id of an O-DU or O-CU: the gNB it belongs to and its unit id."""

    plmn: PlmnId
    gnb_id: int
    kind: NodeKind
    unit_id: int

    @property
    def ran_name(self) -> str:
        unit = "d" if self.kind == NodeKind.O_DU else "c"
        return f"gnb{unit}_{self.plmn}_{self.gnb_id:0{GNB_ID_BITS // 4}x}_{self.unit_id}"


@dataclass(frozen=True, slots=True)
class GlobalRicId:
    """Global id of a near-RT RIC; `ric_id` has 20 bits."""

    plmn: PlmnId
    ric_id: int

    def __str__(self) -> str:
        return f"{self.plmn}_{self.ric_id:05x}"


RIC_ID = GlobalRicId(PLMN, 1)


@dataclass(frozen=True, slots=True)
class E2Node:
    """One E2 node of a city.

    Attributes:
        node: its index in the city.
        node_name: its name in the city.
        global_id: its id on the interface; `ran_name` is made from it.
    """

    node: int
    node_name: str
    global_id: GlobalE2NodeId

    @property
    def kind(self) -> NodeKind:
        return self.global_id.kind

    @property
    def ran_name(self) -> str:
        return self.global_id.ran_name


def nodes_of(city: City) -> tuple[E2Node, ...]:
    """Every E2 node of the city, O-DUs first, each kind in node order.

    Raises:
        InvalidInput: an O-DU from which no O-CU can be reached.
    """
    dus, cus = city.nodes_of(NodeKind.O_DU).tolist(), city.nodes_of(NodeKind.O_CU).tolist()
    gnb_of_cu = {cu: number for number, cu in enumerate(cus, start=1)}
    cu_of_node = nearest(city, NodeKind.O_CU)
    nodes = []
    for unit, du in enumerate(dus):
        gnb = gnb_of_cu[_reached(city, du, NodeKind.O_CU, cu_of_node)]
        nodes.append(_e2_node(city, du, GlobalE2NodeId(PLMN, gnb, NodeKind.O_DU, unit)))
    for unit, cu in enumerate(cus):
        nodes.append(_e2_node(city, cu, GlobalE2NodeId(PLMN, gnb_of_cu[cu], NodeKind.O_CU, unit)))
    return tuple(nodes)


def home_du(city: City) -> dict[int, int]:
    """Node index of each O-RU -> node index of its home O-DU, the one that raises its requests.

    Home is the nearest O-DU by propagation latency, the lowest index among equals.

    Raises:
        InvalidInput: an O-RU from which no O-DU can be reached.
    """
    du_of_node = nearest(city, NodeKind.O_DU)
    return {ru: _reached(city, ru, NodeKind.O_DU, du_of_node) for ru in city.nodes_of(NodeKind.O_RU).tolist()}


def nearest(city: City, kind: NodeKind) -> npt.NDArray[np.int32]:
    """int32 [N]: from each node the nearest one of a kind, -1 if none can be reached.

    Nearest by propagation latency, the lowest index among equals; hosts forward no transit traffic.
    """
    incoming: list[list[tuple[int, int]]] = [[] for _ in range(city.n_nodes)]
    for source, target, latency_us, _ in city.link_table:
        incoming[target].append((latency_us, source))
    found = np.full(city.n_nodes, -1, np.int32)
    frontier = [(0, target, target) for target in city.nodes_of(kind).tolist()]
    while frontier:
        distance_us, target, node = heapq.heappop(frontier)
        if found[node] >= 0:
            continue
        found[node] = target
        if node == target or not NodeKind(int(city.node_kind[node])).is_host:
            for latency_us, source in incoming[node]:
                heapq.heappush(frontier, (distance_us + latency_us, target, source))
    return found


def global_id_message(global_id: GlobalE2NodeId) -> common_pb2.GlobalE2NodeId:
    """The id as it stands in messages."""
    return common_pb2.GlobalE2NodeId(
        plmn_id=common_pb2.PlmnId(mcc=global_id.plmn.mcc, mnc=global_id.plmn.mnc),
        gnb_id_length=GNB_ID_BITS,
        gnb_id=f"{global_id.gnb_id:0{GNB_ID_BITS // 4}x}",
        type=common_pb2.E2_NODE_TYPE_O_DU if global_id.kind == NodeKind.O_DU else common_pb2.E2_NODE_TYPE_O_CU,
        unit_id=global_id.unit_id,
    )


def _e2_node(city: City, node: int, global_id: GlobalE2NodeId) -> E2Node:
    return E2Node(node=node, node_name=city.node_names[node], global_id=global_id)


def _reached(city: City, node: int, kind: NodeKind, nearest_of: npt.NDArray[np.int32]) -> int:
    found = int(nearest_of[node])
    if found < 0:
        raise InvalidInput(f"no {kind.name} can be reached from {city.node_names[node]}: the city needs a path to at least one")
    return found
