"""FAULT INJECTION: an agent that is worse than it could be, so that one can see an A/B test find it. Never on by default."""

from __future__ import annotations

import hashlib

import structlog

from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.reservation import Snapshot
from ric_sim.network.policies.base import DECLINED, Plan
from xapps.routing.agent import RoutingAgent
from xapps.routing.settings import RoutingSettings


class DecliningAgent:
    """Declines a share of the requests, drawn by a hash of their id, and leaves the others to the agent it spoils.

    Attributes:
        decline_percent: 0 to 100; may be changed at any time. With 0 it does nothing but ask the other one.
    """

    def __init__(self, spoilt: RoutingAgent, *, decline_percent: float) -> None:
        self._spoilt = spoilt
        self.decline_percent = decline_percent

    def decide(self, snapshot: Snapshot, flow: FlowRequest) -> Plan:
        if self.decline_percent and _draw(flow.flow_id) < self.decline_percent / 100:
            return DECLINED
        return self._spoilt.decide(snapshot, flow)


class FaultSwitch:
    """The fault as the settings have it, at the start (`spoil`) and while the xApp runs: a `Reconfigurable`."""

    def __init__(self, settings: RoutingSettings, *, xapp: str) -> None:
        """`xapp`: its name, for the log."""
        self._decline_percent = settings.fault_decline_percent
        self._xapp = xapp
        self._agent: DecliningAgent | None = None
        self._warn()

    def spoil(self, sound: RoutingAgent) -> DecliningAgent:
        """The agent that is to decide instead; with no fault planted it decides alike."""
        self._agent = DecliningAgent(sound, decline_percent=self._decline_percent)
        return self._agent

    def check_settings(self, settings: RoutingSettings) -> None:
        """The settings' own check is enough."""

    def take_settings(self, settings: RoutingSettings) -> None:
        if settings.fault_decline_percent == self._decline_percent:
            return
        self._decline_percent = settings.fault_decline_percent
        if self._agent is not None:
            self._agent.decline_percent = self._decline_percent
        self._warn()

    def _warn(self) -> None:
        if self._decline_percent:
            structlog.get_logger().warning("fault.planted", xapp=self._xapp, declines_percent=self._decline_percent)


def _draw(flow_id: str) -> float:
    """In [0, 1), the same for the same flow."""
    # Salted: the RIC's split between versions hashes flow ids, too.
    digest = hashlib.blake2b(f"planted-fault/{flow_id}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32
