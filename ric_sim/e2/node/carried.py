"""What each E2 node carries over emulated time, integrated exactly and cheaply."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ric_sim.domain.errors import InvalidRoute
from ric_sim.domain.flow import FlowRequest
from ric_sim.e2.identity import E2Node, home_du
from ric_sim.e2.kpm import IntegralArray, NodeCapacity, PeriodLoad
from ric_sim.network.city import City, NodeKind

_CARRIED_KBPS, _USERS, _RADIO_KBPS = range(3)
_QUANTITIES, _DIRECTIONS = 3, 2


class _Step(NamedTuple):
    """A flow begins (sign 1) or ends (-1): these cells change by these rates. Steps sort by time, then by `number` (unique)."""

    at_ms: int
    number: int
    sign: int
    service: int
    cells: Sequence[int]
    rates: Sequence[int]


class CarriedLoad:
    """Flows being carried, per E2 node, service and direction.

    Each cell holds two integers, a and b, such that its integral up to emulated time t is a*t + b: a flow of rate r that
    starts at s adds r to a and takes r*s off b; its end undoes that at the end time. So a change costs two additions per
    cell, and the exact integral over any period is a difference of two readings. Everything is int; nothing drifts.

    What the air carries is kept at the home O-DU of the flow's O-RU; the O-CU of a gNB sees what its O-DUs see. The rest
    belongs to the O-DU and the O-CU whose hosts run the flow's chain.
    """

    def __init__(self, city: City, nodes: Sequence[E2Node], *, start_ms: int = 0) -> None:
        self.city = city
        self.nodes = tuple(nodes)
        self.now_ms = start_ms
        self.slices = tuple(dict.fromkeys(str(spec.slice_id) for spec in city.services))
        self.active = [0] * len(city.services)
        row_of = {node.node: row for row, node in enumerate(nodes)}
        self._row_of_link = [row_of.get(target, -1) for _, target, _, _ in city.link_table]
        self._home_row = {ru: row_of[du] for ru, du in home_du(city).items()}
        self._is_du = [node.kind == NodeKind.O_DU for node in nodes]
        self._shape = (_QUANTITIES, len(nodes), len(city.services), _DIRECTIONS)
        self._n_cells = len(nodes) * len(city.services) * _DIRECTIONS
        self._a, self._b = [0] * (_QUANTITIES * self._n_cells), [0] * (_QUANTITIES * self._n_cells)
        self._steps: list[_Step] = []
        self._numbers = itertools.count()

    def carry(self, flow: FlowRequest, links: Sequence[int]) -> None:
        """Takes a flow whose route was applied. It counts from its arrival, or from `now_ms` if that is later.

        Raises:
            InvalidRoute: the links name no route through one O-DU and one O-CU; nothing changes.
        """
        cells, rates = self._cells(flow, links)
        start_ms = max(flow.arrival_ms, self.now_ms)
        if start_ms < flow.end_ms:
            for at_ms, sign in ((start_ms, 1), (flow.end_ms, -1)):
                heapq.heappush(self._steps, _Step(at_ms, next(self._numbers), sign, flow.service, cells, rates))

    def cut(self, flow: FlowRequest, links: Sequence[int], at_ms: int) -> None:
        """A flow taken before carries nothing from `at_ms` on (from `now_ms`, if that is later).

        Raises:
            InvalidRoute: as `carry`; nothing changes.
        """
        cells, rates = self._cells(flow, links)
        cut_ms = max(at_ms, flow.arrival_ms, self.now_ms)
        if cut_ms < flow.end_ms:
            for step_ms, sign in ((cut_ms, -1), (flow.end_ms, 1)):
                heapq.heappush(self._steps, _Step(step_ms, next(self._numbers), sign, flow.service, cells, rates))

    def advance(self, to_ms: int) -> None:
        """Moves on to emulated time `to_ms` (never back): flows begin and end as due."""
        steps = self._steps
        while steps and steps[0].at_ms <= to_ms:
            at_ms, _, sign, service, cells, rates = heapq.heappop(steps)
            self.active[service] += sign
            for cell, rate in zip(cells, rates, strict=True):
                self._a[cell] += sign * rate
                self._b[cell] -= sign * rate * at_ms
        self.now_ms = max(self.now_ms, to_ms)

    @property
    def last_end_ms(self) -> int:
        """Emulated time at which the last flow taken so far will have ended; `now_ms` if none is left."""
        return max((step.at_ms for step in self._steps), default=self.now_ms)

    def integrals(self) -> IntegralArray:
        """int64 [3, nodes, services, 2]: everything carried up to `now_ms`, x ms. For `period_load`."""
        return (np.array(self._a, np.int64) * self.now_ms + np.array(self._b, np.int64)).reshape(self._shape)

    def period_load(self, row: int, change: IntegralArray, period_ms: int) -> PeriodLoad:
        """What node `row` carried in a period; `change` is the difference of the `integrals` at its end and at its start."""
        carried = change[_CARRIED_KBPS, row]
        demand = np.array([spec.compute_ucore_per_kbps[self.nodes[row].kind] for spec in self.city.services], np.int64)
        return PeriodLoad(
            period_ms=period_ms,
            carried_kbps_ms=self._by_slice(carried),
            users_ms=self._by_slice(change[_USERS, row]),
            compute_ucores_ms=self._by_slice(carried * demand[:, None]),
            radio_kbps_ms=self._by_slice(change[_RADIO_KBPS, self._radio_rows(row)].sum(axis=0)),
        )

    def capacity(self, row: int) -> NodeCapacity:
        """What the shares of node `row` are taken of."""
        rows = self._radio_rows(row)
        rus = [ru for ru, home in self._home_row.items() if home in rows]
        link_capacity = self.city.link_capacity_kbps
        return NodeCapacity(
            radio_kbps=(
                int(link_capacity[np.isin(self.city.link_src, rus)].sum()),
                int(link_capacity[np.isin(self.city.link_dst, rus)].sum()),
            ),
            nominal_ucores=int(self.city.compute_nominal_ucores[self.nodes[row].node]),
        )

    def _cells(self, flow: FlowRequest, links: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        n_links = len(self._row_of_link)
        if not links or min(links) < 0 or max(links) >= n_links:
            raise InvalidRoute(f"flow {flow.flow_id}: the applied route is empty or names links outside 0 to {n_links - 1}")
        hosts = [row for row in map(self._row_of_link.__getitem__, links) if row >= 0]
        if len(hosts) != 2 or self._is_du[hosts[0]] == self._is_du[hosts[1]]:
            raise InvalidRoute(f"flow {flow.flow_id}: the applied route does not run through one O-DU and one O-CU")
        n = self._n_cells
        first, second, home = (
            (row * len(self.active) + flow.service) * _DIRECTIONS + flow.direction for row in (*hosts, self._home_row[flow.ru])
        )
        cells = (first, second, _USERS * n + first, _USERS * n + second, _RADIO_KBPS * n + home)
        kbps, users = flow.bandwidth_kbps, flow.n_requests
        return cells, (kbps, kbps, users, users, kbps)

    def _radio_rows(self, row: int) -> list[int]:
        """The O-DUs whose air a node sees: its own, or those of its gNB."""
        if self._is_du[row]:
            return [row]
        gnb_id = self.nodes[row].global_id.gnb_id
        return [du for du, node in enumerate(self.nodes) if self._is_du[du] and node.global_id.gnb_id == gnb_id]

    def _by_slice(self, by_service: IntegralArray) -> IntegralArray:
        """[services, 2] summed to [slices, 2]."""
        sums = np.zeros((len(self.slices), _DIRECTIONS), np.int64)
        np.add.at(sums, [self.slices.index(str(spec.slice_id)) for spec in self.city.services], by_service)
        return sums
