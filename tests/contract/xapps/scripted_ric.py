"""A small RIC for xApp tests: real gRPC, real commits (in a `MemoryStore`), one instance at a time, and scripted faults.

It keeps the promises of proto/ricity/e2/v1/xapp.proto that an xApp can see: registration, one outcome per control, no more
requests than the window, a drain notice once everything held is answered. `meddle` lets a test answer a control otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from ric_sim.domain.errors import InvalidInput
from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.reservation import CommitStatus
from ric_sim.e2 import PROTOCOL_VERSION
from ric_sim.e2.codec import admission_cause, flow_from_proto, flow_to_proto, snapshot_to_proto
from ric_sim.network.admission import commit_request
from ric_sim.network.city import City
from ric_sim.network.city_file import city_to_json
from ric_sim.store.base import StoreLayout
from ric_sim.store.memory_store import MemoryStore
from ricity.e2.v1 import common_pb2, xapp_pb2, xapp_pb2_grpc
from services.common.server import CHANNEL_OPTIONS

Meddler = Callable[[xapp_pb2.Control], xapp_pb2.ControlOutcome | None]

_STATUS = {
    CommitStatus.COMMITTED: xapp_pb2.CONTROL_STATUS_APPLIED,
    CommitStatus.DUPLICATE: xapp_pb2.CONTROL_STATUS_ALREADY_APPLIED,
    CommitStatus.CONFLICT: xapp_pb2.CONTROL_STATUS_ALREADY_APPLIED,
    CommitStatus.ABORTED: xapp_pb2.CONTROL_STATUS_ABORTED,
}
_FINAL = {
    xapp_pb2.CONTROL_STATUS_APPLIED,
    xapp_pb2.CONTROL_STATUS_ALREADY_APPLIED,
    xapp_pb2.CONTROL_STATUS_REJECTED,
    xapp_pb2.CONTROL_STATUS_UNKNOWN_REQUEST,
}


@dataclass
class Attachment:
    """One stream: what came in on it, and a queue of what is to go out."""

    register: xapp_pb2.RegisterRequest
    outgoing: asyncio.Queue[xapp_pb2.AttachResponse | None] = field(default_factory=asyncio.Queue)
    subscriptions: list[xapp_pb2.SubscribeRequest] = field(default_factory=list)
    outstanding: dict[str, FlowRequest] = field(default_factory=dict)
    keep_alives: int = 0
    config_answers: list[xapp_pb2.ConfigAnswer] = field(default_factory=list)
    draining: bool = False


@dataclass
class ScriptedRic:
    """`async with ScriptedRic(city) as ric`; then `ric.target`, `ric.offer(flows)`, and what it saw."""

    city: City
    protocol_version: int = PROTOCOL_VERSION
    fingerprint: str | None = None
    refusal: common_pb2.Cause | None = None
    keep_alive_ms: int = 1_500
    sends_keep_alives: bool = True
    meddle: Meddler = lambda control: None
    port: int = 0
    store: MemoryStore = field(default_factory=MemoryStore)
    attachments: list[Attachment] = field(default_factory=list)
    controls: list[xapp_pb2.Control] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    answers: dict[str, xapp_pb2.ControlOutcome] = field(default_factory=dict)
    refused_registrations: int = 0

    async def __aenter__(self) -> ScriptedRic:
        self._changed = asyncio.Event()
        self._waiting: deque[FlowRequest] = deque()
        layout = StoreLayout(self.city.n_links, self.city.n_nodes, self.city.limits, self.city.fingerprint)
        self.store.create(layout)
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens; the second time on the same port."""
        self._server = grpc.aio.server(options=[*CHANNEL_OPTIONS, ("grpc.so_reuseport", 0)])
        xapp_pb2_grpc.add_XappServiceServicer_to_server(_Servicer(self), self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        """Breaks every stream and stops listening; what was delivered and not answered waits again."""
        await self._server.stop(0)
        for attachment in self.attachments:
            self._waiting.extend(attachment.outstanding.values())
            attachment.outstanding.clear()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def attachment(self) -> Attachment:
        """The newest one."""
        return self.attachments[-1]

    async def until(self, condition: Callable[[], bool], *, within_s: float = 30.0) -> None:
        """Waits until something that the RIC saw makes the condition true."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def subscribed(self, *, times: int = 1) -> None:
        """Waits until an xApp has attached so many times and subscribed the last time."""
        await self.until(lambda: len(self.attachments) >= times and bool(self.attachments[-1].subscriptions))

    def offer(self, flows: Sequence[FlowRequest], *, beyond_window: bool = False) -> None:
        """Requests for the xApp, delivered as its window allows (or all at once)."""
        self._waiting.extend(flows)
        self._deliver(beyond_window=beyond_window)

    def send(self, message: xapp_pb2.AttachResponse) -> None:
        """Sends anything."""
        self.attachment.outgoing.put_nowait(message)

    def send_report(self, report: common_pb2.Report) -> None:
        """A REPORT indication."""
        self.send(xapp_pb2.AttachResponse(reports=xapp_pb2.ReportIndications(reports=[report])))

    # --- inside ---

    def registered(self, request: xapp_pb2.RegisterRequest) -> Attachment | xapp_pb2.RegisterResult:
        """The new attachment, or the refusal."""
        if self.refusal is not None:
            self.refused_registrations += 1
            self._changed.set()
            return xapp_pb2.RegisterResult(cause=self.refusal, protocol_version=self.protocol_version)
        attachment = Attachment(request)
        self.attachments.append(attachment)
        result = xapp_pb2.RegisterResult(
            accepted=True,
            protocol_version=self.protocol_version,
            city_fingerprint=self.fingerprint or self.city.fingerprint,
            keep_alive_ms=self.keep_alive_ms,
        )
        attachment.outgoing.put_nowait(xapp_pb2.AttachResponse(register_result=result))
        return attachment

    def take(self, attachment: Attachment, message: xapp_pb2.AttachRequest) -> None:
        """One message of an attached xApp."""
        match message.WhichOneof("message"):
            case "subscribe":
                attachment.subscriptions.append(message.subscribe)
                result = xapp_pb2.SubscribeResult(
                    request_id=message.subscribe.request_id, admitted=True, subscription_id=len(attachment.subscriptions)
                )
                attachment.outgoing.put_nowait(xapp_pb2.AttachResponse(subscribe_result=result))
                self._deliver()
            case "controls":
                self._control(attachment, message.controls.controls)
            case "config_answer":
                attachment.config_answers.append(message.config_answer)
            case "drain":
                attachment.draining = True
            case "keep_alive":
                attachment.keep_alives += 1
        if attachment.draining and not attachment.outstanding:
            attachment.outgoing.put_nowait(xapp_pb2.AttachResponse(drain=xapp_pb2.DrainNotice()))
        self._changed.set()

    def _deliver(self, *, beyond_window: bool = False) -> None:
        attachment = self.attachments[-1] if self.attachments else None
        if attachment is None or attachment.draining or not any(s.HasField("insert") for s in attachment.subscriptions):
            return
        room = len(self._waiting) if beyond_window else attachment.register.window - len(attachment.outstanding)
        flows = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        if flows:
            attachment.outstanding.update({flow.flow_id: flow for flow in flows})
            inserts = xapp_pb2.InsertIndications(
                snapshot=snapshot_to_proto(self.store.snapshot()),
                requests=[flow_to_proto(flow, time_to_wait_ms=10_000) for flow in flows],
            )
            attachment.outgoing.put_nowait(xapp_pb2.AttachResponse(inserts=inserts))

    def _control(self, attachment: Attachment, controls: Sequence[xapp_pb2.Control]) -> None:
        self.batches.append(len(controls))
        batch = xapp_pb2.ControlOutcomeBatch()
        for control in controls:
            self.controls.append(control)
            outcome = self.meddle(control) or self._outcome(attachment, control)
            batch.outcomes.append(outcome)
            if outcome.status in _FINAL and attachment.outstanding.pop(control.flow_id, None):
                self.answers[control.flow_id] = outcome
        if any(outcome.status == xapp_pb2.CONTROL_STATUS_ABORTED for outcome in batch.outcomes):
            batch.snapshot.CopyFrom(snapshot_to_proto(self.store.snapshot()))
        attachment.outgoing.put_nowait(xapp_pb2.AttachResponse(outcomes=batch))
        self._deliver()

    def _outcome(self, attachment: Attachment, control: xapp_pb2.Control) -> xapp_pb2.ControlOutcome:
        message = xapp_pb2.ControlOutcome(flow_id=control.flow_id)
        flow = attachment.outstanding.get(control.flow_id)
        if flow is None:
            message.status = xapp_pb2.CONTROL_STATUS_UNKNOWN_REQUEST
        elif control.WhichOneof("decision") == "reject":
            message.status = xapp_pb2.CONTROL_STATUS_REJECTED
            message.cause.CopyFrom(control.reject)
        else:
            try:
                request = commit_request(self.city, flow_from_proto(self.city, flow_to_proto(flow)), control.route.links)
            except InvalidInput as error:
                message.status = xapp_pb2.CONTROL_STATUS_INVALID
                message.cause.detail = str(error)
                return message
            (outcome,) = self.store.commit([request], now_ms=flow.arrival_ms)
            message.status, message.version = _STATUS[outcome.status], outcome.version
            message.latency_us = outcome.latency_us
            message.applied_links.extend(outcome.route)
            if outcome.status == CommitStatus.ABORTED:
                message.cause.CopyFrom(admission_cause(outcome.cause))
        return message


class _Servicer(xapp_pb2_grpc.XappServiceServicer):
    def __init__(self, ric: ScriptedRic) -> None:
        self._ric = ric

    async def GetCity(self, request: Any, context: Any) -> xapp_pb2.GetCityResponse:
        return xapp_pb2.GetCityResponse(city_json=city_to_json(self._ric.city))

    async def Attach(self, request_iterator: Any, context: Any) -> AsyncIterator[xapp_pb2.AttachResponse]:
        first = await anext(aiter(request_iterator))
        attachment = self._ric.registered(first.register)
        if isinstance(attachment, xapp_pb2.RegisterResult):
            yield xapp_pb2.AttachResponse(register_result=attachment)
            return
        activities = [asyncio.create_task(self._read(attachment, request_iterator))]
        if self._ric.sends_keep_alives:
            activities.append(asyncio.create_task(self._keep_alive(attachment)))
        try:
            while (response := await attachment.outgoing.get()) is not None:
                yield response
        finally:
            for activity in activities:
                activity.cancel()
            await asyncio.gather(*activities, return_exceptions=True)

    async def _read(self, attachment: Attachment, request_iterator: Any) -> None:
        with contextlib.suppress(grpc.RpcError):
            async for message in request_iterator:
                self._ric.take(attachment, message)
        attachment.outgoing.put_nowait(None)

    async def _keep_alive(self, attachment: Attachment) -> None:
        while True:
            await asyncio.sleep(self._ric.keep_alive_ms / 1000)
            attachment.outgoing.put_nowait(xapp_pb2.AttachResponse(keep_alive=xapp_pb2.KeepAliveNotice(sequence=1)))
