import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from ric_sim.domain.errors import UnknownKey
from ric_sim.network.calibration import city_statistics
from ric_sim.network.city import City, NodeKind
from ric_sim.network.city_assembly import LinkRow, NodeRow, assemble_city
from ric_sim.network.city_checks import check_city
from ric_sim.network.montreal import build_city
from ric_sim.network.profiles import PROFILES
from ric_sim.network.services_catalogue import SERVICES


def test_counts_of_nodes_and_links_per_type(city: City) -> None:
    statistics = city_statistics(city)
    assert (city.n_nodes, city.n_links, city.n_resources) == (361, 908, 1269)
    assert statistics.nodes == {"O_RU": 300, "O_DU": 10, "O_CU": 6, "UPF": 7, "ACCESS": 24, "AGGREGATION": 10, "CORE": 4}
    assert statistics.links == {
        "O_RU-ACCESS": 600,
        "ACCESS-AGGREGATION": 96,
        "ACCESS-ACCESS": 48,
        "AGGREGATION-AGGREGATION": 20,
        "AGGREGATION-CORE": 40,
        "CORE-CORE": 12,
        "O_DU-AGGREGATION": 40,
        "O_CU-CORE": 20,
        "O_CU-AGGREGATION": 4,
        "UPF-CORE": 28,
    }


def test_node_order_and_names(city: City) -> None:
    blocks = [(NodeKind.O_RU, 0, 300), (NodeKind.O_DU, 300, 310), (NodeKind.O_CU, 310, 316), (NodeKind.UPF, 316, 323)]
    blocks += [(NodeKind.ACCESS, 323, 347), (NodeKind.AGGREGATION, 347, 357), (NodeKind.CORE, 357, 361)]
    for kind, first, end in blocks:
        assert city.nodes_of(kind).tolist() == list(range(first, end))
    names = city.node_names
    assert (names[0], names[17], names[309], names[315]) == ("ru-000", "ru-017", "du-9", "cu-5")
    assert names[316:323] == (
        *("upf-ar-0", "upf-gaming-0", "upf-industry-0", "upf-iot-0"),
        *("upf-video-0", "upf-voip-0", "upf-iot-1"),
    )
    assert names[326] == "access-villeray"
    assert len(set(names)) == 361


def test_degrees(city: City) -> None:
    degree = (city.out_links >= 0).sum(axis=1)
    largest = {kind: degree[city.nodes_of(kind)].max() for kind in NodeKind}
    assert city.neighbours.shape == city.out_links.shape == (361, 24)
    assert largest == {
        **{NodeKind.O_RU: 1, NodeKind.O_DU: 2, NodeKind.O_CU: 2, NodeKind.UPF: 2},
        **{NodeKind.ACCESS: 24, NodeKind.AGGREGATION: 13, NodeKind.CORE: 16},
    }


def test_neighbour_tables_list_exactly_the_links_of_each_node_in_order(city: City) -> None:
    for node in range(city.n_nodes):
        links = np.flatnonzero(city.link_src == node)
        assert city.out_links[node].tolist() == links.tolist() + [-1] * (24 - len(links))
        assert city.neighbours[node, : len(links)].tolist() == city.link_dst[links].tolist()
        assert set(city.neighbours[node, len(links) :].tolist()) <= {-1}


def test_links_come_in_opposite_pairs(city: City) -> None:
    assert (city.link_src[::2] == city.link_dst[1::2]).all()
    assert (city.link_dst[::2] == city.link_src[1::2]).all()
    assert (city.link_latency_us[::2] == city.link_latency_us[1::2]).all()
    assert (city.link_capacity_kbps[::2] == city.link_capacity_kbps[1::2]).all()


def test_link_capacities_by_type(city: City) -> None:
    ends = np.maximum(city.node_kind[city.link_src], city.node_kind[city.link_dst])
    other = np.minimum(city.node_kind[city.link_src], city.node_kind[city.link_dst])
    by_host = {NodeKind.O_RU: 1_000_000, NodeKind.O_DU: 1_200_000, NodeKind.O_CU: 1_600_000, NodeKind.UPF: 2_000_000}
    for kind, capacity_kbps in by_host.items():
        assert set(city.link_capacity_kbps[other == kind].tolist()) == {capacity_kbps}
    core_mesh = (other == NodeKind.CORE) & (ends == NodeKind.CORE)
    assert set(city.link_capacity_kbps[core_mesh].tolist()) == {1_000_000}
    assert set(city.link_capacity_kbps[(other > NodeKind.UPF) & ~core_mesh].tolist()) == {800_000}


