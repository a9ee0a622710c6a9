"""The life of a service request at the RIC: taken in, delivered, controlled, committed, answered exactly once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any

from ric_sim.domain.errors import InvalidInput
from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import CommitOutcome, CommitStatus
from ric_sim.e2.codec import MAX_TIME_TO_WAIT_MS, admission_cause, cause_from_proto, flow_from_proto, resource_name
from ric_sim.e2.delivery import Origin, Pending, Pool
from ric_sim.e2.displacing import Displacing
from ric_sim.e2.policies import PolicyBook
from ric_sim.e2.ports import XappPort
from ric_sim.e2.request_tally import RequestTally
from ric_sim.e2.store_gate import StoreGate
from ric_sim.e2.version_outcomes import OutcomeBook
from ric_sim.network.admission import commit_request
from ric_sim.network.city import City
from ric_sim.store.congestion import Refusal
from ric_sim.telemetry import counter, histogram
from ricity.e2.v1 import common_pb2, termination_pb2, xapp_pb2

QUEUE_REQUESTS = 8192
"""Requests that may wait per xApp; more get the node's default action with cause QUEUE_FULL."""


class RequestBook:
    """All requests that wait for their answer, and the pools of those who can give one."""

    def __init__(self, city: City, gate: StoreGate, displacing: Displacing, policies: PolicyBook) -> None:
        self._city = city
        self._gate = gate
        self._displacing = displacing
        self._policies = policies
        self._pending: dict[str, Pending] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.tally = RequestTally(len(city.services))
        self.pools: dict[str, Pool] = {}
        self.outcomes = OutcomeBook(self.pools)
        self.owners: dict[int, str] = {}
        """Service index -> name of the xApp that takes its requests."""

    def __len__(self) -> int:
        return len(self._pending)

    def waiting_services(self) -> Iterator[int]:
        """The service of each request that waits for its answer."""
        return (pending.flow.service for pending in self._pending.values())

    def pool(self, xapp_name: str) -> Pool:
        """The pool of an xApp, made at its first use."""
        return self.pools.setdefault(xapp_name, Pool(xapp_name, capacity=QUEUE_REQUESTS))

    # --- from the nodes ------------------------------------------------------------------------------------------------

    def receive(self, origin: Origin, batch: termination_pb2.InsertBatch) -> None:
        """Takes requests in. A request already waiting (sent again after a lost association) is only re-addressed."""
        self._gate.see_time(max([batch.now_ms, *(request.arrival_ms for request in batch.requests)]))
        for request in batch.requests:
            waiting = self._pending.get(request.flow_id)
            if waiting is not None:
                waiting.origin = origin
                continue
            try:
                flow = flow_from_proto(self._city, request)
            except InvalidInput as error:
                counter("ricity_ric_invalid_messages_total").labels(cause=error.code).inc()
                origin.push_answer(_default(request.flow_id, _semantic_error(error)))
                continue
            counter("ricity_ric_inserts_total").labels(service=self._key(flow.service)).inc()
            self.tally.received(flow.service)
            pending = Pending(flow, request, origin, time.monotonic_ns())
            self._pending[flow.flow_id] = pending
            self._start_timer(pending)
            if request.resent:
                self._spawn(self._resume(pending))
            else:
                self._offer(pending)

    def give_up(self, flow_ids: Iterable[str]) -> None:
        """The node has taken its default action for these itself; whatever was or is being committed is given back."""
        for flow_id in flow_ids:
            pending = self._pending.get(flow_id)
            if pending is not None and pending.committing:
                pending.expired = True
                continue
            if pending is not None:
                self.tally.given_up(pending.flow.service)
                self._forget(pending)
            self._spawn(self._give_back(flow_id))

    # --- from the xApps ------------------------------------------------------------------------------------------------

    def control(self, port: XappPort, control: xapp_pb2.Control) -> None:
        """An xApp's decision on a request it holds; the outcome goes to its port."""
        pending = self._pending.get(control.flow_id)
        if pending is None or pending.committing or pending.instance is None or pending.instance is not port.instance:
            self._refuse(port, control, xapp_pb2.CONTROL_STATUS_UNKNOWN_REQUEST, "not waiting for an answer of this instance")
            return
        pending.attempts += 1
        decision = control.WhichOneof("decision")
        if decision == "reject":
            if control.lacking_resources:
                self._spawn(self._publish_lack(pending.flow.service, control.lacking_resources))
            if self._displacing.may_try(pending, cause_from_proto(control.reject)):
                pending.displacing = True
                self._spawn(self._ask_again(pending, port, control.reject))
            else:
                self._reject(pending, port, control.reject)
            return
        try:
            priority = self._displacing.priorities[pending.flow.service]
            # A plan that was overtaken by another commit is made again; only who found no route displaces anybody.
            request = commit_request(
                self._city, pending.flow, control.route.links, priority=priority, displaces=pending.displacing
            )
        except InvalidInput as error:
            self._refuse(port, control, xapp_pb2.CONTROL_STATUS_INVALID, str(error))
            return
        if (refusal := self._policies.refusal(request)) is not None:
            self._abort_by_policy(pending, port, *refusal)
            return
        pending.committing = True
        self._gate.submit(request, lambda outcome: self._decided(pending, port, outcome), planned=control.snapshot_version)

    def detach(self, port: XappPort) -> None:
        """An instance is gone; what it had not answered goes to another one."""
        if port.instance is None:
            return
        for pending in self.pool(port.instance.xapp_name).detach(port.instance):
            counter("ricity_ric_redelivered_total").labels(service=self._key(pending.flow.service)).inc()
            self.outcomes.lost(pending, port.instance)

    def abandon_service(self, service: int) -> None:
        """Nobody serves it any more: everything that waits gets the node's default action."""
        owner = self.owners.pop(service, None)
        if owner is not None:
            for pending in self.pool(owner).take_waiting(service):
                self._default(pending, Cause.NO_SUBSCRIBER, "no instance of its xApp is attached")

    # --- inside --------------------------------------------------------------------------------------------------------

    def _offer(self, pending: Pending) -> None:
        owner = self.owners.get(pending.flow.service)
        if owner is None:
            self._default(pending, Cause.NO_SUBSCRIBER, "no xApp serves this service")
        elif not self.pool(owner).offer(pending):
            counter("ricity_ric_dropped_total").labels(queue="inserts").inc()
            self._default(pending, Cause.QUEUE_FULL, f"{QUEUE_REQUESTS} requests wait for {owner}")

    def _reject(self, pending: Pending, port: XappPort, cause: common_pb2.Cause) -> None:
        """The xApp's own reject is passed on."""
        if cause_from_proto(cause) == Cause.AGENT_ERROR and pending.instance is not None:
            pending.instance.failed_total += 1
        self._answer(pending, _rejected(pending, cause), "rejected")
        port.push_outcome(xapp_pb2.ControlOutcome(flow_id=pending.flow.flow_id, status=xapp_pb2.CONTROL_STATUS_REJECTED))

    def _abort_by_policy(self, pending: Pending, port: XappPort, resource: int, cause: common_pb2.Cause) -> None:
        """As the store would abort it, had the resource no room at all; the request is still open."""
        service = self._key(pending.flow.service)
        self.outcomes.aborted(pending)
        counter("ricity_ric_commits_total").labels(service=service, status="aborted").inc()
        counter("ricity_ric_aborts_total").labels(service=service, cause=cause_from_proto(cause).label).inc()
        version = self._gate.latest.version if self._gate.latest is not None else 0
        port.push_outcome(
            xapp_pb2.ControlOutcome(
                flow_id=pending.flow.flow_id,
                status=xapp_pb2.CONTROL_STATUS_ABORTED,
                cause=cause,
                resource=resource,
                version=version,
            )
        )

    async def _ask_again(self, pending: Pending, port: XappPort, cause: common_pb2.Cause) -> None:
        """The xApp holds a request it has rejected until it is asked again or its reject is confirmed."""
        question = await self._displacing.question(pending)
        if self._pending.get(pending.flow.flow_id) is not pending:
            return  # it has its default action by now
        if pending.instance is None or pending.instance is not port.instance:
            pending.displacing = False  # another instance begins anew
        elif question is None:
            self._reject(pending, port, cause)
        else:
            port.push(question)

    async def _publish_lack(self, service: int, resources: Iterable[int]) -> None:
        known = [Refusal(service, resource) for resource in resources if resource < self._city.n_resources]
        if self._gate.latest is not None and self._gate.latest.pressure is not None:
            await self._gate.publish_refusals(known)

    async def _resume(self, pending: Pending) -> None:
        """A request sent again to a RIC that does not know it: it may have been committed before a restart."""
        pending.committing = True
        outcome = await self._gate.lookup(pending.flow.flow_id)
        pending.committing = False
        if pending.expired:
            await self._undo(pending, outcome is not None)
        elif outcome is not None:
            self._answer(pending, _applied(pending, outcome), "applied")
        else:
            self._offer(pending)

    def _decided(self, pending: Pending, port: XappPort, outcome: CommitOutcome) -> None:
        """The store's verdict on a commit."""
        pending.committing = False
        service = self._key(pending.flow.service)
        counter("ricity_ric_commits_total").labels(service=service, status=outcome.status.name.lower()).inc()
        took = outcome.status != CommitStatus.ABORTED
        if not took:
            self.outcomes.aborted(pending)
            counter("ricity_ric_aborts_total").labels(service=service, cause=outcome.cause.label).inc()
        if outcome.displaced:
            self._spawn(self._displacing.announce(pending.flow, outcome))
        port.push_outcome(self._outcome_message(outcome))
        if pending.expired:
            self._spawn(self._undo(pending, took))
        elif took:
            self._answer(pending, _applied(pending, outcome), "applied")
        elif pending.instance is None:
            self._offer(pending)

    async def _undo(self, pending: Pending, took: bool) -> None:  # noqa: FBT001 - the verdict of the commit
        """The time-to-wait ran out while committing: give back what was taken, then the default action."""
        if took:
            await self._give_back(pending.flow.flow_id)
        self._default(pending, Cause.TIME_TO_WAIT_EXPIRED, "answered too late")

    async def _give_back(self, flow_id: str) -> None:
        await self._gate.release([flow_id])

    def _expire(self, pending: Pending) -> None:
        if pending.committing:
            pending.expired = True
        elif pending.flow.flow_id in self._pending:
            self._default(pending, Cause.TIME_TO_WAIT_EXPIRED, "no answer within the time-to-wait")

    def _default(self, pending: Pending, cause: Cause, detail: str) -> None:
        counter("ricity_ric_default_actions_total").labels(service=self._key(pending.flow.service), cause=cause.label).inc()
        self._answer(pending, _default(pending.flow.flow_id, admission_cause(cause, detail), pending), "default")

    def _answer(self, pending: Pending, answer: termination_pb2.Answer, outcome: str) -> None:
        """The one place where a request gets its answer and leaves the book."""
        service = self._key(pending.flow.service)
        self.tally.answered(pending, outcome, is_first=self._pending.get(pending.flow.flow_id) is pending)
        self.outcomes.answered(pending, outcome, _cause(answer))
        self._forget(pending)
        pending.origin.push_answer(answer)
        counter("ricity_ric_answers_total").labels(service=service, outcome=outcome).inc()
        elapsed_s = (time.monotonic_ns() - pending.received_ns) / 1e9
        histogram("ricity_ric_decision_seconds").labels(service=service).observe(elapsed_s)

    def _forget(self, pending: Pending) -> None:
        self._pending.pop(pending.flow.flow_id, None)
        if pending.cancel_timer is not None:
            pending.cancel_timer()
        owner = pending.instance.xapp_name if pending.instance else self.owners.get(pending.flow.service)
        if owner is not None:
            self.pool(owner).withdraw(pending)

    def _start_timer(self, pending: Pending) -> None:
        wait_ms = min(pending.request.time_to_wait_ms or MAX_TIME_TO_WAIT_MS, MAX_TIME_TO_WAIT_MS)
        timer = asyncio.get_running_loop().call_later(wait_ms / 1000, self._expire, pending)
        pending.cancel_timer = timer.cancel

    def _refuse(self, port: XappPort, control: xapp_pb2.Control, status: xapp_pb2.ControlStatus.ValueType, detail: str) -> None:
        cause = common_pb2.Cause(detail=detail)
        if status == xapp_pb2.CONTROL_STATUS_INVALID:
            cause.ric = common_pb2.RIC_CAUSE_CONTROL_MESSAGE_INVALID
        else:
            cause.ric = common_pb2.RIC_CAUSE_CALL_PROCESS_ID_INVALID
        counter("ricity_ric_invalid_messages_total").labels(cause=common_pb2.RicCause.Name(cause.ric).lower()).inc()
        port.push_outcome(xapp_pb2.ControlOutcome(flow_id=control.flow_id, status=status, cause=cause))

    def _outcome_message(self, outcome: CommitOutcome) -> xapp_pb2.ControlOutcome:
        message = xapp_pb2.ControlOutcome(
            flow_id=outcome.flow_id,
            version=outcome.version,
            latency_us=outcome.latency_us,
            applied_links=outcome.route,
            status=_CONTROL_STATUS[outcome.status],
        )
        if outcome.status == CommitStatus.ABORTED:
            detail = resource_name(self._city, outcome.resource) if outcome.resource >= 0 else "end-to-end latency over budget"
            message.cause.CopyFrom(admission_cause(outcome.cause, detail))
            message.resource, message.used, message.limit = max(outcome.resource, 0), outcome.used, outcome.limit
        return message

    def _key(self, service: int) -> str:
        return self._city.services[service].key

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_CONTROL_STATUS = {
    CommitStatus.COMMITTED: xapp_pb2.CONTROL_STATUS_APPLIED,
    CommitStatus.DUPLICATE: xapp_pb2.CONTROL_STATUS_ALREADY_APPLIED,
    CommitStatus.CONFLICT: xapp_pb2.CONTROL_STATUS_ALREADY_APPLIED,
    CommitStatus.ABORTED: xapp_pb2.CONTROL_STATUS_ABORTED,
}


