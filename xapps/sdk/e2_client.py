"""One association with the RIC: a channel, one `Attach` stream, its procedures. No reconnecting: `XappRuntime` does that.

Everything an instance exchanges with the RIC shares one stream: several hot streams in one process cost many times the
CPU per message of a single one. One task reads, one writes (controls that are ready together leave together), one keeps
the association alive and notices when the RIC has gone silent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import grpc

from ric_sim.domain.errors import RefusedByRic, RicityError, RicUnreachable, UnsupportedVersion
from ric_sim.e2 import PROTOCOL_VERSION, RAN_FUNCTION_KPM, RAN_FUNCTION_RC
from ricity.e2.v1 import xapp_pb2, xapp_pb2_grpc
from services.common.tls import LOOPBACK, Transport

ANSWER_TIMEOUT_S = 5.0
"""How long the RIC may take to answer a procedure before it counts as unreachable."""

SILENT_PERIODS = 3
"""Keep-alive periods without any message after which the RIC counts as gone (E2: every 1.5 s, gone after 4.5 s)."""

_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who attaches; fields as in `RegisterRequest`."""

    xapp_name: str
    xapp_version: str
    instance_id: str
    weight: int = 100
    window: int = 64
    config_generation: int = 0
    live_settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """What the RIC said to the registration."""

    city_fingerprint: str
    keep_alive_ms: int


@dataclass(frozen=True, slots=True)
class Subscribed:
    """An admitted subscription; `merged`: an identical one existed already."""

    subscription_id: int
    merged: bool


class Listener(Protocol):
    """Takes what the RIC sends unasked. Called on the event loop; must not block."""

    def on_inserts(self, message: xapp_pb2.InsertIndications) -> None: ...

    def on_outcomes(self, batch: xapp_pb2.ControlOutcomeBatch) -> None: ...

    def on_reports(self, message: xapp_pb2.ReportIndications) -> None: ...

    def on_steering(self, notice: xapp_pb2.SteeringNotice) -> None:
        """Returns once every later decision obeys; the RIC is told so then."""

    def on_config(self, notice: xapp_pb2.ConfigNotice) -> xapp_pb2.ConfigAnswer:
        """Returns what the RIC is to be told; every later decision obeys what was taken."""


