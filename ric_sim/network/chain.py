"""What one request may do on one snapshot: which hosts have room for which of its functions, and how long each would take."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import InvalidInput, OutOfRange
from ric_sim.domain.flow import ANY_UPF, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.network.admission import processing_coefficient_ns
from ric_sim.network.city import City, IntArray, NodeKind
from ric_sim.network.graph import graph_arrays
from ric_sim.network.kernels_chain import open_hosts

MAX_BANDWIDTH_KBPS = 2**32 - 1
"""What a snapshot can hold of one link."""


class Chain(NamedTuple):
    """The chain of one request, as planners walk it. Stage 0 runs on the source, stage 3 on the destination.

    Attributes:
        source: node that runs stage 0.
        source_has_room: False when no route can exist because the source has no compute left.
        bandwidth_kbps, budget_us: of the request.
        enter_stage: int8 [N]: k, the node is a host open for stage k (1-3); `TRANSIT`, a switch; `CLOSED`, no entry.
        delay_us: int64 [N], processing on each host that could serve the request, 0 elsewhere.
    """

    source: int
    source_has_room: bool
    bandwidth_kbps: int
    budget_us: int
    enter_stage: npt.NDArray[np.int8]
    delay_us: IntArray


class ChainReader:
    """Reads the chain of a request off a snapshot."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._graph = graph_arrays(city)
        self._radio_units = frozenset(city.nodes_of(NodeKind.O_RU).tolist())
        self._upfs = [frozenset(city.upfs_of(index).tolist()) for index in range(len(city.services))]
        # Bundles come in a few hundred sizes, so the per-tier terms are worth keeping.
        self._tier_terms = lru_cache(maxsize=8192)(self._compute_tier_terms)

    def chain(self, used: IntArray, flow: FlowRequest) -> Chain:
        """The chain of `flow` when `used` (int64 [R], `as_amounts`) is in use.

        Raises:
            InvalidInput, OutOfRange: the request names a node or service the city has not, or no bandwidth.
        """
        self.check(flow)
        source = flow.ru if flow.direction == Direction.UPLINK else flow.upf
        terms = self._tier_terms(flow.service, flow.bandwidth_kbps)
        ends = (flow.service, flow.ru, flow.upf)
        enter_stage, delay_us, source_has_room = open_hosts(self._graph, used, terms, ends, int(flow.direction))
        budget_us = self._city.services[flow.service].latency_budget_us
        return Chain(source, source_has_room, flow.bandwidth_kbps, budget_us, enter_stage, delay_us)

    def _compute_tier_terms(self, service: int, bandwidth_kbps: int) -> IntArray:
        """int64 [2, 4]: processing coefficients (ns) and compute demand (micro-cores) of the four tiers."""
        spec = self._city.services[service]
        coefficients = [processing_coefficient_ns(spec, tier, bandwidth_kbps) for tier in range(4)]
        demands = [bandwidth_kbps * per_kbps for per_kbps in spec.compute_ucore_per_kbps]
        return np.array([coefficients, demands], dtype=np.int64)

    def check(self, flow: FlowRequest) -> None:
        """Kernels index without bounds checks, so nothing unknown may reach them. Raises as `chain` does."""
        if not 0 <= flow.service < len(self._upfs):
            raise OutOfRange(f"flow {flow.flow_id}: service {flow.service} does not exist, the city has {len(self._upfs)}")
        if not 0 < flow.bandwidth_kbps <= MAX_BANDWIDTH_KBPS:
            raise OutOfRange(f"flow {flow.flow_id}: bandwidth {flow.bandwidth_kbps} is outside 1 to {MAX_BANDWIDTH_KBPS} kbps")
        if flow.ru not in self._radio_units:
            raise InvalidInput(f"flow {flow.flow_id}: node {flow.ru} is no O-RU of the city")
        if flow.upf not in self._upfs[flow.service] and (flow.upf != ANY_UPF or flow.direction != Direction.UPLINK):
            service = self._city.services[flow.service].key
            raise InvalidInput(f"flow {flow.flow_id}: node {flow.upf} is no UPF of {service}")


def as_amounts(used: npt.NDArray[np.uint32]) -> IntArray:
    """The used amounts of a snapshot as the fresh int64 [R] array that kernels take."""
    return np.asarray(used).astype(np.int64)