def _signed(pending: Pending) -> dict[str, Any]:
    """Who answered, and what it took."""
    instance = pending.instance
    return {
        "flow_id": pending.flow.flow_id,
        "xapp": instance.xapp_name if instance else "",
        "xapp_version": instance.version if instance else "",
        "instance_id": instance.instance_id if instance else "",
        "attempts": pending.attempts,
        "deliveries": pending.deliveries,
    }


def _applied(pending: Pending, outcome: CommitOutcome) -> termination_pb2.Answer:
    applied = termination_pb2.AppliedRoute(links=outcome.route, latency_us=outcome.latency_us, version=outcome.version)
    return termination_pb2.Answer(applied=applied, **_signed(pending))


def _rejected(pending: Pending, cause: common_pb2.Cause) -> termination_pb2.Answer:
    return termination_pb2.Answer(rejected=admission_cause(cause_from_proto(cause), cause.detail), **_signed(pending))


def _default(flow_id: str, cause: common_pb2.Cause, pending: Pending | None = None) -> termination_pb2.Answer:
    signature = _signed(pending) if pending is not None else {"flow_id": flow_id}
    return termination_pb2.Answer(default_action=cause, **signature)


def _cause(answer: termination_pb2.Answer) -> str:
    """Why it was not carried, as a label; empty for an applied route."""
    kind = answer.WhichOneof("outcome")
    if kind is None or kind == "applied":
        return ""
    return cause_from_proto(getattr(answer, kind)).label


def _semantic_error(error: InvalidInput) -> common_pb2.Cause:
    return common_pb2.Cause(protocol=common_pb2.PROTOCOL_CAUSE_SEMANTIC_ERROR, detail=str(error))
