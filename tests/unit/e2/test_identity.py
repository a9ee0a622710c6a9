"""Ids and names of the E2 nodes, and which O-DU an O-RU belongs to."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput
from ric_sim.e2.identity import PLMN, RIC_ID, GlobalRicId, PlmnId, global_id_message, home_du, nearest, nodes_of
from ric_sim.network.city import NodeKind
from ric_sim.network.city_assembly import LinkRow, NodeRow, assemble_city
from ric_sim.network.montreal import build_city
from ric_sim.network.services_catalogue import SERVICES
from ricity.e2.v1 import common_pb2
from tests.unit.e2.node.two_sites import CU_EAST_NAME, DU_EAST, DU_EAST_NAME, DU_WEST, RU_EAST, RU_WEST, two_sites

CITY = build_city("paper")
RAN_NAME = re.compile(r"gnb[dc]_001_001_[0-9a-f]{6}_\d+")


def test_every_du_and_cu_of_the_built_in_city_is_an_e2_node():
    nodes = nodes_of(CITY)
    assert [node.kind for node in nodes] == [NodeKind.O_DU] * 10 + [NodeKind.O_CU] * 6
    assert len({node.ran_name for node in nodes}) == 16
    assert all(RAN_NAME.fullmatch(node.ran_name) for node in nodes)
    assert all(CITY.node_names[node.node] == node.node_name for node in nodes)


def test_the_name_carries_the_number_of_the_node_in_the_city():
    names = {node.node_name: node.ran_name for node in nodes_of(CITY)}
    assert names["du-7"] == "gnbd_001_001_000003_7"
    assert names["cu-2"] == "gnbc_001_001_000003_2"


def test_units_of_one_gnb_share_its_id():
    gnbs = {node.node_name: node.global_id.gnb_id for node in nodes_of(two_sites())}
    assert gnbs == {"du-west": 1, "cu-west": 1, "du-east": 2, "cu-east": 2}


def test_identity_on_the_wire():
    node = next(node for node in nodes_of(two_sites()) if node.node_name == "du-east")
    message = global_id_message(node.global_id)
    assert (message.plmn_id.mcc, message.plmn_id.mnc) == ("001", "01")
    assert (message.gnb_id, message.gnb_id_length, message.unit_id) == ("000002", 24, 1)
    assert message.type == common_pb2.E2_NODE_TYPE_O_DU
    assert node.ran_name == DU_EAST_NAME
    assert global_id_message(nodes_of(two_sites())[3].global_id).type == common_pb2.E2_NODE_TYPE_O_CU
    assert nodes_of(two_sites())[3].ran_name == CU_EAST_NAME


def test_ric_id_is_written_as_plmn_and_20_bits():
    assert str(RIC_ID) == "001_001_00001"
    assert str(GlobalRicId(PlmnId("302", "720"), 0xABCDE)) == "302_720_abcde"
    assert str(PLMN) == "001_001"


def test_home_is_the_nearest_du():
    assert home_du(two_sites()) == {RU_WEST: DU_WEST, RU_EAST: DU_EAST}
    assert home_du(two_sites(du_latencies=(900, 100))) == {RU_WEST: DU_EAST, RU_EAST: DU_EAST}


def test_among_equally_near_dus_the_first_is_home():
    assert home_du(two_sites(du_latencies=(400, 100)))[RU_WEST] == DU_WEST


def test_a_host_on_the_way_forwards_nothing():
    names = ("ru", "du-far", "du-behind", "cu", "west", "east")
    kinds = (NodeKind.O_RU, NodeKind.O_DU, NodeKind.O_DU, NodeKind.O_CU, NodeKind.ACCESS, NodeKind.ACCESS)
    nodes = [NodeRow(name, kind, 0.0, 0.0) for name, kind in zip(names, kinds, strict=True)]
    lines = [(0, 4, 1), (4, 3, 1), (3, 5, 1), (5, 2, 1), (4, 1, 900)]
    links = [LinkRow(*ends, 1000, us) for a, b, us in lines for ends in ((a, b), (b, a))]
    city = assemble_city("bridge", "paper", nodes=nodes, links=links, services=SERVICES[:1])
    assert home_du(city) == {0: 1}


def test_nearest_agrees_with_relaxation_over_all_links():
    kind = NodeKind.O_DU
    forwards = (CITY.node_kind > NodeKind.UPF) | (CITY.node_kind == kind)
    distance = np.where(CITY.node_kind == kind, 0, 10**9)
    usable = forwards[CITY.link_dst]
    source, target, latency = CITY.link_src[usable], CITY.link_dst[usable], CITY.link_latency_us[usable]
    for _ in range(CITY.n_nodes):
        np.minimum.at(distance, source, distance[target] + latency)
        distance[CITY.node_kind == kind] = 0
    found = nearest(CITY, kind)
    of_found = {int(du): _distances_to(int(du)) for du in np.unique(found)}
    assert all(of_found[int(du)][node] == distance[node] for node, du in enumerate(found))


def _distances_to(du: int) -> np.ndarray:
    """Latency from every node to one O-DU, by relaxation; hosts do not forward."""
    distance = np.full(CITY.n_nodes, 10**9)
    distance[du] = 0
    usable = (CITY.node_kind[CITY.link_dst] > NodeKind.UPF) | (CITY.link_dst == du)
    source, target, latency = CITY.link_src[usable], CITY.link_dst[usable], CITY.link_latency_us[usable]
    for _ in range(CITY.n_nodes):
        np.minimum.at(distance, source, distance[target] + latency)
    return distance


def test_a_city_in_which_a_radio_unit_reaches_no_du_is_refused():
    nodes = [NodeRow(name, kind, 0.0, 0.0) for name, kind in (("ru", NodeKind.O_RU), ("du", NodeKind.O_DU))]
    links = [LinkRow(1, 0, 1000, 1)]
    city = assemble_city("cut", "paper", nodes=nodes, links=links, services=SERVICES[:1])
    with pytest.raises(InvalidInput, match="no O_DU can be reached from ru"):
        home_du(city)
    with pytest.raises(InvalidInput, match="no O_CU can be reached from du"):
        nodes_of(city)
