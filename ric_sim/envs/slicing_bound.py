"""An upper bound on what an O-DU can earn in a frame, by any split and any scheduler, what the others send being given.

A linear program shares RBs among UEs in fractions; RBs of equal rates form a class. Each slice's part of the reward is a
function of one number (Mbps, Mbps, 1 / ms), which a concave function above it stands for, as the least of straight lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import highspy
import numpy as np

from ric_sim.domain.errors import OutOfRange, PolicyFailed
from ric_sim.radio.arrays import Network, new_network
from ric_sim.radio.config import N_SLICES, FloatArray, RadioConfig
from ric_sim.radio.decoding import Allocation
from ric_sim.radio.kernels_channel import rb_rate_bps
from ric_sim.radio.kernels_qos import FRAME_MS, PRIORITY_WEIGHTS, PROCESSING_MS, reward_of
from ric_sim.radio.kernels_schedule import SERVED_BPS
from ric_sim.radio.kernels_traffic import EMBB, MMTC, URLLC
from ric_sim.radio.policies.kernels_search import put_on_air
from ric_sim.radio.world import World

SERVED_MBPS = SERVED_BPS / 1e6
SHORTEST_MS = 0.02
"""On the air; what is faster counts as instant."""
_CORNERS, _CHECKS = 101, 1001
_TOLERANCE = 1e-6

Lines = list[tuple[float, float]]


class FrameBound:
    """Bounds for one configuration; the functions above the reward are drawn once."""

    def __init__(self, config: RadioConfig) -> None:
        """Raises `OutOfRange` for weighted slopes: the slices' parts of the reward do not add up then."""
        if config.alpha_mode != "static":
            raise OutOfRange(f"alpha_mode {config.alpha_mode!r}: a frame can be bounded with static slopes only")
        self._lines = [_lines_of(new_network(config), slice_id) for slice_id in range(N_SLICES)]

    def reward_at_most(self, world: World, allocation: Allocation, replica: int, du: int) -> float:
        """Upper bound on the reward of one O-DU in the frame about to be decided, the others playing `allocation`."""
        if world.active_ues[replica, du].sum() == 0:
            return sum(_served_in_full(slice_id) for slice_id in range(N_SLICES))
        rates_mbps, sizes = _classes(world, allocation, replica, du)
        first, last = world.state.group[replica, N_SLICES * du], world.state.group[replica, N_SLICES * (du + 1)]
        ues = world.state.member[replica, first:last]
        program = _Program(rates_mbps, sizes)
        for slice_id in range(N_SLICES):
            rows = np.flatnonzero(world.network.slice_of_ue[ues] == slice_id).tolist()
            if len(rows) == 0:
                program.constant(_served_in_full(slice_id))
                continue
            value = program.value(self._lines[slice_id])
            if slice_id == EMBB:
                ues_counted = len(rows) if world.network.mean_reading else 1
                program.at_most(value, {program.rate(row): 1.0 / ues_counted for row in rows})
            elif slice_id == MMTC:
                program.at_most(value, {program.rate(row): 1.0 for row in rows})
                most_mbps = float(rates_mbps[rows].max(axis=0) @ sizes)
                served = {program.column(0.0, 1.0): row for row in rows}
                program.at_most(value, dict.fromkeys(served, most_mbps / len(rows)))
                for column, row in served.items():
                    program.at_most(column, {program.rate(row): 1.0 / SERVED_MBPS})
            else:
                for row in rows:
                    kbit = world.state.queue_bits[replica, ues[row]] / 1e3
                    program.at_most(value, {program.rate(row): 1.0 / kbit})
        return program.solve()


def _classes(world: World, allocation: Allocation, replica: int, du: int) -> tuple[FloatArray, FloatArray]:
    """Rates in Mbps of the O-DU's active UEs on one RB of each class, [UEs, classes], and the classes' sizes."""
    state = world.state._replace(
        rb_ue=world.state.rb_ue.copy(),
        transmits=world.state.transmits.copy(),
        block_activity=world.state.block_activity.copy(),
    )
    rb_slice = np.empty(world.config.n_rbs, dtype=np.int64)
    for other in range(world.n_dus):
        option = (allocation.quota_rbs[replica, other], np.array(allocation.beta[replica, other]))
        put_on_air(world.network, state, (replica, other), option, rb_slice)
    members = state.member[replica, state.group[replica, N_SLICES * du] : state.group[replica, N_SLICES * (du + 1)]]
    power_w, transmits, noise_w = state.power_w[replica], state.transmits[replica], world.network.rb_noise_w
    rates_bps = [[rb_rate_bps(power_w, transmits, noise_w, ue, (du, rb)) for rb in range(world.config.n_rbs)] for ue in members]
    classes, sizes = np.unique(np.reshape(rates_bps, (len(members), world.config.n_rbs)), axis=1, return_counts=True)
    return classes / 1e6, sizes.astype(np.float64)


