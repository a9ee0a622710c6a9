"""Greater Montreal in tables: sites, capacities and compute of the built-in city (chosen; docs/city.md says why)."""

from __future__ import annotations

from typing import NamedTuple


class District(NamedTuple):
    """One access area. `residential`, `business`, `industrial` are relative activity levels, only their ratios count."""

    slug: str
    latitude: float
    longitude: float
    n_rus: int
    residential: float
    business: float
    industrial: float


class Site(NamedTuple):
    """A switch site."""

    slug: str
    latitude: float
    longitude: float


class UpfSite(NamedTuple):
    """A UPF: the service it serves, the core it stands beside, and its size in Mbps of that service's traffic."""

    service: str
    core: int
    nominal_mbps: int


DISTRICTS = (
    District("ville-marie", 45.508, -73.561, 20, 0.5, 3.0, 0.2),
    District("plateau", 45.522, -73.58, 16, 1.4, 0.9, 0.1),
    District("rosemont", 45.548, -73.585, 15, 1.4, 0.6, 0.2),
    District("villeray", 45.547, -73.617, 14, 1.4, 0.5, 0.2),
    District("ahuntsic", 45.556, -73.66, 13, 1.2, 0.5, 0.5),
    District("cote-des-neiges", 45.49, -73.63, 16, 1.5, 0.8, 0.1),
    District("notre-dame-de-grace", 45.473, -73.615, 11, 1.2, 0.4, 0.1),
    District("sud-ouest", 45.478, -73.582, 12, 1.1, 0.7, 0.4),
    District("verdun", 45.458, -73.57, 10, 1.2, 0.3, 0.1),
    District("lasalle", 45.43, -73.63, 11, 1.1, 0.3, 0.6),
    District("lachine", 45.442, -73.69, 10, 0.7, 0.4, 1.2),
    District("saint-laurent", 45.506, -73.705, 16, 0.9, 1.4, 1.8),
    District("dorval", 45.45, -73.75, 10, 0.4, 0.9, 1.6),
    District("pointe-claire", 45.45, -73.815, 10, 0.7, 0.6, 0.9),
    District("pierrefonds", 45.49, -73.85, 10, 1.2, 0.2, 0.1),
    District("hochelaga", 45.56, -73.535, 13, 1.2, 0.4, 0.7),
    District("saint-leonard", 45.587, -73.6, 12, 1.2, 0.4, 0.5),
    District("anjou", 45.605, -73.555, 11, 0.6, 0.6, 1.6),
    District("montreal-nord", 45.605, -73.625, 11, 1.3, 0.2, 0.3),
    District("riviere-des-prairies", 45.645, -73.52, 12, 1.0, 0.2, 1.8),
    District("chomedey", 45.545, -73.745, 13, 1.2, 0.6, 0.4),
    District("laval-centre", 45.56, -73.72, 12, 0.9, 1.0, 0.6),
    District("longueuil", 45.53, -73.515, 12, 1.2, 0.6, 0.5),
    District("brossard", 45.465, -73.46, 10, 1.1, 0.6, 0.2),
)

AGGREGATIONS = (
    Site("ville-marie", 45.507, -73.565),
    Site("sud-ouest", 45.47, -73.59),
    Site("cote-des-neiges", 45.493, -73.625),
    Site("saint-laurent", 45.505, -73.695),
    Site("dorval", 45.452, -73.755),
    Site("ahuntsic", 45.553, -73.65),
    Site("saint-leonard", 45.59, -73.61),
    Site("hochelaga", 45.575, -73.55),
    Site("laval", 45.555, -73.735),
    Site("longueuil", 45.52, -73.5),
)
"""One O-DU stands beside each."""

CORES = (
    Site("downtown", 45.503, -73.57),
    Site("saint-laurent", 45.51, -73.67),
    Site("anjou", 45.6, -73.57),
    Site("lasalle", 45.45, -73.63),
)
"""O-CU 0 to 3 stand beside them."""

REGIONAL_CU_AGGREGATIONS = (8, 9)
"""O-CU 4 and 5 stand beside these aggregation switches (Laval, Longueuil)."""

UPFS = (
    UpfSite("ar", 0, 8_000),
    UpfSite("gaming", 1, 5_000),
    UpfSite("industry", 3, 6_000),
    UpfSite("iot", 1, 5_000),
    UpfSite("video", 2, 7_000),
    UpfSite("voip", 3, 1_200),
    UpfSite("iot", 2, 5_000),
)

FAR_DUS = frozenset({4, 8, 9})
FAR_CUS = frozenset({4, 5})
"""Regional hosts: large, but behind slow links. Every other host is near: small and fast."""

RU_NOMINAL_MBPS = 1_250
NEAR_DU_NOMINAL_MBPS, FAR_DU_NOMINAL_MBPS = 1_100, 2_600
NEAR_CU_NOMINAL_MBPS, FAR_CU_NOMINAL_MBPS = 1_700, 4_400

RU_LINK_MBPS = 1_000
SWITCH_LINK_MBPS = 800
"""Access, aggregation and their uplinks; above 750, the largest flow (15 sensors of 50 Mbps)."""
CORE_LINK_MBPS = 1_000
DU_LINK_MBPS, CU_LINK_MBPS, UPF_LINK_MBPS = 1_200, 1_600, 2_000

HOP_LATENCY_US = 400
"""Fixed part of a link's latency, unless it leads to a regional host (`Profile.far_latency_us`)."""

FIBRE_US_PER_KM = 7.0
"""5 us/km of light in glass, times 1.4 for the detour of the duct against the straight line."""

ORIGIN_LATITUDE, ORIGIN_LONGITUDE = 45.52, -73.60
KM_PER_DEGREE_LATITUDE, KM_PER_DEGREE_LONGITUDE = 111.2, 78.03

RU_SPREAD_KM = 1.3
"""Standard deviation, per axis, of an O-RU's distance from its district's centre."""

RU_PLACEMENT_SEED = 7
RU_POPULATION_SEED = 99
RU_POPULATION_SIGMA = 0.4
"""Log-normal spread of how busy the O-RUs of one district are."""
