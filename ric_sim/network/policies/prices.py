"""What the layered policies pay for links and hosts; the policies differ in nothing else.

A price is called with a snapshot and the chain of the request and returns float64 [E], the price of using each link, and
float64 [N], the price of entering each host. Latency counts in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.domain.flow import FlowRequest
from ric_sim.network.chain import Chain
from ric_sim.network.city import City, IntArray, NodeKind

FloatArray = npt.NDArray[np.float64]
Prices = tuple[FloatArray, FloatArray]


class Pricing(Protocol):
    """One rule. `used` is int64 [R]."""

    def __call__(self, used: IntArray, flow: FlowRequest, chain: Chain) -> Prices: ...


class PropagationPrices:
    """Constrained shortest path first: the propagation latency of the route."""

    def __init__(self, city: City) -> None:
        self._prices = (city.link_latency_us / 1000, np.zeros(city.n_nodes))

    def __call__(self, used: IntArray, flow: FlowRequest, chain: Chain) -> Prices:
        return self._prices


class TotalLatencyPrices:
    """CSPF on the whole latency: propagation and the processing on the hosts."""

    def __init__(self, city: City) -> None:
        self._link_ms = city.link_latency_us / 1000

    def __call__(self, used: IntArray, flow: FlowRequest, chain: Chain) -> Prices:
        return self._link_ms, chain.delay_us / 1000


class Demands:
    """How much of each resource a request would take if its route used it, and how full that would leave the resource.

    Attributes:
        limit: float64 [R], at least 1.
        per_kbps: float64 [S, R], of a service's request per kbps: 1 kbps of links, micro-cores of hosts.
    """

    def __init__(self, city: City) -> None:
        self.n_links = city.n_links
        self.limit = np.maximum(city.limits.astype(np.float64), 1.0)
        per_tier = np.array([spec.compute_ucore_per_kbps for spec in city.services], dtype=np.float64)
        per_node = np.where(city.node_kind <= NodeKind.UPF, per_tier[:, np.minimum(city.node_kind, NodeKind.UPF)], 0.0)
        self.per_kbps = np.hstack([np.ones((len(city.services), city.n_links)), per_node])

    def of(self, flow: FlowRequest) -> FloatArray:
        """float64 [R], kbps of links and micro-cores of hosts."""
        return flow.bandwidth_kbps * self.per_kbps[flow.service]

    def utilisation(self, used: IntArray, flow: FlowRequest) -> FloatArray:
        """float64 [R], share of each limit in use with the request in place."""
        return (used + self.of(flow)) / self.limit


class WidestShortestPrices:
    """Fewest hops; among equals the least loaded hosts, then the widest links (residual in Mbps)."""

    def __init__(self, city: City) -> None:
        self._capacity_kbps = city.link_capacity_kbps
        self._demands = Demands(city)

    def __call__(self, used: IntArray, flow: FlowRequest, chain: Chain) -> Prices:
        n_links = len(self._capacity_kbps)
        residual_mbps = np.maximum(self._capacity_kbps - used[:n_links], 0) / 1000
        return 1.0 + 1.0 / (residual_mbps + 1.0), 0.1 * self._demands.utilisation(used, flow)[n_links:]


class LeastLoadedPrices:
    """Utilisation with the request in place; under minimax routing the fullest link or host of the route decides."""

    def __init__(self, city: City) -> None:
        self._demands = Demands(city)

    def __call__(self, used: IntArray, flow: FlowRequest, chain: Chain) -> Prices:
        utilisation = self._demands.utilisation(used, flow)
        return utilisation[: self._demands.n_links], utilisation[self._demands.n_links :]


class ExponentialPrices:
    """Awerbuch, Azar and Plotkin: mu ** utilisation * (mu ** (demand / limit) - 1), plus half a unit per millisecond.

    The utilisation is that without the request.
    """

    def __init__(self, city: City, mu: float) -> None:
        if not 1.0 < mu <= 1e9:
            raise OutOfRange(f"mu {mu} is outside 1 to 1e9 (1 excluded): the base must grow with utilisation")
        self._log_mu = np.log(mu)
        self._demands = Demands(city)
        self._link_ms = city.link_latency_us / 1000

    def __call__(self, used: IntArray, flow: FlowRequest, chain: Chain) -> Prices:
        # No request can take more than the limit, so clipping there changes no route and keeps the exponentials finite.
        share = np.minimum(self._demands.of(flow) / self._demands.limit, 1.0)
        price = np.exp(self._log_mu * used / self._demands.limit) * np.expm1(self._log_mu * share)
        n_links = self._demands.n_links
        return price[:n_links] + 0.5 * self._link_ms, price[n_links:] + 0.5 * chain.delay_us / 1000


class SpecialisedPrices:
    """Propagation latency plus, per service, a number of milliseconds for entering a near O-DU or O-CU.

    Near hosts are small and quick to reach. Services with latency to spare leave them to those without.
    """

    def __init__(self, city: City, near_host_ms: Mapping[str, float]) -> None:
        """`near_host_ms` by service key, >= 0; a service that is not named pays nothing."""
        self._link_ms = city.link_latency_us / 1000
        near = city.near_host & np.isin(city.node_kind, (NodeKind.O_DU, NodeKind.O_CU))
        price_ms = np.zeros(len(city.services))
        for key, value in near_host_ms.items():
            if key not in city.service_index:
                raise UnknownKey("service", key, city.service_index)
            if not 0.0 <= value <= 1e6:
                raise OutOfRange(f"near_host_ms of {key} is {value}: expected 0 to 1e6 milliseconds")
            price_ms[city.service_index[key]] = value
        self._host_ms = price_ms[:, np.newaxis] * near

    def __call__(self, used: IntArray, flow: FlowRequest, chain: Chain) -> Prices:
        return self._link_ms, self._host_ms[flow.service]
