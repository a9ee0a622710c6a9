"""What a day asks for, from its flows alone: counts, load and reference processing delay, to hold against the paper.

No routing is involved. The reference delay takes the utilisation of a whole tier by the load on offer where a routed
flow meets the utilisation of one host, so it needs no policy and can be checked for any day (docs/city.md, "Processing delay").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.service import Direction, Tier
from ric_sim.network.city import PROCESSING_WEIGHT_PERCENT, City, NodeKind
from ric_sim.network.traffic import DAY_MS, Day

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ServiceStatistics:
    """One service's part of a day; all zero if it has no flows.

    Attributes:
        flows, uplink_flows: counts.
        mean_bandwidth_kbps, mean_holding_s: of one flow.
        offered_kbps: load in progress, averaged over 24 h ("mean total bandwidth" of paper Tables 1 and 2).
        concurrent_flows: flows in progress, averaged over 24 h.
        reference_processing_us, reference_processing_p95_us: processing delay without routing, mean and 95th percentile.
    """

    key: str
    flows: int
    uplink_flows: int
    mean_bandwidth_kbps: float
    mean_holding_s: float
    offered_kbps: float
    concurrent_flows: float
    reference_processing_us: float
    reference_processing_p95_us: float


@dataclass(frozen=True, slots=True)
class DayStatistics:
    """A day in figures; `services` in catalogue order, `flows_per_hour` 24 long."""

    name: str
    flows: int
    offered_kbps: float
    peak_concurrent_flows: int
    flows_per_hour: tuple[int, ...]
    services: tuple[ServiceStatistics, ...]


@dataclass(frozen=True, slots=True)
class CityStatistics:
    """A city in figures.

    Attributes:
        nodes: count per node kind.
        links: directed links per unordered pair of node kinds, `O_RU-ACCESS` and so on.
        largest_degree: D, the width of the next-hop tables.
        nominal_ucores, limit_ucores: compute per host kind, summed.
    """

    name: str
    profile: str
    fingerprint: str
    nodes: dict[str, int]
    links: dict[str, int]
    largest_degree: int
    nominal_ucores: dict[str, int]
    limit_ucores: dict[str, int]


def city_statistics(city: City) -> CityStatistics:
    """Counts and sums of a city."""
    kinds = [NodeKind(kind) for kind in city.node_kind.tolist()]
    links: dict[str, int] = {}
    for source, target in zip(city.link_src.tolist(), city.link_dst.tolist(), strict=True):
        first, second = sorted((kinds[source], kinds[target]))
        pair = f"{first.name}-{second.name}"
        links[pair] = links.get(pair, 0) + 1
    members = {kind: city.nodes_of(kind) for kind in NodeKind}
    hosts = [kind for kind in NodeKind if kind.is_host]
    return CityStatistics(
        name=city.name,
        profile=city.profile,
        fingerprint=city.fingerprint,
        nodes={kind.name: len(members[kind]) for kind in NodeKind},
        links=links,
        largest_degree=city.neighbours.shape[1],
        nominal_ucores={kind.name: int(city.compute_nominal_ucores[members[kind]].sum()) for kind in hosts},
        limit_ucores={kind.name: int(city.compute_limit_ucores[members[kind]].sum()) for kind in hosts},
    )


def day_statistics(city: City, day: Day) -> DayStatistics:
    """Counts, load and reference delay of a day, overall and per service."""
    delay_us = reference_processing_us(city, day)
    inside_ms = np.minimum(day.holding_ms, np.maximum(0, DAY_MS - day.arrival_ms))
    services = []
    for service, spec in enumerate(city.services):
        of = day.service == service
        any_flow = bool(of.any())
        services.append(
            ServiceStatistics(
                key=spec.key,
                flows=int(of.sum()),
                uplink_flows=int((day.direction[of] == Direction.UPLINK).sum()),
                mean_bandwidth_kbps=float(day.bandwidth_kbps[of].mean()) if any_flow else 0.0,
                mean_holding_s=float(day.holding_ms[of].mean()) / 1000 if any_flow else 0.0,
                offered_kbps=float((day.bandwidth_kbps[of] * inside_ms[of]).sum()) / DAY_MS,
                concurrent_flows=float(inside_ms[of].sum()) / DAY_MS,
                reference_processing_us=float(delay_us[of].mean()) if any_flow else 0.0,
                reference_processing_p95_us=float(np.percentile(delay_us[of], 95)) if any_flow else 0.0,
            )
        )
    return DayStatistics(
        name=day.name,
        flows=len(day),
        offered_kbps=sum(service.offered_kbps for service in services),
        peak_concurrent_flows=_peak(day),
        flows_per_hour=tuple(np.bincount(day.arrival_ms * 24 // DAY_MS, minlength=24).tolist()),
        services=tuple(services),
    )


def reference_processing_us(city: City, day: Day) -> FloatArray:
    """[F] T_s g(b) sum_f w_f u_f(t): the delay of each flow at the tier utilisations just before it arrives."""
    processing_ns = np.array([spec.processing_ns for spec in city.services], np.float64)
    return processing_ns[day.service] * _full_load_share(city, day) / 1000


def fitted_processing_ns(city: City, target_us: dict[str, tuple[Day, dict[str, int]]]) -> dict[str, float]:
    """T_s per service key that fits the mean delays of several days best: the geometric mean of what each day asks.

    Args:
        target_us: per day name, the day and its mean processing delays by service key (the paper's, for instance).
    """
    logs: dict[str, list[float]] = {spec.key: [] for spec in city.services}
    for day, delays in target_us.values():
        share = _full_load_share(city, day)
        for service, spec in enumerate(city.services):
            logs[spec.key].append(math.log(delays[spec.key] * 1000 / float(share[day.service == service].mean())))
    return {key: math.exp(sum(values) / len(values)) for key, values in logs.items()}


def _full_load_share(city: City, day: Day) -> FloatArray:
    """[F] g(b) sum_f w_f u_f(t): the delay as a share of T_s."""
    active_kbps = _active_before_kbps(day, n_services=len(city.services))
    compute = np.array([spec.compute_ucore_per_kbps for spec in city.services], np.int64)
    mean_kbps = np.array([spec.mean_bandwidth_kbps for spec in city.services], np.int64)
    utilisation = np.zeros(len(day))
    for tier in (Tier.O_DU, Tier.O_CU):
        cores = city.compute_nominal_ucores[city.node_kind == tier].sum()
        utilisation += PROCESSING_WEIGHT_PERCENT[tier] / 100 * (compute[:, tier] @ active_kbps) / cores
    for service in range(len(city.services)):
        of = day.service == service
        upfs = city.upfs_of(service)
        cores = city.compute_nominal_ucores[upfs].sum()
        weight = PROCESSING_WEIGHT_PERCENT[Tier.UPF] / 100
        utilisation[of] += weight * compute[service, Tier.UPF] * active_kbps[service, of] / cores
    size_factor = 0.5 + 0.5 * day.bandwidth_kbps / mean_kbps[day.service]
    return size_factor * utilisation


def _active_before_kbps(day: Day, *, n_services: int) -> IntArray:
    """int64 [S, F]: bandwidth in progress per service just before each arrival, were every flow carried.

    Flows that end at the instant of the arrival are over; those that arrive at it but stand before it in the day have begun.
    """
    active = np.zeros((n_services, len(day)), np.int64)
    for service in range(n_services):
        kbps = np.where(day.service == service, day.bandwidth_kbps, 0)
        by_end = np.argsort(day.end_ms, kind="stable")
        ended = np.concatenate([[0], np.cumsum(kbps[by_end])])
        n_ended = np.searchsorted(day.end_ms[by_end], day.arrival_ms, side="right")
        active[service] = np.cumsum(kbps) - kbps - ended[n_ended]
    return active


def _peak(day: Day) -> int:
    n_ended = np.searchsorted(np.sort(day.end_ms), day.arrival_ms, side="right")
    return int((np.arange(1, len(day) + 1) - n_ended).max(initial=0))
