"""What became of every request of the day, as the E2 nodes wrote it down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import MalformedFile
from ric_sim.e2.node.ledger import Outcome

_NEVER = -1


@dataclass(frozen=True, eq=False)
class DayLedger:
    """All arrays [F], one entry per flow of the day in its order; times are wall time since the day began, microseconds.

    Attributes:
        service: int8, index into the catalogue.
        outcome: int8, `Outcome`.
        cause: int8, `ric_sim.domain.flow.Cause` of what was not accepted.
        latency_us: int64, end to end, of the accepted.
        raised_us, sent_us, answered_us: int64, -1 for what has not happened.
        displaced: bool, accepted flows that gave way to others; None if none did.
    """

    service: npt.NDArray[np.int8]
    outcome: npt.NDArray[np.int8]
    cause: npt.NDArray[np.int8]
    latency_us: npt.NDArray[np.int64]
    raised_us: npt.NDArray[np.int64]
    sent_us: npt.NDArray[np.int64]
    answered_us: npt.NDArray[np.int64]
    displaced: npt.NDArray[np.bool_] | None = None

    @property
    def raised(self) -> npt.NDArray[np.bool_]:
        """Requests that came into being; the others lie beyond the point where the day was stopped."""
        return self.raised_us != _NEVER

    @property
    def accepted(self) -> npt.NDArray[np.bool_]:
        return self.outcome == Outcome.APPLIED

    @property
    def decided(self) -> npt.NDArray[np.bool_]:
        """Requests that an xApp decided."""
        return np.isin(self.outcome, (Outcome.APPLIED, Outcome.REJECTED)) & (self.sent_us != _NEVER)


def read_ledger(path: Path) -> DayLedger:
    """Reads the nodes' ledger.npz.

    Raises:
        MalformedFile: it is missing or lacks a column.
    """
    try:
        with np.load(path, allow_pickle=False) as columns:
            names = [name for name in DayLedger.__dataclass_fields__ if name != "displaced" or name in columns]
            return DayLedger(**{name: columns[name] for name in names})
    except (OSError, KeyError, ValueError) as error:
        raise MalformedFile(f"{path}: expected the ledger.npz that the E2 nodes write at the end of a day ({error})") from error
