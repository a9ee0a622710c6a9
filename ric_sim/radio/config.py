"""Sizes and constants of a radio network, with the units they are used in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import OutOfRange

FloatArray = npt.NDArray[np.float64]

SLICES = ("embb", "mmtc", "urllc")
"""In the order of every array with a slice axis."""

N_SLICES = len(SLICES)
MIN_DUS, MAX_DUS = 2, 10
MIN_RBS = 4

UE_SHARES = (0.2, 0.5, 0.3)
"""Which part of the UEs is in each slice; the first indices are eMBB, then mMTC, then URLLC."""

EIRP_DBM = 56.0
"""Of a whole radio unit: paper table 1, split equally over its RBs."""

NOISE_DBM_PER_HZ = -173.0
RB_BANDWIDTH_HZ = 200e3

ALPHA_MODES = ("static", "weighted")
QOS_READINGS = ("mean", "sum")


@dataclass(frozen=True, slots=True)
class RadioConfig:
    """A grid of square cells, one O-DU with one radio unit in the middle of each (paper section VI.B and table 1).

    Attributes:
        n_dus: cells, 2 to 10, in as square a grid as their number allows.
        n_ues: UEs in all, 3 or more.
        n_rbs: resource blocks of 200 kHz per O-DU, 4 or more.
        cell_width_m, cell_height_m: size of one cell.
        stride_s: time lapse between two decisions, for movement only: a decision governs one frame of 10 ms.
        penalty_weight: zeta of eq. (8), for unmet QoS (relative deficits) and for RBs wanted beyond the cell (as a ratio).
        alpha_mode: `static`: the slopes of eq. (8) are the priority weights (1, 0.5, 2); `weighted`: these times the normalised
            QoS, rescaled to the same sum: one reading of the paper's "adaptive", under which a better slice may lower the reward.
        qos_reading: of eq. (3). `mean`: average rate of a cell's active eMBB UEs, and the mMTC minimum shared by all O-DUs;
            `sum`: their total, and the whole mMTC minimum for each O-DU.
    """

    n_dus: int = 6
    n_ues: int = 200
    n_rbs: int = 100
    cell_width_m: float = 500.0
    cell_height_m: float = 500.0
    stride_s: float = 0.5
    penalty_weight: float = 1.0
    alpha_mode: str = "static"
    qos_reading: str = "mean"

    def __post_init__(self) -> None:
        """Raises `OutOfRange` for sizes or modes that make no network."""
        if not MIN_DUS <= self.n_dus <= MAX_DUS:
            raise OutOfRange(f"{self.n_dus} O-DUs: expected {MIN_DUS} to {MAX_DUS}")
        if self.n_ues < N_SLICES:
            raise OutOfRange(f"{self.n_ues} UEs: expected {N_SLICES} or more")
        if self.n_rbs < MIN_RBS:
            raise OutOfRange(f"{self.n_rbs} RBs per O-DU: expected {MIN_RBS} or more")
        for name in ("cell_width_m", "cell_height_m", "stride_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise OutOfRange(f"{name} is {value}: expected a finite number above 0")
        if not (math.isfinite(self.penalty_weight) and self.penalty_weight >= 0.0):
            raise OutOfRange(f"penalty_weight is {self.penalty_weight}: expected 0 or more")
        if self.alpha_mode not in ALPHA_MODES:
            raise OutOfRange(f"alpha_mode {self.alpha_mode!r}: expected one of {', '.join(ALPHA_MODES)}")
        if self.qos_reading not in QOS_READINGS:
            raise OutOfRange(f"qos_reading {self.qos_reading!r}: expected one of {', '.join(QOS_READINGS)}")

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells: the divisor of `n_dus` nearest below its square root, and the rest."""
        rows = max(n for n in range(1, math.isqrt(self.n_dus) + 1) if self.n_dus % n == 0)
        return rows, self.n_dus // rows

    @property
    def area_m(self) -> tuple[float, float]:
        """Width and height of the whole network."""
        rows, columns = self.grid
        return columns * self.cell_width_m, rows * self.cell_height_m

    @property
    def slice_sizes(self) -> tuple[int, int, int]:
        """UEs of each slice in the whole network."""
        embb, mmtc = (int(share * self.n_ues + 0.5) for share in UE_SHARES[:2])
        return embb, mmtc, self.n_ues - embb - mmtc

    @property
    def rb_power_w(self) -> float:
        """Transmit power on one RB; muted RBs leave theirs unused."""
        return float(10.0 ** ((EIRP_DBM - 30.0) / 10.0)) / self.n_rbs

    @property
    def rb_noise_w(self) -> float:
        """Thermal noise on one RB."""
        return float(10.0 ** ((NOISE_DBM_PER_HZ - 30.0) / 10.0)) * RB_BANDWIDTH_HZ

    @property
    def min_qos(self) -> tuple[float, float, float]:
        """What each slice must reach in a cell: Mbps, Mbps, and at most so many ms (paper section VI.B)."""
        return 10.0, 50.0 / self.n_dus if self.qos_reading == "mean" else 50.0, 2.0

    def du_positions_m(self) -> tuple[FloatArray, FloatArray]:
        """x and y of each O-DU's radio unit, float64 [M] each; row by row."""
        columns = self.grid[1]
        index = np.arange(self.n_dus, dtype=np.float64)
        return (index % columns + 0.5) * self.cell_width_m, (index // columns + 0.5) * self.cell_height_m
