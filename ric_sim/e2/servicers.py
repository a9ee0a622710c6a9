"""gRPC to and from the E2 termination. Nothing is decided here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from ric_sim.domain.errors import InvalidInput, OversizeMessage
from ric_sim.e2.ports import AgentPort, Port, XappPort
from ric_sim.e2.scopes import Access, OpenAccess, Scope
from ric_sim.e2.termination import KEEP_ALIVE_MS, SILENT_PERIODS, Termination
from ric_sim.telemetry import counter
from ricity.e2.v1 import termination_pb2, termination_pb2_grpc, xapp_pb2, xapp_pb2_grpc

MAX_ITEMS_PER_MESSAGE = 4096


class TerminationServicer(termination_pb2_grpc.E2TerminationServiceServicer):
    """Associations with node agents."""

    def __init__(self, termination: Termination) -> None:
        self._termination = termination

    async def Connect(self, request_iterator: Any, context: Any) -> AsyncIterator[termination_pb2.ConnectResponse]:
        port = AgentPort()
        async with _attended(port, request_iterator, lambda message: self._take(port, message)) as failure:
            try:
                async for response in port.messages():
                    yield response
            finally:
                self._termination.agent_lost(port)
        _raise_first(failure)

    def _take(self, port: AgentPort, message: termination_pb2.ConnectRequest) -> None:
        kind = message.WhichOneof("message")
        if kind == "setup":
            _check_size("nodes", len(message.setup.nodes))
            self._termination.setup(port, message.setup)
        elif not port.agent_id:
            raise InvalidInput(f"the first message of an association is setup, got {kind or 'an unknown message'}")
        elif kind == "inserts":
            _check_size("requests", len(message.inserts.requests))
            self._termination.requests.receive(port, message.inserts)
        elif kind == "reports":
            _check_size("reports", len(message.reports.reports))
            self._termination.reports(message.reports)
        elif kind == "defaulted":
            self._termination.requests.give_up(message.defaulted.flow_ids)
        elif kind == "subscription_result":
            if not message.subscription_result.admitted:
                counter("ricity_ric_invalid_messages_total").labels(cause="subscription_refused_by_node").inc()
        elif kind != "keep_alive":
            raise InvalidInput("the message is of a kind this RIC does not know: check the protocol versions")


class XappServicer(xapp_pb2_grpc.XappServiceServicer):
    """Attached xApps."""

    def __init__(self, termination: Termination, city_json: bytes, access: Access | None = None) -> None:
        """`access`: what each xApp may attach as and subscribe to; None: everything."""
        self._termination = termination
        self._city_json = city_json
        self._access = access or OpenAccess()

    async def GetCity(self, request: Any, context: Any) -> xapp_pb2.GetCityResponse:
        return xapp_pb2.GetCityResponse(city_json=self._city_json)

    async def Attach(self, request_iterator: Any, context: Any) -> AsyncIterator[xapp_pb2.AttachResponse]:
        port = XappPort(self._termination.gate)
        port.scope = self._access.scope(context)
        async with _attended(port, request_iterator, lambda message: self._take(port, message)) as failure:
            try:
                async for response in port.messages():
                    yield response
            finally:
                self._termination.xapp_lost(port)
        _raise_first(failure)

    def _take(self, port: XappPort, message: xapp_pb2.AttachRequest) -> None:
        kind = message.WhichOneof("message")
        instance = port.instance
        if kind == "register":
            if instance is not None:
                raise InvalidInput(f"{port.label} is registered already: one registration per stream")
            port.scope.require_name(message.register.xapp_name)
            self._termination.register(port, message.register)
        elif instance is None:
            raise InvalidInput(f"the first message of an xApp is register, got {kind or 'an unknown message'}")
        elif kind == "controls":
            _check_size("controls", len(message.controls.controls))
            for control in message.controls.controls:
                self._termination.requests.control(port, control)
        elif kind == "subscribe":
            check_subscription(port.scope, message.subscribe)
            self._termination.subscribe(port, instance, message.subscribe)
        elif kind == "unsubscribe":
            self._termination.unsubscribe(port, message.unsubscribe.subscription_id)
        elif kind == "steering_confirmation":
            self._termination.policies.confirm(port, message.steering_confirmation.generation)
        elif kind == "config_answer":
            self._termination.configurations.answered(port, message.config_answer)
        elif kind == "drain":
            self._termination.drain(port, instance)
        elif kind != "keep_alive":
            raise InvalidInput("the message is of a kind this RIC does not know: check the protocol versions")


def check_subscription(scope: Scope, request: xapp_pb2.SubscribeRequest) -> None:
    """Raises `PermissionDenied` for services or nodes outside the scope."""
    if request.WhichOneof("action") == "insert":
        scope.require_services(request.insert.service_keys)
    scope.require_nodes(request.ran_names)


@contextlib.asynccontextmanager
async def _attended(port: Port, incoming: Any, take: Callable[[Any], None]) -> AsyncIterator[list[Exception]]:
    """Reads a stream and watches over its peer while the caller writes; yields a list that gets a refused message's error."""
    failure: list[Exception] = []
    reader = asyncio.create_task(_read(port, incoming, take, failure))
    watcher = asyncio.create_task(_watch(port))
    try:
        yield failure
    finally:
        reader.cancel()
        watcher.cancel()
        await asyncio.gather(reader, watcher, return_exceptions=True)


async def _read(port: Port, incoming: Any, take: Callable[[Any], None], failure: list[Exception]) -> None:
    try:
        async for message in incoming:
            port.heard()
            take(message)
    except Exception as error:  # the writer's side ends the stream with it
        failure.append(error)
    finally:
        port.close()


async def _watch(port: Port) -> None:
    """Sends keep-alives; closes a port whose peer has been silent for too long."""
    silent_periods = 0  # not seconds: what came while this process stood still is yet to be read
    while not port.closed:
        await asyncio.sleep(KEEP_ALIVE_MS / 1000)
        silent_periods = 0 if port.was_heard() else silent_periods + 1
        if silent_periods >= SILENT_PERIODS:
            counter("ricity_ric_dropped_total").labels(queue="silent_peers").inc()
            port.close()
        port.keep_alive()


def _raise_first(failure: list[Exception]) -> None:
    if failure:
        raise failure[0]


def _check_size(what: str, count: int) -> None:
    if count > MAX_ITEMS_PER_MESSAGE:
        raise OversizeMessage(f"{count} {what} in one message: send at most {MAX_ITEMS_PER_MESSAGE}")
