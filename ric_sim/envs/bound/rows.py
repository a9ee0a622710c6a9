"""The rows of the bound, found when a solution breaks them: what hosts can hold at a time, and how late they make a flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ric_sim.domain.service import Tier
from ric_sim.envs.bound.columns import COMPUTE, N_AMOUNTS, Columns, FloatArray
from ric_sim.network.city import IntArray

TOLERANCE = 1e-5
"""By how much of its right-hand side a row may be broken and still count as kept."""

ROUNDING_US = float(len(Tier))
"""Processing is rounded down host by host; a flow may be so much later in real numbers than in the admission's integers."""


class Row(NamedTuple):
    """`sum(values * x[columns]) <= 1`, values >= 0."""

    columns: IntArray
    values: FloatArray


class RowFinder:
    """Finds the rows of one window that a solution breaks. Every row holds for every way to carry flows that admission takes.

    Capacity (paper eqs. 3-4): at each arrival, what the active flows take of a host, of the links into it and of those out
    of it is within the limits. Latency (eq. 5): if flow p goes over hosts S, the processing on S with what the flows before
    p have in use leaves `delay <= slack = budget - propagation`; if it does not, the capacity rows leave `delay <= M`, its
    value with S filled to the limits. So `delay(S) + sum over columns q of p (M(S & q) - slack(q))+ x_q <= M(S)`, where p
    takes one column at most.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        arrival, end = columns.arrival_ms, columns.end_ms
        order = np.arange(columns.n_flows)
        self._before = (order[None, :] < order[:, None]) & (end[None, :] > arrival[:, None])
        self._active = self._before | np.eye(columns.n_flows, dtype=bool)
        self._nodes, host_index = np.unique(columns.hosts, return_inverse=True)
        self._host_index = host_index.reshape(columns.hosts.shape)
        self._at_node = [np.flatnonzero((columns.hosts == node).any(axis=1)) for node in self._nodes]
        self._tier = np.array([int(np.argmax(columns.hosts[at[0]] == node)) for at, node in self._located()], np.int64)
        self._limits = np.maximum(columns.limits[:, self._nodes], 1.0)
        # What is full at no arrival even if every flow that could come does needs no row, which spares most O-RUs.
        self._scarce = self._loads(self._active, np.ones(columns.n_columns), most=True).max(axis=1, initial=0) > self._limits
        self._load_delays_us = columns.delay_us[:, self._tier] / columns.nominal_ucores[self._nodes]
        self._late = self._flows_that_load_makes_late()

    def broken(self, x: FloatArray) -> list[Row]:
        """The rows that `x`, float64 [Q] in 0-1, breaks: per host the worst of each stretch of time, per flow the worst."""
        return [*self._broken_capacity(x), *self._broken_latency(x)]

    def _located(self) -> Iterator[tuple[IntArray, np.int64]]:
        return zip(self._at_node, self._nodes, strict=True)

    def _carried(self, x: FloatArray, *, most: bool = False) -> FloatArray:
        """float64 [F, V]: how much of each flow each node carries; with `most`, of its dearest column."""
        columns = self._columns
        carried = np.zeros((columns.n_flows, len(self._nodes)))
        accumulate = np.maximum.at if most else np.add.at
        accumulate(carried, (columns.flow[:, None], self._host_index), x[:, None])
        return carried

    def _loads(self, active: npt.NDArray[np.bool_], x: FloatArray, *, most: bool = False) -> FloatArray:
        """float64 [3, F, V]: amounts in use at each arrival."""
        carried = self._carried(x, most=most)
        weights = active.astype(np.float64)
        return np.stack([weights @ (carried * self._columns.amounts[kind][:, self._tier]) for kind in range(N_AMOUNTS)])

    def _broken_capacity(self, x: FloatArray) -> Iterator[Row]:
        excess = self._loads(self._active, x) / self._limits[:, None, :] - 1
        for kind, number in np.argwhere(self._scarce):
            for arrival in _worst_of_each_stretch(excess[kind, :, number]):
                yield self._capacity_row(int(kind), int(number), arrival)

    def _capacity_row(self, kind: int, number: int, arrival: int) -> Row:
        columns, at_node = self._columns, self._at_node[number]
        chosen = at_node[self._active[arrival, columns.flow[at_node]]]
        amounts = columns.amounts[kind, columns.flow[chosen], self._tier[number]]
        return Row(chosen, amounts / self._limits[kind, number])

    def _flows_that_load_makes_late(self) -> list[tuple[int, IntArray, FloatArray, FloatArray]]:
        """Flow, its columns [C], their slack [C] and the delay of their filled hosts [C, 4], where slack is less than delay."""
        columns = self._columns
        starts = np.searchsorted(columns.flow, np.arange(columns.n_flows + 1))
        found = []
        for flow in range(columns.n_flows):
            own = np.arange(starts[flow], starts[flow + 1])
            slack_us = columns.budget_us[flow] + ROUNDING_US - columns.latency_us[own]
            filled = columns.limits[COMPUTE] / columns.nominal_ucores
            filled_us = columns.delay_us[flow] * filled[columns.hosts[own]]
            if np.any(slack_us < filled_us.sum(axis=1)):
                found.append((flow, own, slack_us, filled_us))
        return found

    def _broken_latency(self, x: FloatArray) -> Iterator[Row]:
        used = self._loads(self._before, x)[COMPUTE]
        for flow, own, slack_us, filled_us in self._late:
            hosts = self._columns.hosts[own]
            lifted_us = _lifted_us(hosts, slack_us, filled_us)
            delay_us = (used[flow] * self._load_delays_us[flow])[self._host_index[own]].sum(axis=1)
            most_us = np.maximum(filled_us.sum(axis=1), 1.0)
            excess = (delay_us + lifted_us @ x[own]) / most_us - 1
            worst = int(np.argmax(np.where(slack_us < most_us, excess, -1.0)))
            if excess[worst] > TOLERANCE and slack_us[worst] < most_us[worst]:
                yield self._latency_row(flow, own, worst, lifted_us[worst] / most_us[worst], float(most_us[worst]))

    def _latency_row(self, flow: int, own: IntArray, worst: int, lifted: FloatArray, most_us: float) -> Row:
        columns = self._columns
        weights = np.zeros(columns.n_columns)
        for tier, number in enumerate(self._host_index[own[worst]]):
            at_node = self._at_node[number]
            others = at_node[self._before[flow, columns.flow[at_node]]]
            weights[others] += self._load_delays_us[flow, number] * columns.amounts[COMPUTE, columns.flow[others], tier] / most_us
        weights[own] += lifted
        chosen = np.flatnonzero(weights)
        return Row(chosen, weights[chosen])


def _lifted_us(hosts: IntArray, slack_us: FloatArray, filled_us: FloatArray) -> FloatArray:
    """float64 [C, C]: in the row of the hosts of column s, by how much column q shortens the delay its hosts leave."""
    shared = hosts[:, None, :] == hosts[None, :, :]
    return np.maximum((shared * filled_us[:, None, :]).sum(axis=2) - slack_us[None, :], 0.0)


def _worst_of_each_stretch(excess: FloatArray) -> Iterator[int]:
    """Indices of the largest value of every run of values above the tolerance."""
    over = np.concatenate([[False], excess > TOLERANCE, [False]])
    starts, ends = np.flatnonzero(over[1:] & ~over[:-1]), np.flatnonzero(over[:-1] & ~over[1:])
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield start + int(np.argmax(excess[start:end]))
