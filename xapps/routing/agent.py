"""Routes requests of one service by a policy of `ric_sim.network.policies`: the very code that `ricity eval routing` runs."""

from __future__ import annotations

from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.reservation import Snapshot
from ric_sim.network.city import City
from ric_sim.network.policies import make_policy, warm_up
from ric_sim.network.policies.base import Plan


class RoutingAgent:
    """An `InsertAgent`. Heuristic and learned policies have one interface, so the agent does not know which it has."""

    def __init__(self, city: City, *, policy: str, seed: int) -> None:
        """Compiles what the policy needs, so that the first request is as fast as the others."""
        self._policy = make_policy(policy, city, seed=seed)
        warm_up(city)

    def decide(self, snapshot: Snapshot, flow: FlowRequest) -> Plan:
        return self._policy.plan(snapshot.used, flow)
