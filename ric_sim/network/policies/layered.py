"""Policies that search the layered graph of the chain; they differ in their prices only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.network.admission import MAX_ROUTE_LINKS
from ric_sim.network.chain import ChainReader, as_amounts
from ric_sim.network.city import City
from ric_sim.network.graph import graph_arrays
from ric_sim.network.kernels_layered import UNREACHABLE_US, cheapest_route, latency_to_go, overused_link
from ric_sim.network.policies.base import NO_ROUTE_CAPACITY, NO_ROUTE_LATENCY, Plan
from ric_sim.network.policies.prices import Pricing

MAX_REPAIRS = 5
"""How many links, one after the other, may be closed because a route crosses them twice where there is room for once."""


class LayeredPolicy:
    """The cheapest route among those that keep every capacity and the latency budget.

    Its dead ends are exact where no link needs to be crossed twice: capacity when no route has room, latency when the fastest
    with room is over the budget. A link that a route would overfill by crossing it twice is closed and the search repeated;
    a route that can only be had by crossing it once is then missed. A route of more than `MAX_ROUTE_LINKS` links counts as
    none.
    """

    def __init__(self, name: str, city: City, pricing: Pricing, *, minimax: bool = False) -> None:
        self.name = name
        self._graph = graph_arrays(city)
        self._reader = ChainReader(city)
        self._pricing = pricing
        self._minimax = int(minimax)

    def plan(self, used: npt.NDArray[np.uint32], flow: FlowRequest) -> Plan:
        amounts = as_amounts(used)
        chain = self._reader.chain(amounts, flow)
        if not chain.source_has_room:
            return NO_ROUTE_CAPACITY
        prices = self._pricing(amounts, flow, chain)
        start_us = int(chain.delay_us[chain.source])
        for _ in range(1 + MAX_REPAIRS):
            to_go = latency_to_go(self._graph, chain, amounts, chain.source, UNREACHABLE_US)
            if to_go[0, chain.source] == UNREACHABLE_US:
                return NO_ROUTE_CAPACITY
            if start_us + to_go[0, chain.source] > chain.budget_us:
                return NO_ROUTE_LATENCY
            links, latency_us = cheapest_route(self._graph, chain, amounts, to_go, prices, self._minimax)
            overused = overused_link(self._graph, chain, amounts, links)
            if overused < 0 and len(links) <= MAX_ROUTE_LINKS:
                return Plan(tuple(links.tolist()), Cause.NONE, latency_us)
            if overused < 0:
                break
            amounts[overused] = self._graph.limit[overused]
        return NO_ROUTE_CAPACITY
