"""The columns of the bound: every combination of O-DU, O-CU and UPF that could carry a flow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import ANY_UPF
from ric_sim.domain.service import Direction, Tier
from ric_sim.network.admission import processing_coefficient_ns
from ric_sim.network.city import LAST_HOST_KIND, City, IntArray, NodeKind
from ric_sim.network.traffic import Day

FloatArray = npt.NDArray[np.float64]

COMPUTE, LINKS_IN, LINKS_OUT = 0, 1, 2
"""What a host has to give: micro-cores, and the capacity (kbps) of all links into it and of all links out of it."""

N_AMOUNTS = 3

NO_WAY_US = float(2**40)
"""Distance between nodes that no path connects."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Q columns for F flows; column q carries flow `flow[q]` over the four hosts `hosts[q]`.

    Attributes:
        flow: int64 [Q], ascending, 0 to F - 1 in order of arrival.
        hosts: int64 [Q, 4], nodes by `Tier`.
        latency_us: float64 [Q], least propagation over these hosts on the idle city.
        arrival_ms, end_ms: int64 [F].
        budget_us: int64 [F].
        amounts: float64 [3, F, 4], what the flow takes (`COMPUTE`, `LINKS_IN`, `LINKS_OUT`) of its host of each tier.
        delay_us: float64 [F, 4], processing on a fully used host of each tier, with one microsecond per unit of `used / K_v`.
        limits: float64 [3, N], what admission may use of each node.
        nominal_ucores: float64 [N], K_v, 1 for switches.
    """

    flow: IntArray
    hosts: IntArray
    latency_us: FloatArray
    arrival_ms: IntArray
    end_ms: IntArray
    budget_us: IntArray
    amounts: FloatArray
    delay_us: FloatArray
    limits: FloatArray
    nominal_ucores: FloatArray

    @property
    def n_flows(self) -> int:
        return len(self.arrival_ms)

    @property
    def n_columns(self) -> int:
        return len(self.flow)


def columns_of(city: City, day: Day) -> Columns:
    """Every combination whose least latency on the idle city keeps the budget and whose hosts could hold the flow alone.

    The latency is a lower bound on that of any route over these hosts, so no carried flow is without its column.
    """
    distance_us = host_distances_us(city)
    limits = _limits(city)
    amounts = _amounts(city, day)
    budget_us = np.array([spec.latency_budget_us for spec in city.services], np.int64)[day.service]
    flows, hosts, latencies = [], [], []
    for index in range(len(day)):
        combinations = _combinations(city, day, index)
        order = combinations if day.direction[index] == Direction.UPLINK else combinations[:, ::-1]
        latency_us = sum((distance_us[order[:, a], order[:, b]] for a, b in pairwise(range(len(Tier)))), np.zeros(len(order)))
        fits = np.all(amounts[:, index, None, :] <= limits[:, combinations], axis=(0, 2))
        kept = fits & (latency_us <= budget_us[index])
        flows.append(np.full(int(kept.sum()), index, np.int64))
        hosts.append(combinations[kept])
        latencies.append(latency_us[kept])
    return Columns(
        flow=np.concatenate([np.zeros(0, np.int64), *flows]),
        hosts=np.concatenate([np.zeros((0, len(Tier)), np.int64), *hosts]),
        latency_us=np.concatenate([np.zeros(0), *latencies]),
        arrival_ms=day.arrival_ms,
        end_ms=day.end_ms,
        budget_us=budget_us,
        amounts=amounts,
        delay_us=_full_delays_us(city, day),
        limits=limits,
        nominal_ucores=np.maximum(city.compute_nominal_ucores, 1).astype(np.float64),
    )


def host_distances_us(city: City) -> FloatArray:
    """float64 [N, N]: least propagation from node to node with only switches in between, `NO_WAY_US` where there is no path."""
    distance_us = np.full((city.n_nodes, city.n_nodes), NO_WAY_US)
    np.minimum.at(distance_us, (city.link_src, city.link_dst), city.link_latency_us.astype(np.float64))
    for switch in np.flatnonzero(city.node_kind > LAST_HOST_KIND):
        np.minimum(distance_us, distance_us[:, switch, None] + distance_us[switch], out=distance_us)
    return distance_us


def _combinations(city: City, day: Day, index: int) -> IntArray:
    """int64 [C, 4]: the hosts by tier that the chain of one flow allows."""
    upf, service = int(day.upf[index]), int(day.service[index])
    upfs = city.upfs_of(service) if upf == ANY_UPF else np.array([upf])
    tiers = (np.array([day.ru[index]]), city.nodes_of(NodeKind.O_DU), city.nodes_of(NodeKind.O_CU), upfs)
    return np.stack(np.meshgrid(*tiers, indexing="ij"), axis=-1).reshape(-1, len(tiers)).astype(np.int64)


def _limits(city: City) -> FloatArray:
    limits = np.zeros((N_AMOUNTS, city.n_nodes))
    limits[COMPUTE] = city.compute_limit_ucores
    limits[LINKS_IN] = np.bincount(city.link_dst, city.link_capacity_kbps, city.n_nodes)
    limits[LINKS_OUT] = np.bincount(city.link_src, city.link_capacity_kbps, city.n_nodes)
    return limits


def _amounts(city: City, day: Day) -> FloatArray:
    """A chain's flow enters every host but its source once and leaves every host but its destination once."""
    per_kbps = np.array([spec.compute_ucore_per_kbps for spec in city.services], np.float64)
    uplink = (day.direction == Direction.UPLINK)[:, None]
    first, last = np.eye(len(Tier), dtype=bool)[[Tier.O_RU, Tier.UPF]]
    passes = np.stack([per_kbps[day.service], ~np.where(uplink, first, last), ~np.where(uplink, last, first)])
    return np.asarray(passes * day.bandwidth_kbps[:, None].astype(np.float64))


def _full_delays_us(city: City, day: Day) -> FloatArray:
    kinds = zip(day.service.tolist(), day.bandwidth_kbps.tolist(), strict=True)
    rows = [
        [processing_coefficient_ns(city.services[service], tier, bandwidth_kbps) / 1000 for tier in Tier]
        for service, bandwidth_kbps in kinds
    ]
    return np.array(rows, np.float64).reshape(-1, len(Tier))
