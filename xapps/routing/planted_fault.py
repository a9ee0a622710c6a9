"""FAULT INJECTION: an agent that is worse than it could be, so that one can see an A/B test find it. Never on by default."""

from __future__ import annotations

import hashlib

from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.reservation import Snapshot
from ric_sim.network.policies.base import DECLINED, Plan
from xapps.routing.agent import RoutingAgent


class DecliningAgent:
    """Declines a share of the requests, drawn by a hash of their id, and leaves the others to the agent it spoils."""

    def __init__(self, spoilt: RoutingAgent, *, decline_percent: float) -> None:
        self._spoilt = spoilt
        self._declined_below = round(2**32 * decline_percent / 100)

    def decide(self, snapshot: Snapshot, flow: FlowRequest) -> Plan:
        # Salted: the RIC's split between versions hashes flow ids, too.
        digest = hashlib.blake2b(f"planted-fault/{flow.flow_id}".encode(), digest_size=4).digest()
        if int.from_bytes(digest, "big") < self._declined_below:
            return DECLINED
        return self._spoilt.decide(snapshot, flow)
