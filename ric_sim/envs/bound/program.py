"""The linear program of the bound: columns at the start, rows added as they are found, each solution from the one before."""

from __future__ import annotations

from collections.abc import Sequence

import highspy
import numpy as np

from ric_sim.envs.bound.columns import Columns, FloatArray
from ric_sim.envs.bound.rows import Row
from ric_sim.network.city import IntArray


class PackingProgram:
    """Most flows carried: maximise `sum x` with at most one column per flow and every row added, x >= 0.

    HiGHS keeps its factorised basis while rows are added, and goes on from it with the dual simplex.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._rows: list[Row] = []
        self._solver = highspy.Highs()
        for option, value in (("output_flag", False), ("threads", 1), ("solver", "simplex"), ("simplex_strategy", 1)):
            self._solver.setOptionValue(option, value)
        none = np.zeros(0, np.int32)
        n_columns = columns.n_columns
        infinite = np.full(n_columns, highspy.kHighsInf)
        self._solver.addCols(n_columns, np.full(n_columns, -1.0), np.zeros(n_columns), infinite, 0, none, none, np.zeros(0))
        self._append([Row(own, np.ones(len(own))) for own in _columns_by_flow(columns)])

    @property
    def n_rows(self) -> int:
        """Rows added so far."""
        return len(self._rows)

    def add(self, rows: Sequence[Row]) -> None:
        """Adds rows; the next solution keeps them."""
        self._rows.extend(rows)
        self._append(rows)

    def solve(self, *, time_limit_s: float) -> FloatArray | None:
        """The optimum, float64 [Q], or None if the time is up before it is found."""
        self._solver.setOptionValue("time_limit", self._solver.getRunTime() + time_limit_s)
        self._solver.run()
        if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        return np.asarray(self._solver.getSolution().col_value, np.float64)

    def certified_bound(self) -> float:
        """An upper bound on every solution that keeps the rows, by the weights (duals) that the solver gave them.

        Any weights >= 0 give a valid one, so it does not rest on the solver's tolerances: for each flow the best column at
        these prices is taken (Lagrangian relaxation), and the prices of all rows are added.
        """
        columns = self._columns
        duals = np.asarray(self._solver.getSolution().row_dual, np.float64)[columns.n_flows :]
        weights = np.maximum(-duals, 0.0)  # of a minimisation: what one more unit would save
        prices = np.zeros(columns.n_columns)
        for row, weight in zip(self._rows, weights.tolist(), strict=True):
            prices[row.columns] += weight * row.values
        best = np.zeros(columns.n_flows)
        np.maximum.at(best, columns.flow, 1.0 - prices)
        return float(weights.sum() + best.sum())

    def _append(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        lengths = [len(row.columns) for row in rows]
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int32)
        indices = np.concatenate([row.columns for row in rows]).astype(np.int32)
        values = np.concatenate([row.values for row in rows])
        nothing, one = np.full(len(rows), -highspy.kHighsInf), np.ones(len(rows))
        self._solver.addRows(len(rows), nothing, one, len(indices), starts, indices, values)


def _columns_by_flow(columns: Columns) -> list[IntArray]:
    return np.split(np.arange(columns.n_columns), np.searchsorted(columns.flow, np.arange(1, columns.n_flows)))
