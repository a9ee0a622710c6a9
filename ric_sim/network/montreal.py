"""The built-in city: greater Montreal with 300 O-RU, 10 O-DU, 6 O-CU and 7 UPF over a three-level transport network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ric_sim.domain.service import Tier
from ric_sim.network import montreal_data as data
from ric_sim.network.city import COMPUTE_ADMISSION_PERCENT, City, NodeKind
from ric_sim.network.city_assembly import NO_SERVICE, LinkRow, NodeRow, assemble_city
from ric_sim.network.montreal_lines import lines_between
from ric_sim.network.onboarding import catalogue
from ric_sim.network.profiles import Profile, find_profile
from ric_sim.network.services_catalogue import SERVICES

CITY_NAME = "montreal"

_SERVICE_INDEX = {spec.key: index for index, spec in enumerate(SERVICES)}


@lru_cache
def build_city(profile: str = "paper") -> City:
    """The built-in city under a profile: 361 nodes, 908 directed links. Deterministic.

    Nodes: O-RU 0-299, O-DU 300-309, O-CU 310-315, UPF 316-322, access 323-346, aggregation 347-356, core 357-360.
    Links: `lines_between` lists 454 lines; line i is the directed links 2i (as listed) and 2i + 1 (back).

    Raises:
        UnknownKey: no such profile.
    """
    chosen = find_profile(profile)
    nodes = [*_radio_units(), *_central_hosts(chosen), *_switches()]
    links: list[LinkRow] = []
    for line in lines_between(nodes, ru_district=ru_district().tolist(), far_latency_us=chosen.far_latency_us):
        links.append(LinkRow(line.a, line.b, line.capacity_kbps, line.latency_us))
        links.append(LinkRow(line.b, line.a, line.capacity_kbps, line.latency_us))
    return assemble_city(CITY_NAME, chosen.name, nodes=nodes, links=links, services=catalogue(chosen.onboarded))


def ru_district() -> npt.NDArray[np.int64]:
    """int64 [300]: index into `DISTRICTS` of each O-RU, in node order."""
    return np.repeat(np.arange(len(data.DISTRICTS)), [district.n_rus for district in data.DISTRICTS])


def _plane_km(site: data.District | data.Site, east_km: float = 0.0, north_km: float = 0.0) -> tuple[float, float]:
    """Everything stands on a 1 m grid, so that no latency hangs on the last bit of a float."""
    x_km = (site.longitude - data.ORIGIN_LONGITUDE) * data.KM_PER_DEGREE_LONGITUDE + east_km
    y_km = (site.latitude - data.ORIGIN_LATITUDE) * data.KM_PER_DEGREE_LATITUDE + north_km
    return round(x_km, 3), round(y_km, 3)


def _radio_units() -> list[NodeRow]:
    rng = np.random.default_rng(data.RU_PLACEMENT_SEED)
    nominal = _nominal_ucores(data.RU_NOMINAL_MBPS, tier=Tier.O_RU)
    limit = nominal * COMPUTE_ADMISSION_PERCENT // 100
    rows: list[NodeRow] = []
    for district in data.DISTRICTS:
        for _ in range(district.n_rus):
            x_km, y_km = _plane_km(district, *rng.normal(0.0, data.RU_SPREAD_KM, 2).tolist())
            name = f"ru-{len(rows):03d}"
            rows.append(NodeRow(name, NodeKind.O_RU, x_km, y_km, near=True, nominal_ucores=nominal, limit_ucores=limit))
    return rows


@dataclass(frozen=True, slots=True)
class _Host:
    """A host of the O-DU, O-CU or UPF tier before the profile is applied."""

    name: str
    kind: NodeKind
    place_km: tuple[float, float]
    mbps: int
    near: bool = True
    service: int = NO_SERVICE

    def row(self, profile: Profile) -> NodeRow:
        nominal = _nominal_ucores(self.mbps, tier=Tier(int(self.kind)), service=max(self.service, 0))
        return NodeRow(
            name=self.name,
            kind=self.kind,
            x_km=self.place_km[0],
            y_km=self.place_km[1],
            near=self.near,
            service=self.service,
            nominal_ucores=nominal,
            limit_ucores=nominal * COMPUTE_ADMISSION_PERCENT * profile.cpu_scale_percent // 10_000,
        )


def _central_hosts(profile: Profile) -> list[NodeRow]:
    """O-DU, O-CU and UPF, each a short way off the switch site it belongs to."""
    hosts: list[_Host] = []
    for index, site in enumerate(data.AGGREGATIONS):
        near = index not in data.FAR_DUS
        mbps = data.NEAR_DU_NOMINAL_MBPS if near else data.FAR_DU_NOMINAL_MBPS
        hosts.append(_Host(f"du-{index}", NodeKind.O_DU, _plane_km(site, 0.1, 0.1), mbps, near=near))
    cu_sites = (*data.CORES, *(data.AGGREGATIONS[index] for index in data.REGIONAL_CU_AGGREGATIONS))
    for index, site in enumerate(cu_sites):
        near = index not in data.FAR_CUS
        mbps = data.NEAR_CU_NOMINAL_MBPS if near else data.FAR_CU_NOMINAL_MBPS
        hosts.append(_Host(f"cu-{index}", NodeKind.O_CU, _plane_km(site, 0.1, 0.1), mbps, near=near))
    for position, upf in enumerate(data.UPFS):
        number = sum(other.service == upf.service for other in data.UPFS[:position])
        place = _plane_km(data.CORES[upf.core], -0.1, -0.1)
        service = _SERVICE_INDEX[upf.service]
        hosts.append(_Host(f"upf-{upf.service}-{number}", NodeKind.UPF, place, upf.nominal_mbps, service=service))
    return [host.row(profile) for host in hosts]


def _nominal_ucores(mbps: int, *, tier: Tier, service: int = 0) -> int:
    """K_v, stated as the traffic that would use every core of the host. Only UPFs differ between services."""
    return mbps * 1000 * SERVICES[service].compute_ucore_per_kbps[tier]


def _switches() -> list[NodeRow]:
    return [
        *(NodeRow(f"access-{site.slug}", NodeKind.ACCESS, *_plane_km(site)) for site in data.DISTRICTS),
        *(NodeRow(f"agg-{site.slug}", NodeKind.AGGREGATION, *_plane_km(site)) for site in data.AGGREGATIONS),
        *(NodeRow(f"core-{site.slug}", NodeKind.CORE, *_plane_km(site)) for site in data.CORES),
    ]
