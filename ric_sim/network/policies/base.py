"""What a routing policy is: a snapshot and a request in, a route or the reason why there is none out.

Heuristics and learned policies implement the same interface, so one is a drop-in for the other, in-process
(`ric_sim.envs.evaluate`) and in the live xApps (`xapps.routing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import Cause, FlowRequest


@dataclass(frozen=True, slots=True)
class Plan:
    """A policy's answer.

    Attributes:
        links: the route, empty when there is none.
        cause: NONE with a route; else NO_ROUTE_CAPACITY, NO_ROUTE_LATENCY or DECLINED.
        latency_us: end-to-end latency on the snapshot the plan was made on, 0 without a route.
    """

    links: tuple[int, ...]
    cause: Cause
    latency_us: int

    @property
    def accepted(self) -> bool:
        return self.cause == Cause.NONE


NO_ROUTE_CAPACITY = Plan((), Cause.NO_ROUTE_CAPACITY, 0)
NO_ROUTE_LATENCY = Plan((), Cause.NO_ROUTE_LATENCY, 0)
DECLINED = Plan((), Cause.DECLINED, 0)


class RoutingPolicy(Protocol):
    """Stateless between calls but for its own random stream (seeded at construction)."""

    name: str

    def plan(self, used: npt.NDArray[np.uint32], flow: FlowRequest) -> Plan:
        """Routes one request.

        Args:
            used: uint32 [n_resources], used amounts of the snapshot; never modified.
        Returns:
            A plan that, committed on exactly this snapshot, is never aborted.
        """
