"""A real gRPC server for E2TerminationService that does what a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc

from ric_sim.e2 import PROTOCOL_VERSION, RAN_FUNCTION_KPM, RAN_FUNCTION_RC
from ricity.e2.v1 import common_pb2, termination_pb2, termination_pb2_grpc

Answerer = Callable[[common_pb2.ServiceRequest], "termination_pb2.Answer | None"]


def rejected(
    request: common_pb2.ServiceRequest, cause: int = common_pb2.ADMISSION_CAUSE_NO_ROUTE_CAPACITY
) -> termination_pb2.Answer:
    """An xApp's reject."""
    return termination_pb2.Answer(
        flow_id=request.flow_id,
        rejected=common_pb2.Cause(admission=cause),
        xapp="routing",
        xapp_version="1.0.0",
        instance_id="a",
        attempts=1,
        deliveries=1,
    )


def applied(request: common_pb2.ServiceRequest, links: Iterable[int], *, latency_us: int = 5000) -> termination_pb2.Answer:
    """An applied route."""
    return termination_pb2.Answer(
        flow_id=request.flow_id,
        applied=termination_pb2.AppliedRoute(links=links, latency_us=latency_us, version=1),
        xapp="routing",
        xapp_version="1.0.0",
        instance_id="a",
        attempts=1,
        deliveries=1,
    )


def insert_subscription(
    subscription_id: int, keys: Iterable[str], ran_names: Iterable[str] = ()
) -> termination_pb2.NodeSubscription:
    """For these services, at all O-DUs unless named."""
    message = termination_pb2.NodeSubscription(
        subscription_id=subscription_id, ran_names=ran_names, ran_function_id=RAN_FUNCTION_RC
    )
    message.insert.service_keys.extend(keys)
    return message


def report_subscription(
    subscription_id: int, names: Iterable[str], *, period_ms: int, ran_names: Iterable[str] = ()
) -> termination_pb2.NodeSubscription:
    """For these measurements, at all nodes unless named."""
    message = termination_pb2.NodeSubscription(
        subscription_id=subscription_id, ran_names=ran_names, ran_function_id=RAN_FUNCTION_KPM
    )
    message.report.trigger.granularity_period_ms = period_ms
    message.report.action.measurement_names.extend(names)
    return message


@dataclass(eq=False)
class ScriptedRic(termination_pb2_grpc.E2TerminationServiceServicer):
    """Behaviour in its fields, what it has seen in the lists.

    Attributes:
        answer: what to answer a request; None leaves it open.
        subscriptions: held, and sent with the setup result.
        accepts, version, keep_alive_ms: of the setup result.
    """

    answer: Answerer = rejected
    subscriptions: list[termination_pb2.NodeSubscription] = field(default_factory=list)
    accepts: bool = True
    version: int = PROTOCOL_VERSION
    keep_alive_ms: int = 60_000
    port: int = 0
    setups: list[termination_pb2.SetupRequest] = field(default_factory=list)
    batches: list[termination_pb2.InsertBatch] = field(default_factory=list)
    received: list[common_pb2.ServiceRequest] = field(default_factory=list)
    results: list[termination_pb2.SubscriptionResult] = field(default_factory=list)
    reports: list[common_pb2.Report] = field(default_factory=list)
    defaulted: list[str] = field(default_factory=list)
    keep_alives: int = 0
    _context: Any = None
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _server: Any = None

    async def Connect(self, request_iterator: Any, context: Any) -> None:
        self._context = context
        async for message in request_iterator:
            kind = message.WhichOneof("message")
            if kind == "setup":
                self.setups.append(message.setup)
                await self._answer_setup()
                if not self.accepts:
                    return
            elif kind == "inserts":
                await self._take(message.inserts)
            elif kind == "subscription_result":
                self.results.append(message.subscription_result)
            elif kind == "reports":
                self.reports += message.reports.reports
            elif kind == "defaulted":
                self.defaulted += message.defaulted.flow_ids
            else:
                self.keep_alives += 1

    async def _answer_setup(self) -> None:
        result = termination_pb2.SetupResult(
            accepted=self.accepts,
            protocol_version=self.version,
            ric_id="001_001_00001",
            keep_alive_ms=self.keep_alive_ms,
            subscriptions=self.subscriptions,
        )
        if not self.accepts:
            result.cause.CopyFrom(common_pb2.Cause(protocol=common_pb2.PROTOCOL_CAUSE_SEMANTIC_ERROR, detail="not today"))
        await self.say(setup_result=result)

    async def _take(self, batch: termination_pb2.InsertBatch) -> None:
        self.batches.append(batch)
        self.received += batch.requests
        answers = [answer for request in batch.requests if (answer := self.answer(request)) is not None]
        if answers:
            await self.say(answers=termination_pb2.AnswerBatch(answers=answers))

    async def say(self, **message: Any) -> None:
        """Sends one message on the present association; a stream takes one at a time."""
        async with self._writing:
            await self._context.write(termination_pb2.ConnectResponse(**message))

    async def subscribe(self, subscription: termination_pb2.NodeSubscription) -> None:
        """Subscribes now, and with every later setup."""
        self.subscriptions.append(subscription)
        await self.say(subscription=subscription)

    async def start(self) -> None:
        """Serves on its port, a free one the first time."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        termination_pb2_grpc.add_E2TerminationServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def kill(self) -> None:
        """Breaks every association at once and stops listening."""
        await self._server.stop(None)


@contextlib.asynccontextmanager
async def scripted_ric(**behaviour: Any) -> AsyncIterator[ScriptedRic]:
    """A RIC that listens until the end of the context."""
    ric = ScriptedRic(**behaviour)
    await ric.start()
    try:
        yield ric
    finally:
        await ric.kill()
        await asyncio.sleep(0)
