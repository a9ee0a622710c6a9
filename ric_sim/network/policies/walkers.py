"""Policies that go hop by hop inside the mask, the way learned policies do."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.network.admission import MAX_ROUTE_LINKS
from ric_sim.network.city import City, IntArray
from ric_sim.network.kernels_layered import UNREACHABLE_US, latency_to_go
from ric_sim.network.kernels_walk import action_nearest_to_end
from ric_sim.network.masks import NextHops, Walk, WalkSpace
from ric_sim.network.policies.base import NO_ROUTE_CAPACITY, NO_ROUTE_LATENCY, Plan


class NextHopPolicy(ABC):
    """Walks from the source to the destination; a subclass only chooses among the valid next hops.

    A walk that has not arrived after `MAX_ROUTE_LINKS` hops is given up as one that found no room.
    """

    def __init__(self, name: str, city: City) -> None:
        self.name = name
        self._space = WalkSpace(city)

    def begin(self, walk: Walk) -> None:  # noqa: B027 - most policies prepare nothing
        """Called once per request before its first hop, for what a policy wants to know beforehand."""

    @abstractmethod
    def choose(self, walk: Walk, mask: npt.NDArray[np.bool_]) -> int:
        """An action (column of `City.neighbours`) that `mask`, bool [D] with at least one True, permits."""

    def plan(self, used: npt.NDArray[np.uint32], flow: FlowRequest) -> Plan:
        walk = self._space.begin(used, flow)
        if not walk.chain.source_has_room:
            return NO_ROUTE_CAPACITY
        self.begin(walk)
        for _ in range(MAX_ROUTE_LINKS):
            hops = self._space.next_hops(walk)
            if not hops.n_valid:
                return _dead_end(hops)
            self._space.advance(walk, hops, self.choose(walk, hops.mask))
            if walk.arrived:
                return Plan(tuple(walk.links), Cause.NONE, walk.latency_us)
        return NO_ROUTE_CAPACITY


def _dead_end(hops: NextHops) -> Plan:
    """Latency is to blame where it alone closes a hop that has room."""
    return NO_ROUTE_LATENCY if hops.n_late else NO_ROUTE_CAPACITY


class RandomPolicy(NextHopPolicy):
    """Any valid next hop, all alike: where an untrained policy starts."""

    def __init__(self, name: str, city: City, seed: int) -> None:
        super().__init__(name, city)
        self._rng = np.random.default_rng(seed)

    def choose(self, walk: Walk, mask: npt.NDArray[np.bool_]) -> int:
        valid = np.flatnonzero(mask)
        return int(valid[int(self._rng.random() * len(valid))])


class NearestFeasiblePolicy(NextHopPolicy):
    """Towards the hosts with enough free compute that make the rest of the chain shortest; knows links only hop by hop."""

    def __init__(self, name: str, city: City) -> None:
        super().__init__(name, city)
        self._idle = np.zeros(city.n_resources, dtype=np.int64)
        self._no_delay_us = np.zeros(city.n_nodes, dtype=np.int64)
        self._potential_us: IntArray = np.zeros((0, 0), dtype=np.int64)

    def begin(self, walk: Walk) -> None:
        propagation = walk.chain._replace(bandwidth_kbps=1, delay_us=self._no_delay_us)
        self._potential_us = latency_to_go(self._space.graph, propagation, self._idle, walk.chain.source, UNREACHABLE_US)

    def choose(self, walk: Walk, mask: npt.NDArray[np.bool_]) -> int:
        return int(action_nearest_to_end(self._space.graph, walk.chain, self._potential_us, mask, walk.position))
