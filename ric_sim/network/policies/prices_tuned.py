"""Prices of 24 numbers, four per service, and the sets that a search on train days found (`ricity tune priced`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from ric_sim.domain.errors import MalformedFile, OutOfRange, UnknownKey
from ric_sim.domain.flow import FlowRequest
from ric_sim.network.chain import Chain
from ric_sim.network.city import City, IntArray, NodeKind
from ric_sim.network.kernels_prices import PriceTable, load_prices
from ric_sim.network.policies.prices import Demands, Prices

HIGHEST_MS = 1e6
FALLBACK_PROFILE = "paper"
"""Its numbers serve every city whose own profile has none."""


@dataclass(frozen=True, slots=True)
class ServicePrices:
    """What one service pays on top of the propagation latency, milliseconds up to `HIGHEST_MS`.

    Attributes:
        near_du_ms, near_cu_ms: for entering a near O-DU, a near O-CU; >= 0.
        full_host_ms, full_link_ms: for a host or link that the request fills to its limit; at utilisation u, u ** 4 of it.
            It spreads load. A negative number packs: it is what an empty host or link costs more than a full one.
    """

    near_du_ms: float = 0.0
    near_cu_ms: float = 0.0
    full_host_ms: float = 0.0
    full_link_ms: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            lowest_ms = 0.0 if name in ("near_du_ms", "near_cu_ms") else -HIGHEST_MS
            if not lowest_ms <= value <= HIGHEST_MS:
                raise OutOfRange(f"{name} is {value}: expected {lowest_ms:g} to {HIGHEST_MS:g} milliseconds")


NUMBER_NAMES = tuple(field.name for field in fields(ServicePrices))

Numbers = Mapping[str, Mapping[str, float]]
"""Service key -> name in `NUMBER_NAMES` -> milliseconds; what is not named is 0."""


class PricedPrices:
    """Propagation latency, a price for near hosts, and a price for load that is convex: `full * utilisation ** 4`.

    The fourth power is nothing on an idle city, a sixteenth at half load and the whole price at the limit, so the unit stays
    the millisecond; an exponential would have to be shifted to start at 0 and would need a base beside its weight. With a
    negative weight the price falls from `-full` to 0 as load rises: large requests need room in one piece, which packing
    the small ones leaves. A route enters one host per tier, so between hosts only the differences of these prices count.
    """

    def __init__(self, city: City, numbers: Numbers) -> None:
        """Raises `UnknownKey` for a service or number that does not exist, `OutOfRange` for a price outside its range."""
        self._table = price_table(city, numbers)

    def __call__(self, used: IntArray, flow: FlowRequest, chain: Chain) -> Prices:
        return load_prices(self._table, used, flow.service, flow.bandwidth_kbps)


def price_table(city: City, numbers: Numbers) -> PriceTable:
    """The numbers as the arrays that kernels take; errors as those of `PricedPrices`."""
    of_service = [ServicePrices()] * len(city.services)
    for key, named in numbers.items():
        if key not in city.service_index:
            raise UnknownKey("service", key, city.service_index)
        for name in named:
            if name not in NUMBER_NAMES:
                raise UnknownKey(f"number of service {key!r}", name, NUMBER_NAMES)
        of_service[city.service_index[key]] = ServicePrices(**named)
    near_du, near_cu = (city.near_host & (city.node_kind == kind) for kind in (NodeKind.O_DU, NodeKind.O_CU))
    demands = Demands(city)
    return PriceTable(
        link_ms=city.link_latency_us / 1000,
        host_ms=np.array([prices.near_du_ms * near_du + prices.near_cu_ms * near_cu for prices in of_service]),
        full_link_ms=np.array([prices.full_link_ms for prices in of_service], dtype=np.float64),
        full_host_ms=np.array([prices.full_host_ms for prices in of_service], dtype=np.float64),
        per_kbps=demands.per_kbps,
        limit=demands.limit,
    )


def shipped_numbers(city: City) -> dict[str, dict[str, float]]:
    """The tuned numbers for the city's profile, those of its services that were tuned; the others pay latency only."""
    sets = shipped_sets()
    numbers = sets[city.profile if city.profile in sets else FALLBACK_PROFILE]["numbers"]
    return {key: numbers[key] for key in city.service_index if key in numbers}


@lru_cache(maxsize=1)
def shipped_sets() -> dict[str, dict[str, Any]]:
    """Per profile the `numbers` and how they were found; never to be written to.

    Raises:
        MalformedFile: the file that comes with the package is damaged.
    """
    source = files("ric_sim.network.policies") / "tuned" / "priced.json"
    try:
        sets: dict[str, dict[str, Any]] = json.loads(source.read_text("utf-8"))["profiles"]
        if "numbers" not in sets[FALLBACK_PROFILE]:
            raise KeyError("numbers")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MalformedFile(f"{source}: not a set of tuned prices ({error!r}); install Ricity again") from error
    return sets
