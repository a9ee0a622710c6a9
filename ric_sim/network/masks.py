"""Next-hop walks and the mask of valid actions: the ground that masked heuristics and learned policies share.

A walk stands on a node with some functions of its chain run; an action is a column of `City.neighbours`. The mask permits
an action when the link has room for the request (times the crossings already made in this walk), when the target is a
switch not yet visited in this stage or a host open for the next function, and when the latency so far plus the least
possible latency from there keeps the budget.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange
from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.network.chain import Chain, ChainReader, as_amounts
from ric_sim.network.city import City, IntArray
from ric_sim.network.graph import LAST_STAGE, graph_arrays
from ric_sim.network.kernels_layered import ANY_SOURCE, UNREACHABLE_US, latency_to_go
from ric_sim.network.kernels_walk import Position, valid_actions


class LatencyFloors:
    """Least latency from every state of a chain to its destination on the idle city; a lower bound on any snapshot.

    One table per destination, computed when first asked for and kept.
    """

    def __init__(self, city: City) -> None:
        self._graph = graph_arrays(city)
        self._reader = ChainReader(city)
        self._idle = np.zeros(city.n_resources, dtype=np.int64)
        self._floors: dict[tuple[int, int, int], IntArray] = {}

    def floor_us(self, flow: FlowRequest) -> IntArray:
        """int64 [4, N] (stage, node), microseconds, `UNREACHABLE_US` where no way leads to the destination. Not to be changed."""
        uplink = flow.direction == Direction.UPLINK
        destination = (flow.direction, flow.service, flow.upf) if uplink else (flow.direction, -1, flow.ru)
        floor_us = self._floors.get(destination)
        if floor_us is None:
            chain = self.idle_chain(flow)
            floor_us = latency_to_go(self._graph, chain, self._idle, ANY_SOURCE, UNREACHABLE_US)
            self._floors[destination] = floor_us
        return floor_us

    def idle_chain(self, flow: FlowRequest) -> Chain:
        """The chain of a vanishing request between the same ends: every host open, no processing delay."""
        return self._reader.chain(self._idle, replace(flow, bandwidth_kbps=1))


@dataclass(slots=True)
class Walk:
    """One episode: a request on its way from the source.

    Attributes:
        flow, chain: the request and what it may do on the snapshot.
        used: int64 [R], the snapshot plus the bandwidth this walk has taken on links.
        floor_us: int64 [4, N], see `LatencyFloors`.
        visited: bool [N], nodes of the current stage; cleared when a stage is done.
        node, stage, latency_us: position; the source's function (stage 0) is run from the start.
        links: taken so far.
    """

    flow: FlowRequest
    chain: Chain
    used: IntArray
    floor_us: IntArray
    visited: npt.NDArray[np.bool_]
    node: int
    stage: int
    latency_us: int
    links: list[int] = field(default_factory=list)

    @property
    def position(self) -> Position:
        return (self.node, self.stage, self.latency_us)

    @property
    def arrived(self) -> bool:
        """The destination has run the last function."""
        return self.stage == LAST_STAGE


class NextHops(NamedTuple):
    """The mask of a walk's position.

    Attributes:
        mask: bool [D], True for valid actions.
        n_valid: how many are.
        n_late: how many more would be, were it not for the latency budget.
    """

    mask: npt.NDArray[np.bool_]
    n_valid: int
    n_late: int


class WalkSpace:
    """Begins walks in one city, tells their valid actions and moves them."""

    def __init__(self, city: City) -> None:
        self.graph = graph_arrays(city)
        self._reader = ChainReader(city)
        self._floors = LatencyFloors(city)

    def begin(self, used: npt.NDArray[np.uint32], flow: FlowRequest) -> Walk:
        """A walk at its source. `used` is uint32 [R], a snapshot; it is copied."""
        amounts = as_amounts(used)
        chain = self._reader.chain(amounts, flow)
        visited = np.zeros(len(chain.enter_stage), dtype=np.bool_)
        visited[chain.source] = True
        start_us = int(chain.delay_us[chain.source])
        return Walk(flow, chain, amounts, self._floors.floor_us(flow), visited, chain.source, 0, start_us)

    def next_hops(self, walk: Walk) -> NextHops:
        """The valid actions of a walk that has not arrived."""
        return NextHops(*valid_actions(self.graph, walk.chain, walk.floor_us, walk.used, walk.visited, walk.position))

    def advance(self, walk: Walk, hops: NextHops, action: int) -> None:
        """Takes one action of the mask `hops` of the walk's position.

        Raises:
            OutOfRange: the mask does not permit it.
        """
        if not (0 <= action < len(hops.mask) and hops.mask[action]):
            raise OutOfRange(
                f"flow {walk.flow.flow_id}: action {action} is masked, valid are {np.flatnonzero(hops.mask).tolist()}"
            )
        link = int(self.graph.action_link[walk.node, action])
        walk.node = int(self.graph.action_node[walk.node, action])
        walk.links.append(link)
        walk.used[link] += walk.chain.bandwidth_kbps
        walk.latency_us += int(self.graph.latency_us[link])
        if walk.chain.enter_stage[walk.node] == walk.stage + 1:
            walk.stage += 1
            walk.latency_us += int(walk.chain.delay_us[walk.node])
            walk.visited[:] = False
        walk.visited[walk.node] = True
