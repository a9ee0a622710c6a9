"""A service request (one bundle of user requests routed as one flow) and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ric_sim.domain.service import Direction

ANY_UPF = -1
"""`FlowRequest.upf` of an uplink flow: the router chooses among the UPFs of the service."""


@dataclass(frozen=True, slots=True)
class FlowRequest:
    """One request p of the paper, section 3.

    Attributes:
        flow_id: unique within a store namespace.
        service: index into `City.services`.
        direction: which of the service's chains.
        ru: node index of the O-RU (source uplink, destination downlink).
        upf: node index of the source UPF (downlink) or `ANY_UPF` (uplink).
        bandwidth_kbps: b_p, > 0, of the whole bundle.
        n_requests: user requests in the bundle, >= 1.
        arrival_ms: emulated time since the day's midnight.
        holding_ms: emulated duration, > 0.
    """

    flow_id: str
    service: int
    direction: Direction
    ru: int
    upf: int
    bandwidth_kbps: int
    n_requests: int
    arrival_ms: int
    holding_ms: int

    @property
    def end_ms(self) -> int:
        """Emulated time at which the reservation expires."""
        return self.arrival_ms + self.holding_ms


class Cause(IntEnum):
    """Why a request was not carried. One list for planners, store, E2 and reports.

    The first three are verdicts of a commit (the first violated constraint), the next two of a planner that
    found no route, the last of an agent that leaves the room to others, the rest of the delivery of the request itself.
    """

    NONE = 0
    LINK_CAPACITY = 1
    COMPUTE_CAPACITY = 2
    LATENCY_BUDGET = 3
    NO_ROUTE_CAPACITY = 4
    NO_ROUTE_LATENCY = 5
    TIME_TO_WAIT_EXPIRED = 6
    NO_SUBSCRIBER = 7
    QUEUE_FULL = 8
    CONTROL_INVALID = 9
    RIC_UNREACHABLE = 10
    AGENT_ERROR = 11
    DECLINED = 12

    @property
    def label(self) -> str:
        """Lower-case name as it stands in metrics and reports."""
        return self.name.lower()
