"""The requests one association holds: from the INSERT to the outcome of its control. Bookkeeping and decisions, no I/O.

A request is held from its delivery to its final outcome::

    delivered -> queued -> decide -> route sent  -> APPLIED | ALREADY_APPLIED | UNKNOWN_REQUEST: done
                   ^                             -> ABORTED: queued again (`SessionLimits.replans`), in the end reject sent
                   '-----------------------------'  INVALID: reject sent
                                  -> reject sent -> REJECTED, or whatever else: done
    reject sent -> asked again on what displacing others would leave in use (preemption switched on): queued
    queued longer than its time-to-wait: done (the node has taken its default action)
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ric_sim.domain.errors import InvalidInput
from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.domain.reservation import Snapshot
from ric_sim.e2.codec import MAX_TIME_TO_WAIT_MS, admission_cause, flow_from_proto
from ric_sim.network.admission import commit_request
from ric_sim.network.city import City
from ric_sim.network.contention import lacking_resources
from ricity.e2.v1 import common_pb2, xapp_pb2
from xapps.sdk.agent import InsertAgent
from xapps.sdk.agent_errors import AgentErrorLog
from xapps.sdk.metrics import STATUS_LABELS, XappMetrics
from xapps.sdk.settings import XappSettings
from xapps.sdk.steering import Steering
from xapps.sdk.used_view import UsedView

if TYPE_CHECKING:  # the policies bring a compiler with them, which an xApp that routes nothing need not load
    from ric_sim.network.policies.base import Plan

GROUP_SECONDS = 0.001
"""A group of decisions ends after so many (`SessionLimits`), or this long: its controls leave, the stream is looked after,
the RIC commits while the next group is decided."""

MAX_OVERTAKEN = 16
"""How often a plan on a fresh snapshot that was overtaken by another commit is repeated; the time-to-wait bounds it, too."""

_MAX_DETAIL = 200


@dataclass(slots=True, eq=False)
class _Held:
    flow: FlowRequest
    deadline_s: float  # monotonic; the RIC's own timer began before and has run out by then
    planned_version: int = 0
    replans: int = 0
    overtaken: int = 0
    rejected: bool = False  # a reject is on its way: whatever the RIC says to it, the request is done
    used_if_displacing: bytes = b""  # to plan on instead of the snapshot, once


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How much a session takes and how hard it tries.

    Attributes:
        window: most requests held at once; the RIC knows it from the registration.
        replans: how often an aborted commit is planned again on a fresh snapshot. A re-plan that lost a race, because
            another commit came between its snapshot and its own commit, is repeated (up to `MAX_OVERTAKEN` times) and
            counts once: what is promised is a plan on the state it is decided on.
        group_decisions: after so many decisions their controls leave.
    """

    window: int
    replans: int
    group_decisions: int = 16


def limits_of(settings: XappSettings) -> SessionLimits:
    """As the settings have them."""
    return SessionLimits(settings.window, settings.replans, settings.group_decisions)


