"""What an agent is. The SDK does everything else: it attaches, subscribes, hands over, answers, retries and drains.

The loop that calls an `InsertAgent`, reduced to its meaning::

    agent = make_agent(city)                       # once, before the xApp registers
    for snapshot, flow in suspended_requests:
        plan = agent.decide(snapshot, flow)        # the agent's own work
        outcome = control(route or reject)         # one round trip: the control is the commit
        if outcome is aborted:                     # someone else was faster: once more on a fresh snapshot
            ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.reservation import Snapshot
from ric_sim.network.city import City
from xapps.sdk.report import KpmReport

if TYPE_CHECKING:  # the policies bring a compiler with them, which an xApp that routes nothing need not load
    from ric_sim.network.policies.base import Plan


class InsertAgent(Protocol):
    """Decides suspended service requests (E2 INSERT), one at a time, on one thread."""

    def decide(self, snapshot: Snapshot, flow: FlowRequest) -> Plan:
        """Routes one request or says why not.

        Args:
            snapshot: used amounts as the RIC last sent them, plus every route this agent has decided since and that they do
                not contain yet, so that decisions of one batch do not collide. Its `used` is uint32 [n_resources], read-only
                and valid during this call only.
            flow: the request, checked against the city.
        Returns:
            A route, or the cause of there being none.
        Raises:
            Anything: the request is answered with a reject (AGENT_ERROR), the error is logged and counted, the next request
            is handed over as usual.
        """


InsertAgentFactory = Callable[[City], InsertAgent]
"""Builds the agent for the city the RIC serves; called before registration (and again should the RIC come back with
another city), so this is the place for tables and for warming up compiled code."""


class ReportAgent(Protocol):
    """Takes measurements (E2 REPORT), one report at a time, on the thread of the `InsertAgent` if there is one."""

    def on_report(self, report: KpmReport) -> None:
        """One report of one node. An error raised here is logged and counted; the next report comes as usual."""
