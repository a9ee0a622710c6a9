"""Real peers for tests: a RIC in this event loop on a real store, and scripted ends of its two streams."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Self

import grpc

from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.e2 import PROTOCOL_VERSION, RAN_FUNCTION_KPM, RAN_FUNCTION_RC
from ric_sim.e2.codec import flow_to_proto
from ric_sim.network.city import City, NodeKind
from ric_sim.store.embedded import EmbeddedServer
from ricity.e2.v1 import common_pb2, termination_pb2, termination_pb2_grpc, xapp_pb2, xapp_pb2_grpc
from services.ric.composition import RunningRic, running_ric
from services.ric.settings import RicSettings

PATIENCE_S = 30.0


async def eventually(condition: Callable[[], Any], *, within_s: float = PATIENCE_S) -> Any:
    """Waits until `condition()` is truthy and returns its value; fails the test after `within_s`."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not (value := condition()):
        assert asyncio.get_running_loop().time() < deadline, f"not within {within_s} s: {condition}"
        await asyncio.sleep(0.005)
    return value


@contextlib.asynccontextmanager
async def ric_on_embedded_store(**overrides: Any) -> AsyncIterator[RunningRic]:
    """A RIC on free ports with a store of its own (no append-only file)."""
    with EmbeddedServer() as server:
        settings = {"grpc_port": 0, "status_port": 0, "store_url": server.url, "profile": "paper", **overrides}
        async with running_ric(RicSettings(**settings)) as ric:
            yield ric


def lasting_port() -> int:
    """A free port that nobody is given while it is not listened on: below those that the kernel gives out."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Stream:
    """The client end of a bidirectional stream: send, and wait for a message of a kind."""

    ALIVE: Any = None
    """The message that says no more than that it is there."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._kept: list[Any] = []
        self._writing = asyncio.Lock()

    async def send(self, message: Any) -> None:
        async with self._writing:
            await self._call.write(message)

    async def receive(self, kind: str, *, within_s: float = PATIENCE_S) -> Any:
        """The content of the next message of that kind; others are kept for later, keep-alives dropped."""
        for index, message in enumerate(self._kept):
            if message.WhichOneof("message") == kind:
                return getattr(self._kept.pop(index), kind)
        async with asyncio.timeout(within_s):
            while True:
                message = await self._call.read()
                assert message is not grpc.aio.EOF, f"the stream ended while waiting for {kind}"
                found = message.WhichOneof("message")
                if found == kind:
                    return getattr(message, kind)
                if found != "keep_alive":
                    self._kept.append(message)

    async def ended(self, *, within_s: float = PATIENCE_S) -> grpc.StatusCode:
        """Waits for the server to end the stream; its status."""
        async with asyncio.timeout(within_s):
            with contextlib.suppress(grpc.aio.AioRpcError):
                while await self._call.read() is not grpc.aio.EOF:
                    pass
            return await self._call.code()

    async def keep_alive(self) -> None:
        """Says every second that it is there, until cancelled or the stream has ended."""
        with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError):
            while True:
                await self.send(self.ALIVE)
                await asyncio.sleep(1)

    @contextlib.asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[Self]:
        """Inside, it says that it is there."""
        alive = asyncio.create_task(self.keep_alive())
        try:
            yield self
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)

    def cancel(self) -> None:
        """Breaks the stream as a killed process does."""
        self._call.cancel()


class ScriptedAgent(Stream):
    """A node agent that says what the test tells it to."""

    ALIVE = termination_pb2.ConnectRequest(keep_alive=termination_pb2.KeepAlive())

    async def setup(self, city: City, **overrides: Any) -> termination_pb2.SetupResult:
        """E2 setup with one O-DU that offers KPM and RC."""
        request = {
            "protocol_version": PROTOCOL_VERSION,
            "agent_id": "agent-1",
            "city_fingerprint": city.fingerprint,
            "nodes": [_node(city)],
            **overrides,
        }
        await self.send(termination_pb2.ConnectRequest(setup=termination_pb2.SetupRequest(**request)))
        return await self.receive("setup_result")

    async def raise_requests(self, flows: Sequence[FlowRequest], *, time_to_wait_ms: int = 10_000, resent: bool = False) -> None:
        """Sends INSERTs."""
        requests = [flow_to_proto(flow, ran_name="gnbd_001_001_000001_0", time_to_wait_ms=time_to_wait_ms) for flow in flows]
        for request in requests:
            request.resent = resent
        batch = termination_pb2.InsertBatch(now_ms=max(flow.arrival_ms for flow in flows), requests=requests)
        await self.send(termination_pb2.ConnectRequest(inserts=batch))

    async def answers(self, count: int) -> list[termination_pb2.Answer]:
        """The next `count` answers."""
        collected: list[termination_pb2.Answer] = []
        while len(collected) < count:
            collected += (await self.receive("answers")).answers
        return collected