@pytest.mark.parametrize(("profile", "far_us"), [("paper", 1_400), ("congested", 2_000), ("stress", 2_000)])
def test_latency_is_a_fixed_part_plus_distance(profile: str, far_us: int) -> None:
    city = build_city(profile)
    far = ~city.near_host & (city.node_kind <= NodeKind.UPF)
    assert [city.node_names[node] for node in np.flatnonzero(far)] == ["du-4", "du-8", "du-9", "cu-4", "cu-5"]
    for source, target, latency_us in zip(city.link_src, city.link_dst, city.link_latency_us, strict=True):
        km = math.dist((city.node_x_km[source], city.node_y_km[source]), (city.node_x_km[target], city.node_y_km[target]))
        fixed_us = far_us if far[source] or far[target] else 400
        assert latency_us == round(1000 * (fixed_us / 1000 + 0.005 * 1.4 * km))


def test_nominal_compute(city: City) -> None:
    statistics = city_statistics(city)
    assert statistics.nominal_ucores["O_DU"] == 186_000_000
    assert statistics.nominal_ucores["O_CU"] == 156_000_000
    assert statistics.nominal_ucores["O_RU"] == 300 * 2_500_000
    upfs = dict(zip(city.node_names[316:323], city.compute_nominal_ucores[316:323].tolist(), strict=True))
    assert upfs == {
        "upf-ar-0": 152_000_000,
        "upf-gaming-0": 105_000_000,
        "upf-industry-0": 60_000_000,
        "upf-iot-0": 50_000_000,
        "upf-video-0": 70_000_000,
        "upf-voip-0": 10_800_000,
        "upf-iot-1": 50_000_000,
    }


@pytest.mark.parametrize(("profile", "percent"), [("paper", 80), ("congested", 72), ("stress", 60), ("smoke", 80)])
def test_admission_limits_follow_the_profile_but_not_at_the_radio_units(profile: str, percent: int) -> None:
    city = build_city(profile)
    nominal, limit = city.compute_nominal_ucores, city.compute_limit_ucores
    radio = city.node_kind == NodeKind.O_RU
    assert (limit[radio] == nominal[radio] * 80 // 100).all()
    assert (limit[~radio] == nominal[~radio] * percent // 100).all()
    assert (city.limits[city.n_links :] == limit).all()
    assert (city.limits[: city.n_links] == city.link_capacity_kbps).all()
    assert city.limits.dtype == np.uint32


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_gives_a_sound_city(profile: str) -> None:
    check_city(build_city(profile))


def test_unknown_profile_names_the_near_match() -> None:
    with pytest.raises(UnknownKey, match="did you mean 'congested'"):
        build_city("congestd")


def test_catalogue_order_budgets_and_slices() -> None:
    assert [spec.key for spec in SERVICES] == ["ar", "gaming", "industry", "iot", "video", "voip"]
    assert [spec.label for spec in SERVICES] == ["AR", "CG", "I4", "MIoT", "VS", "VoIP"]
    assert [spec.latency_budget_us // 1000 for spec in SERVICES] == [20, 80, 15, 10, 100, 100]
    assert [spec.slice_class for spec in SERVICES] == ["eMBB", "eMBB", "uRLLC", "mMTC", "eMBB", "eMBB"]
    assert len({spec.slice_id for spec in SERVICES}) == 6
    sst_of_class = {"eMBB": 1, "uRLLC": 2, "mMTC": 3}
    assert all(spec.slice_id.sst == sst_of_class[spec.slice_class] for spec in SERVICES)


def test_fingerprint_tells_profiles_apart_and_every_field_counts() -> None:
    fingerprints = {build_city(profile).fingerprint for profile in PROFILES}
    assert len(fingerprints) == len(PROFILES)

    def tiny(*, name: str = "tiny", latency_us: int = 1, x_km: float = 0.0) -> str:
        nodes = [NodeRow("a", NodeKind.CORE, x_km, 0.0), NodeRow("b", NodeKind.CORE, 0.0, 0.0)]
        links = [LinkRow(0, 1, 10, latency_us), LinkRow(1, 0, 10, 1)]
        return assemble_city(name, "paper", nodes=nodes, links=links, services=SERVICES).fingerprint

    assert tiny() == tiny()
    assert len({tiny(), tiny(name="small"), tiny(latency_us=2), tiny(x_km=1e-9)}) == 4


def test_fingerprint_is_the_same_in_another_process(city: City) -> None:
    script = "from ric_sim.network.montreal import build_city; print(build_city('paper').fingerprint)"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert other == city.fingerprint
    assert len(city.fingerprint) == hashlib.sha256().digest_size * 2


def test_arrays_are_read_only(city: City) -> None:
    with pytest.raises(ValueError, match="read-only"):
        city.link_capacity_kbps[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        city.limits[0] = 1