def _lines_of(network: Network, slice_id: int) -> Lines:
    """(slope, offset) of lines whose least is nowhere below a slice's part of the reward; the last one is level."""
    minimum = float(network.min_qos[slice_id])
    others = sum(_served_in_full(other) for other in range(N_SLICES) if other != slice_id)

    def part(z: float) -> float:
        """What this slice adds to the reward; `z` as in the module's text."""
        latency_ms = min(PROCESSING_MS + 1.0 / max(z, 1e-9), FRAME_MS)
        qos = np.full(N_SLICES, latency_ms if slice_id == URLLC else z)
        occupied = np.arange(N_SLICES) == slice_id
        return float(reward_of(network, occupied, qos, 0.0, np.empty(N_SLICES))) - others

    if slice_id == URLLC:
        # The minimum, where the reward has a bend, must be a corner; among the rates it is one.
        on_air_ms = np.append(np.geomspace(2.0 * minimum, SHORTEST_MS, _CORNERS), minimum - PROCESSING_MS)
        z = np.append(0.0, np.sort(1.0 / on_air_ms))
    else:
        z = np.linspace(0.0, 2.0 * minimum, _CORNERS)
    best = part(1e9)
    corners = _upper_hull(z, np.array([*(part(each) for each in z[:-1]), best]))
    checks = np.concatenate([np.linspace(a, b, _CHECKS // _CORNERS) for a, b in pairwise(z)])
    hull = np.interp(checks, *np.transpose(corners))
    lift = max(0.0, float((np.array([part(each) for each in checks]) - hull).max()))
    slopes = np.diff([y for _, y in corners]) / np.diff([x for x, _ in corners])
    lines = [(float(slope), y - slope * x + lift) for slope, (x, y) in zip(slopes, corners, strict=False)]
    return [*lines, (0.0, best)]


def _served_in_full(slice_id: int) -> float:
    """What an empty slice adds to the reward."""
    return float(1.0 / (1.0 + np.exp(-PRIORITY_WEIGHTS[slice_id])))


def _upper_hull(x: FloatArray, y: FloatArray) -> list[tuple[float, float]]:
    """Corners of the least concave function above points with rising x."""
    corners: list[tuple[float, float]] = []
    for point in zip(x.tolist(), y.tolist(), strict=True):
        while len(corners) > 1 and _turns_left(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    return corners


def _turns_left(first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]) -> bool:
    return (middle[0] - first[0]) * (last[1] - first[1]) >= (middle[1] - first[1]) * (last[0] - first[0])


class _Program:
    """Most reward of one O-DU: RBs of each class shared among the UEs, what they add up to, and lines above the slices' parts."""

    def __init__(self, rates_mbps: FloatArray, sizes: FloatArray) -> None:
        self._solver = highspy.Highs()
        for option, value in (("output_flag", False), ("threads", 1)):
            self._solver.setOptionValue(option, value)
        self._n_columns, self._constant = 0, 0.0
        n_ues, n_classes = rates_mbps.shape
        share = np.array([[self.column(0.0, size) for size in sizes] for _ in range(n_ues)]).reshape(n_ues, n_classes)
        for index, size in enumerate(sizes):
            self._row(dict.fromkeys(share[:, index].tolist(), 1.0), float(size))
        self._rates = [self.column(0.0, highspy.kHighsInf) for _ in range(n_ues)]
        for column, shares, rates in zip(self._rates, share.tolist(), rates_mbps.tolist(), strict=True):
            self.at_most(column, dict(zip(shares, rates, strict=True)))

    def rate(self, row: int) -> int:
        """The column of a UE's rate, Mbps."""
        return self._rates[row]

    def column(self, lowest: float, highest: float, reward: float = 0.0) -> int:
        """A new variable."""
        self._solver.addCol(-reward, lowest, highest, 0, np.zeros(0, np.int32), np.zeros(0))
        self._n_columns += 1
        return self._n_columns - 1

    def at_most(self, column: int, weights: Mapping[int, float]) -> None:
        """A variable is at most a weighted sum of others."""
        self._row({column: 1.0, **{other: -weight for other, weight in weights.items()}}, 0.0)

    def value(self, lines: Lines) -> int:
        """A new variable that is rewarded by the least of the lines."""
        column, reward = self.column(0.0, highspy.kHighsInf), self.column(-highspy.kHighsInf, highspy.kHighsInf, 1.0)
        for slope, offset in lines:
            self._row({reward: 1.0, column: -slope}, offset)
        return column

    def constant(self, reward: float) -> None:
        """Reward that is had in any case."""
        self._constant += reward

    def solve(self) -> float:
        """The optimum, and a hair more for the solver's tolerance."""
        self._solver.run()
        if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise PolicyFailed(f"bound of a frame: the solver ended with {self._solver.getModelStatus()}, expected an optimum")
        return self._constant - float(self._solver.getInfo().objective_function_value) + _TOLERANCE

    def _row(self, weights: Mapping[int, float], most: float) -> None:
        columns, values = np.array(list(weights), dtype=np.int32), np.array(list(weights.values()))
        self._solver.addRow(-highspy.kHighsInf, most, len(columns), columns, values)