class ScriptedXapp(Stream):
    """An xApp instance that says what the test tells it to."""

    ALIVE = xapp_pb2.AttachRequest(keep_alive=xapp_pb2.KeepAliveNotice())

    _request_ids = itertools.count(1)

    async def register(self, name: str, instance_id: str, **overrides: Any) -> xapp_pb2.RegisterResult:
        request = {
            "protocol_version": PROTOCOL_VERSION,
            "xapp_name": name,
            "xapp_version": "1.0.0",
            "instance_id": instance_id,
            "weight": 100,
            "window": 64,
            **overrides,
        }
        await self.send(xapp_pb2.AttachRequest(register=xapp_pb2.RegisterRequest(**request)))
        return await self.receive("register_result")

    async def subscribe_inserts(self, *service_keys: str) -> xapp_pb2.SubscribeResult:
        request = xapp_pb2.SubscribeRequest(request_id=next(self._request_ids), ran_function_id=RAN_FUNCTION_RC)
        request.insert.service_keys.extend(service_keys)
        await self.send(xapp_pb2.AttachRequest(subscribe=request))
        return await self.receive("subscribe_result")

    async def subscribe_reports(self, *names: str, period_ms: int = 1000) -> xapp_pb2.SubscribeResult:
        request = xapp_pb2.SubscribeRequest(request_id=next(self._request_ids), ran_function_id=RAN_FUNCTION_KPM)
        request.report.trigger.granularity_period_ms = period_ms
        request.report.action.measurement_names.extend(names)
        await self.send(xapp_pb2.AttachRequest(subscribe=request))
        return await self.receive("subscribe_result")

    async def route(self, flow_id: str, links: Sequence[int]) -> None:
        await self._control(xapp_pb2.Control(flow_id=flow_id, route=xapp_pb2.Route(links=links)))

    async def reject(self, flow_id: str, cause: common_pb2.Cause) -> None:
        await self._control(xapp_pb2.Control(flow_id=flow_id, reject=cause))

    async def outcome(self) -> xapp_pb2.ControlOutcome:
        """The next single outcome."""
        (outcome,) = (await self.receive("outcomes")).outcomes
        return outcome

    async def _control(self, control: xapp_pb2.Control) -> None:
        await self.send(xapp_pb2.AttachRequest(controls=xapp_pb2.ControlBatch(controls=[control])))


@contextlib.asynccontextmanager
async def channel_to(ric: RunningRic) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ric.grpc_port}") as channel:
        yield channel


def open_agent(channel: grpc.aio.Channel) -> ScriptedAgent:
    return ScriptedAgent(termination_pb2_grpc.E2TerminationServiceStub(channel).Connect())


def open_xapp(channel: grpc.aio.Channel) -> ScriptedXapp:
    return ScriptedXapp(xapp_pb2_grpc.XappServiceStub(channel).Attach())


def _node(city: City) -> termination_pb2.E2NodeConfig:
    kpm = common_pb2.RanFunction(
        ran_function_id=RAN_FUNCTION_KPM,
        measurements=[common_pb2.Measurement(name="DRB.UEThpDl", unit="kbit/s"), common_pb2.Measurement(name="RRC.ConnMean")],
    )
    rc = common_pb2.RanFunction(ran_function_id=RAN_FUNCTION_RC, insert_services=[spec.key for spec in city.services])
    return termination_pb2.E2NodeConfig(ran_name="gnbd_001_001_000001_0", node_name="du-0", ran_functions=[kpm, rc])


def route_on_empty_network(city: City, flow: FlowRequest) -> tuple[int, ...]:
    """A route with the fewest links, host by host, blind to load."""
    chain = [NodeKind.O_DU, NodeKind.O_CU, NodeKind.UPF]
    if flow.direction == Direction.DOWNLINK:
        chain = [NodeKind.O_CU, NodeKind.O_DU, NodeKind.O_RU]
    node, links = (flow.ru if flow.direction == Direction.UPLINK else flow.upf), []
    for kind in chain:
        segment, node = _segment(city, flow, node, kind)
        links += segment
    return tuple(links)


def _segment(city: City, flow: FlowRequest, start: int, kind: NodeKind) -> tuple[list[int], int]:
    came_from: dict[int, tuple[int, int]] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for link, target in zip(city.out_links[node].tolist(), city.neighbours[node].tolist(), strict=True):
            if link < 0 or target in came_from or target == start:
                continue
            is_goal = city.node_kind[target] == kind
            is_goal &= kind != NodeKind.UPF or city.upf_service[target] == flow.service
            is_goal &= kind != NodeKind.O_RU or target == flow.ru
            if is_goal or not NodeKind(int(city.node_kind[target])).is_host:
                came_from[target] = (node, link)
                if is_goal:
                    return _trace(came_from, start, target), target
                queue.append(target)
    raise AssertionError(f"no {kind.name} can be reached from {city.node_names[start]}")


def _trace(came_from: dict[int, tuple[int, int]], start: int, goal: int) -> list[int]:
    links: list[int] = []
    while goal != start:
        goal, link = came_from[goal]
        links.append(link)
    return links[::-1]


def repository() -> Path:
    return Path(__file__).resolve().parent.parent