class E2Client:
    """Use as `async with E2Client("host:port") as client`, then `attach`, then subscribe.

    Every procedure raises `RicUnreachable` when the RIC does not answer and `RefusedByRic` when it says no.
    """

    def __init__(self, target: str, transport: Transport = LOOPBACK) -> None:
        """Raises `CertificateUnusable`, `InvalidInput`: see `Transport.channel`."""
        self._target = target
        self._channel = transport.channel(target, peer="ric")
        self._stub = xapp_pb2_grpc.XappServiceStub(self._channel)
        self._call: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._outbox: deque[xapp_pb2.AttachRequest] = deque()
        self._controls: list[xapp_pb2.Control] = []
        self._outgoing = asyncio.Event()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._next_request = 1
        self._drained = asyncio.Event()
        self._heard = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def get_city(self) -> bytes:
        """The city the RIC serves, as JSON (docs/city.md)."""
        response = await self._answered(self._stub.GetCity(xapp_pb2.GetCityRequest(), timeout=ANSWER_TIMEOUT_S))
        return response.city_json

    async def attach(self, identity: Identity, listener: Listener) -> Registration:
        """Opens the stream and registers. Raises also `UnsupportedVersion`, naming both versions."""
        self._call = self._stub.Attach()
        result = await self._answered(self._register(identity))
        if not result.accepted:
            if result.protocol_version != PROTOCOL_VERSION:
                raise UnsupportedVersion(
                    f"{self._target} speaks protocol version {result.protocol_version}, this xApp {PROTOCOL_VERSION}: "
                    f"install the same release on both sides ({result.cause.detail})"
                )
            raise RefusedByRic(f"{self._target} refused {identity.xapp_name}/{identity.instance_id}: {result.cause.detail}")
        keep_alive_s = max(result.keep_alive_ms, 1) / 1000
        self._tasks = [
            asyncio.create_task(self._watched(activity))
            for activity in (self._read(listener), self._write(), self._keep_alive(keep_alive_s))
        ]
        return Registration(result.city_fingerprint, result.keep_alive_ms)

    async def subscribe_inserts(self, service_keys: Sequence[str]) -> Subscribed:
        """Asks for the suspended requests of some services."""
        request = xapp_pb2.SubscribeRequest(ran_function_id=RAN_FUNCTION_RC)
        request.insert.service_keys.extend(service_keys)
        return await self._subscribe(request)

    async def subscribe_reports(
        self, measurements: Sequence[str], *, period_ms: int, ran_names: Sequence[str] = ()
    ) -> Subscribed:
        """Asks for measurements.

        Args:
            measurements: KPM names.
            period_ms: granularity period, emulated time.
            ran_names: which E2 nodes; empty: every node that offers them, now and later.
        """
        request = xapp_pb2.SubscribeRequest(ran_function_id=RAN_FUNCTION_KPM, ran_names=ran_names)
        request.report.trigger.granularity_period_ms = period_ms
        request.report.action.measurement_names.extend(measurements)
        return await self._subscribe(request)

    def send_controls(self, controls: Sequence[xapp_pb2.Control]) -> None:
        """Queues controls; the caller holds at most a window of requests, each with one control under way."""
        self._controls.extend(controls)
        self._outgoing.set()

    async def drain(self) -> None:
        """Asks for no more requests and waits until the RIC says that everything held is answered."""
        self._send(xapp_pb2.AttachRequest(drain=xapp_pb2.DrainNotice()))
        drained = asyncio.create_task(self._drained.wait())
        try:
            await asyncio.wait((drained, self._lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            drained.cancel()
        if self._lost.done():
            await self._lost

    async def lost(self) -> None:
        """Returns never; raises when the association is gone."""
        await asyncio.shield(self._lost)

    async def close(self) -> None:
        """Ends the stream and the channel. Idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._call is not None:
            self._call.cancel()
        if self._lost.done():
            self._lost.exception()  # seen: nobody may be waiting any more
        else:
            self._lost.cancel()
        await self._channel.close()

    async def _register(self, identity: Identity) -> xapp_pb2.RegisterResult:
        request = xapp_pb2.RegisterRequest(
            protocol_version=PROTOCOL_VERSION,
            xapp_name=identity.xapp_name,
            xapp_version=identity.xapp_version,
            instance_id=identity.instance_id,
            weight=identity.weight,
            window=identity.window,
            config_generation=identity.config_generation,
            live_settings=identity.live_settings,
        )
        await self._call.write(xapp_pb2.AttachRequest(register=request))
        while True:
            message = await self._next_message()
            if message.WhichOneof("message") == "register_result":
                return message.register_result

    async def _subscribe(self, request: xapp_pb2.SubscribeRequest) -> Subscribed:
        request.request_id = self._next_request
        self._next_request += 1
        answer: asyncio.Future[xapp_pb2.SubscribeResult] = asyncio.get_running_loop().create_future()
        self._answers[request.request_id] = answer
        self._send(xapp_pb2.AttachRequest(subscribe=request))
        try:
            result = await self._answered(answer)
        finally:
            del self._answers[request.request_id]
        if not result.admitted:
            raise RefusedByRic(f"{self._target} does not admit the subscription: {result.cause.detail}")
        return Subscribed(result.subscription_id, result.merged)

    def _send(self, message: xapp_pb2.AttachRequest) -> None:
        self._outbox.append(message)
        self._outgoing.set()

    async def _answered(self, answer: Any) -> Any:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except TimeoutError:
            raise RicUnreachable(
                f"{self._target} did not answer within {ANSWER_TIMEOUT_S:g} s: is the RIC running there?"
            ) from None
        except grpc.RpcError as error:
            raise self._typed(error.code(), error.details()) from None

    async def _watched(self, activity: Coroutine[Any, Any, None]) -> None:
        """An activity that fails ends the association with its error."""
        try:
            await activity
        except grpc.RpcError as error:
            self._fail(self._typed(error.code(), error.details()))
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        for waiting in (self._lost, *self._answers.values()):
            if not waiting.done():
                waiting.set_exception(error)
        self._lost.exception()  # marks it as seen, whether anyone asks or not

    def _typed(self, code: grpc.StatusCode, detail: str | None) -> RicityError:
        if code in _REFUSALS:
            return RefusedByRic(f"{self._target} refused ({code.name}): {detail}")
        return RicUnreachable(f"{self._target} is unreachable ({code.name}: {detail})")

    async def _next_message(self) -> xapp_pb2.AttachResponse:
        message = await self._call.read()
        if message is not grpc.aio.EOF:
            return message
        code = await self._call.code()
        if code is grpc.StatusCode.OK:
            raise RicUnreachable(f"{self._target} ended the association")
        raise self._typed(code, await self._call.details())

    async def _read(self, listener: Listener) -> None:
        while True:
            message = await self._next_message()
            self._heard = True
            match message.WhichOneof("message"):
                case "inserts":
                    listener.on_inserts(message.inserts)
                case "outcomes":
                    listener.on_outcomes(message.outcomes)
                case "reports":
                    listener.on_reports(message.reports)
                case "steering":
                    listener.on_steering(message.steering)
                    confirmation = xapp_pb2.SteeringConfirmation(generation=message.steering.generation)
                    self._send(xapp_pb2.AttachRequest(steering_confirmation=confirmation))
                case "config":
                    self._send(xapp_pb2.AttachRequest(config_answer=listener.on_config(message.config)))
                case "subscribe_result":
                    answer = self._answers.get(message.subscribe_result.request_id)
                    if answer is not None and not answer.done():
                        answer.set_result(message.subscribe_result)
                case "drain":
                    self._drained.set()

    async def _write(self) -> None:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            while (message := self._next_outgoing()) is not None:
                try:
                    await self._call.write(message)
                except asyncio.InvalidStateError:
                    return  # the stream is over; the reading side knows why

    def _next_outgoing(self) -> xapp_pb2.AttachRequest | None:
        if self._outbox:
            return self._outbox.popleft()
        if not self._controls:
            return None
        controls, self._controls = self._controls, []
        return xapp_pb2.AttachRequest(controls=xapp_pb2.ControlBatch(controls=controls))

    async def _keep_alive(self, period_s: float) -> None:
        silent, sequence = 0, 0
        while silent < SILENT_PERIODS:
            await asyncio.sleep(period_s)
            silent = 0 if self._heard else silent + 1
            self._heard = False
            if not self._outbox:  # what waits there says as well as a keep-alive that this side lives
                sequence += 1
                self._send(xapp_pb2.AttachRequest(keep_alive=xapp_pb2.KeepAliveNotice(sequence=sequence)))
        raise RicUnreachable(f"{self._target} has been silent for {SILENT_PERIODS} keep-alive periods of {period_s:g} s")
