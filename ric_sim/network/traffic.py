"""A day of service requests as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.service import Direction


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