class InsertSession:
    """One association's requests. A new association begins a new session: the RIC redelivers what the old one held.

    Attributes:
        limits: may be replaced at any time, but for the window, which the RIC knows.
    """

    def __init__(self, city: City, agent: InsertAgent, limits: SessionLimits, *, metrics: XappMetrics, log: Any) -> None:
        self._city = city
        self._agent = agent
        self.limits = limits
        self._metrics = metrics
        self._log = log
        self._errors = AgentErrorLog(log)
        self._view = UsedView(city.n_resources)
        self._steering = Steering(city)
        self._held: dict[str, _Held] = {}
        self._queue: deque[_Held] = deque()
        self._controls: list[xapp_pb2.Control] = []

    @property
    def held(self) -> int:
        """Requests without a final outcome."""
        return len(self._held)

    @property
    def has_work(self) -> bool:
        """Something is to be decided or sent."""
        return bool(self._queue or self._controls)

    def on_inserts(self, message: xapp_pb2.InsertIndications) -> None:
        """Takes delivered requests in.

        Raises:
            OversizeMessage: the snapshot is not one of this city. Nothing is held then.
        """
        self._view.refresh(message.snapshot)
        self._metrics.requests.inc(len(message.requests))
        self._metrics.batch_requests.observe(len(message.requests))
        for request in message.requests:
            if message.used_if_displacing:
                self._held.pop(request.flow_id, None)  # rejected by us, and asked again on other terms
            self._take(request, message.used_if_displacing)
        self._metrics.held.set(len(self._held))

    def on_steering(self, notice: xapp_pb2.SteeringNotice) -> None:
        """Every decision from here on obeys."""
        self._steering.take(notice)

    def on_outcomes(self, batch: xapp_pb2.ControlOutcomeBatch) -> None:
        """Learns what became of controls; aborted ones are queued again, before what has waited less long.

        Raises:
            OversizeMessage: the snapshot is not one of this city.
        """
        if batch.HasField("snapshot"):
            self._view.refresh(batch.snapshot)
        again = []
        for outcome in batch.outcomes:
            status = outcome.status
            if status in self._metrics.outcomes:
                self._metrics.outcomes[status].inc()
            held = self._held.get(outcome.flow_id)
            if held is not None and self._settle(held, outcome):
                again.append(held)
        self._queue.extendleft(reversed(again))
        self._metrics.held.set(len(self._held))

    def decide_group(self) -> list[xapp_pb2.Control]:
        """Decides the next few requests; returns what is to be sent, each request at most once."""
        controls, self._controls = self._controls, []
        deadline_s = time.perf_counter() + GROUP_SECONDS
        while self._queue and len(controls) < self.limits.group_decisions and time.perf_counter() < deadline_s:
            held = self._queue.popleft()
            if held.deadline_s > time.monotonic():
                controls.append(self._decide(held))
            else:
                self._expire(held)
        return controls

    def _take(self, request: common_pb2.ServiceRequest, used_if_displacing: bytes) -> None:
        if request.flow_id in self._held:
            return  # it is being decided already: one control is enough
        if len(self._held) >= self.limits.window:
            self._expire_queued()
        if len(self._held) >= self.limits.window:
            self._metrics.dropped["inserts"].inc()
            detail = f"the xApp holds its window of {self.limits.window} requests"
            self._controls.append(self._reject(request.flow_id, admission_cause(Cause.QUEUE_FULL, detail)))
            return
        try:
            flow = flow_from_proto(self._city, request)
        except InvalidInput as error:
            self._metrics.decisions["error"].inc()
            self._log.warning("request.unusable", flow_id=request.flow_id[:_MAX_DETAIL], error=str(error))
            self._controls.append(self._reject(request.flow_id, admission_cause(Cause.AGENT_ERROR, str(error)[:_MAX_DETAIL])))
            return
        deadline_s = time.monotonic() + (request.time_to_wait_ms or MAX_TIME_TO_WAIT_MS) / 1000
        held = _Held(flow, deadline_s, used_if_displacing=used_if_displacing)
        self._held[flow.flow_id] = held
        self._queue.append(held)

    def _expire_queued(self) -> None:
        now_s = time.monotonic()
        for held in [held for held in self._queue if held.deadline_s <= now_s]:
            self._queue.remove(held)
            self._expire(held)

    def _expire(self, held: _Held) -> None:
        """The node has taken its default action by now: a decision would be wasted."""
        self._metrics.dropped["expired"].inc()
        del self._held[held.flow.flow_id]
        self._metrics.held.set(len(self._held))

    def _settle(self, held: _Held, outcome: xapp_pb2.ControlOutcome) -> bool:
        """True when the request has to be decided again."""
        flow_id, status = outcome.flow_id, outcome.status
        is_open = status in (xapp_pb2.CONTROL_STATUS_ABORTED, xapp_pb2.CONTROL_STATUS_INVALID) and not held.rejected
        if status == xapp_pb2.CONTROL_STATUS_APPLIED:
            self._view.committed(flow_id, outcome.version)
        else:
            self._view.forget(flow_id)
        if not is_open:
            del self._held[flow_id]
            if status not in (xapp_pb2.CONTROL_STATUS_APPLIED, xapp_pb2.CONTROL_STATUS_REJECTED):
                self._log.info("control.superseded", flow_id=flow_id, status=STATUS_LABELS.get(status, "unspecified"))
            return False
        if status == xapp_pb2.CONTROL_STATUS_INVALID:
            self._log.error("control.invalid", flow_id=flow_id, cause=outcome.cause.detail)
            self._give_up(held, admission_cause(Cause.CONTROL_INVALID, outcome.cause.detail))
            return False
        if not self._may_plan_again(held, outcome.version):
            self._give_up(held, outcome.cause)
            return False
        self._metrics.replans.inc()
        return True

    def _may_plan_again(self, held: _Held, decided_version: int) -> bool:
        if held.replans > 0 and held.planned_version < decided_version and held.overtaken < MAX_OVERTAKEN:
            held.overtaken += 1
            return True
        held.replans += 1
        return held.replans <= self.limits.replans

    def _decide(self, held: _Held) -> xapp_pb2.Control:
        started_s = time.perf_counter()
        try:
            plan = self._plan(self._basis(held), held.flow)
            control = self._control(held, plan)
        except Exception as error:  # an agent's defect costs its request, never the process or another request
            self._errors.add(error, flow_id=held.flow.flow_id)
            self._metrics.decisions["error"].inc()
            control = self._final_reject(held, admission_cause(Cause.AGENT_ERROR, repr(error)[:_MAX_DETAIL]))
        self._metrics.decision_seconds.observe(time.perf_counter() - started_s)
        return control

    def _plan(self, snapshot: Snapshot, flow: FlowRequest) -> Plan:
        """The agent's plan within what policies leave to it."""
        for used in self._steering.bases(flow.service, snapshot.used):
            plan = self._agent.decide(snapshot if used is snapshot.used else replace(snapshot, used=used), flow)
            if plan.accepted:
                break
        return plan

    def _basis(self, held: _Held) -> Snapshot:
        """What to plan on: the view, or what displacing would leave in use."""
        snapshot = self._view.snapshot
        if not held.used_if_displacing:
            return snapshot
        used = np.frombuffer(held.used_if_displacing, dtype="<u4")
        held.used_if_displacing = b""
        return replace(snapshot, used=used) if len(used) == len(snapshot.used) else snapshot

    def _control(self, held: _Held, plan: Plan) -> xapp_pb2.Control:
        """Raises InvalidRoute or OutOfRange when the agent's route is none of this flow."""
        if not plan.accepted:
            control = self._final_reject(held, admission_cause(plan.cause))
            if self._view.snapshot.pressure is not None:
                control.lacking_resources.extend(self._lacking(held.flow))
            self._metrics.decisions["reject"].inc()
            return control
        self._view.add(commit_request(self._city, held.flow, plan.links))
        self._metrics.decisions["route"].inc()
        held.planned_version = self._view.snapshot.version
        return xapp_pb2.Control(
            flow_id=held.flow.flow_id,
            snapshot_version=self._view.snapshot.version,
            route=xapp_pb2.Route(links=plan.links),
        )

    def _lacking(self, flow: FlowRequest) -> list[int]:
        """What the flow would have needed on the route it would take in an empty city, for the congestion signals."""
        snapshot = self._view.snapshot
        preferred = self._plan(replace(snapshot, used=np.zeros_like(snapshot.used)), flow)
        return lacking_resources(self._city, flow, snapshot.used, preferred.links) if preferred.accepted else []

    def _give_up(self, held: _Held, cause: common_pb2.Cause) -> None:
        self._controls.append(self._final_reject(held, cause))

    def _final_reject(self, held: _Held, cause: common_pb2.Cause) -> xapp_pb2.Control:
        held.rejected = True
        return self._reject(held.flow.flow_id, cause)

    def _reject(self, flow_id: str, cause: common_pb2.Cause) -> xapp_pb2.Control:
        return xapp_pb2.Control(flow_id=flow_id, snapshot_version=self._view.snapshot.version, reject=cause)
