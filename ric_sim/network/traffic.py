"""A day of service requests as arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.service import Direction

DAY_MS = 86_400_000


@dataclass(frozen=True, eq=False)
class Day:
    """F flows sorted by arrival (stable). All arrays [F], read-only; fields as in `FlowRequest`."""

    name: str
    arrival_ms: npt.NDArray[np.int64]
    holding_ms: npt.NDArray[np.int64]
    service: npt.NDArray[np.int8]
    direction: npt.NDArray[np.int8]
    ru: npt.NDArray[np.int32]
    upf: npt.NDArray[np.int32]
    bandwidth_kbps: npt.NDArray[np.int64]
    n_requests: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.arrival_ms)

    @property
    def end_ms(self) -> npt.NDArray[np.int64]:
        """int64 [F]: when each flow ends if it is carried."""
        return self.arrival_ms + self.holding_ms

    @cached_property
    def digest(self) -> str:
        """sha256 hex over name and arrays: equal exactly when the days are equal to the last byte."""
        state = hashlib.sha256(self.name.encode())
        for column in COLUMNS:
            array = getattr(self, column)
            state.update(f"\n{column} {len(array)}\n".encode())
            state.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        return state.hexdigest()

    def flow_id(self, index: int) -> str:
        """Stable id of flow `index`: `<day>-<index, 6 digits>`."""
        return f"{self.name}-{index:06d}"

    def flow(self, index: int) -> FlowRequest:
        """Flow `index` as a domain object."""
        return FlowRequest(
            flow_id=self.flow_id(index),
            service=int(self.service[index]),
            direction=Direction(int(self.direction[index])),
            ru=int(self.ru[index]),
            upf=int(self.upf[index]),
            bandwidth_kbps=int(self.bandwidth_kbps[index]),
            n_requests=int(self.n_requests[index]),
            arrival_ms=int(self.arrival_ms[index]),
            holding_ms=int(self.holding_ms[index]),
        )


COLUMNS = tuple(field.name for field in fields(Day) if field.name != "name")
"""The arrays of a day, in the order of `Day`."""

_DTYPES = {
    "arrival_ms": np.int64,
    "holding_ms": np.int64,
    "service": np.int8,
    "direction": np.int8,
    "ru": np.int32,
    "upf": np.int32,
    "bandwidth_kbps": np.int64,
    "n_requests": np.int32,
}


def sorted_day(name: str, columns: dict[str, npt.ArrayLike]) -> Day:
    """A day of these columns (one per name in `COLUMNS`, equally long), sorted by arrival; equal arrivals keep their order."""
    arrays = {column: np.asarray(columns[column], _DTYPES[column]) for column in COLUMNS}
    order = np.argsort(arrays["arrival_ms"], kind="stable")
    return _frozen(name, {column: array[order] for column, array in arrays.items()})


def selection(day: Day, name: str, chosen: npt.NDArray[np.intp]) -> Day:
    """The flows `chosen` (ascending indices) of `day`, unchanged but for their ids, as a day of its own."""
    return _frozen(name, {column: getattr(day, column)[chosen] for column in COLUMNS})


def _frozen(name: str, arrays: dict[str, npt.NDArray[Any]]) -> Day:
    for array in arrays.values():
        array.setflags(write=False)
    return Day(name=name, **arrays)
