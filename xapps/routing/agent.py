"""Routes requests of one service by a policy of `ric_sim.network.policies`: the very code that `ricity eval routing` runs."""

from __future__ import annotations

from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.reservation import Snapshot
from ric_sim.network.city import City
from ric_sim.network.policies import Parameters, RoutingPolicy, make_policy, warm_up
from ric_sim.network.policies.base import Plan


class RoutingAgent:
    """An `InsertAgent`. Heuristic and learned policies have one interface, so the agent does not know which it has.

    Attributes:
        policy: decides; may be replaced by any thread at any time, which takes effect with the next request.
    """

    def __init__(self, city: City, *, policy: str, seed: int, parameters: Parameters | None = None) -> None:
        """Compiles what the policy needs, so that the first request is as fast as the others. Errors as of `make_policy`."""
        self.policy: RoutingPolicy = make_policy(policy, city, seed=seed, **(parameters or {}))
        warm_up(city)

    def decide(self, snapshot: Snapshot, flow: FlowRequest) -> Plan:
        return self.policy.plan(snapshot.used, flow)
