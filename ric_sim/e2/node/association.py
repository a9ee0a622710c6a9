"""The association of a node agent with the RIC: one stream, set up, kept alive, and opened again when it breaks.

Everything travels on one stream: several hot streams in one process cost many times the CPU per message of a single one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NoReturn

import grpc

from ric_sim.domain.errors import RefusedByRic, RicUnreachable, UnsupportedVersion
from ric_sim.e2 import PROTOCOL_VERSION
from ric_sim.e2.node.agent import NodeAgent
from ric_sim.telemetry import counter
from ricity.e2.v1 import termination_pb2, termination_pb2_grpc

TICK_S = 0.05
"""Resolution of time-outs, and longest delay of a report."""

SHORTEST_WAIT_S = 0.0005
"""Of the timer for the next flow of a paced day; flows due closer together travel together."""

SETUP_TIMEOUT_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0
"""Pauses between attempts to reach the RIC: doubled each time, shortened at random by up to half."""

SILENT_PERIODS = 3
"""Keep-alive periods without any message after which the RIC counts as gone (E2: every 1.5 s, gone after 4.5 to 6 s)."""

_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}

_STREAM_OVER = (asyncio.InvalidStateError, grpc.RpcError)


class Association:
    """Runs the agent against the RIC at `target`. Belongs to one event loop."""

    def __init__(self, agent: NodeAgent, target: str, *, open_channel: Callable[[str], grpc.aio.Channel], log: Any) -> None:
        """`open_channel` is called with `target` for every attempt to reach the RIC."""
        self._agent = agent
        self._target = target
        self._open_channel = open_channel
        self._log = log
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._pause_s = FIRST_PAUSE_S
        self._closing = False
        self._keep_alives: deque[termination_pb2.ConnectRequest] = deque()
        self._heard = False
        self.is_up = False
        """The RIC holds the association."""
        self.first_set_up = asyncio.Event()
        """Set once there has been an association."""

    async def run(self) -> None:
        """Keeps an association up until `close`.

        Raises:
            RefusedByRic, UnsupportedVersion: the RIC does not want this agent.
        """
        await _until_one_ends(self._tick(), self._serve())

    def close(self) -> None:
        """Ends the association once everything the agent has to say is said; `run` then returns."""
        self._closing = True
        self._wake.set()

    async def _serve(self) -> None:
        while not self._closing:
            try:
                await self._associate()
            except RicUnreachable as error:
                if not self._closing:
                    self._log.warning("association.lost", ric=self._target, error=str(error))
                    await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.0))
                    self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    async def _associate(self) -> None:
        """One association, from connecting to its end; raises `RicUnreachable` with the reason why it ended."""
        channel = self._open_channel(self._target)
        call = termination_pb2_grpc.E2TerminationServiceStub(channel).Connect()
        try:
            keep_alive_s = await self._set_up(call)
            await _until_one_fails(self._read(call), self._write(call), self._keep_alive(keep_alive_s))
        finally:
            if self.is_up:
                self.is_up = False
                self._agent.association_lost(time.monotonic())
            call.cancel()
            await channel.close()

    async def _set_up(self, call: Any) -> float:
        """The E2 setup procedure; returns the keep-alive period the RIC asks for in seconds, 0 for none."""
        try:
            async with asyncio.timeout(SETUP_TIMEOUT_S):
                with contextlib.suppress(*_STREAM_OVER):  # the reading side knows why
                    await call.write(self._agent.setup_request())
                message = await self._next(call)
        except TimeoutError:
            raise RicUnreachable(f"{self._target} did not answer the setup within {SETUP_TIMEOUT_S:g} s") from None
        if message.WhichOneof("message") != "setup_result":
            raise RefusedByRic(f"{self._target} answered the setup with something else: is it a Ricity RIC?")
        result = message.setup_result
        if not result.accepted:
            self._raise_refused(result)
        self._pause_s = FIRST_PAUSE_S
        self._keep_alives.clear()
        self._agent.association_up(result, time.monotonic())
        self.is_up = True
        if self.first_set_up.is_set():
            counter("ricity_nodes_reconnects_total").inc()
        self.first_set_up.set()
        self._wake.set()
        self._log.info("association.set_up", ric=self._target, ric_id=result.ric_id, nodes=len(self._agent.nodes))
        return result.keep_alive_ms / 1000

    def _raise_refused(self, result: termination_pb2.SetupResult) -> NoReturn:
        if result.protocol_version != PROTOCOL_VERSION:
            raise UnsupportedVersion(
                f"{self._target} speaks protocol version {result.protocol_version}, these nodes {PROTOCOL_VERSION}: "
                f"install the same release on both sides ({result.cause.detail})"
            )
        raise RefusedByRic(f"{self._target} refused the setup: {result.cause.detail}")

    async def _read(self, call: Any) -> None:
        while True:
            message = await self._next(call)
            self._heard = True
            self._agent.handle(message, time.monotonic())
            self._wake.set()

    async def _next(self, call: Any) -> termination_pb2.ConnectResponse:
        with contextlib.suppress(grpc.RpcError):
            message = await call.read()
            if message is not grpc.aio.EOF:
                return message
        code, detail = await call.code(), await call.details()
        if code in _REFUSALS:
            raise RefusedByRic(f"{self._target} refused ({code.name}): {detail}")
        raise RicUnreachable(f"{self._target} ended the association ({code.name}: {detail})")

    async def _write(self, call: Any) -> None:
        """Sends what there is whenever something woke the agent, in messages as large as what has gathered."""
        with contextlib.suppress(*_STREAM_OVER):  # the reader knows why
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._keep_alives:
                    await call.write(self._keep_alives.popleft())
                for message in self._agent.poll(time.monotonic()):
                    await call.write(message)
                if self._agent.more_due:
                    self._wake.set()
                    await asyncio.sleep(0)
                elif self._closing:
                    await call.done_writing()
                    return
                self._set_timer()

    def _set_timer(self) -> None:
        """Wakes the writer when the next flow of a paced day is due, if the tick would come too late."""
        if self._timer is not None:
            self._timer.cancel()
        wait_s = self._agent.wait_s(time.monotonic())
        if wait_s is not None and wait_s < TICK_S:
            self._timer = asyncio.get_running_loop().call_later(max(wait_s, SHORTEST_WAIT_S), self._wake.set)

    async def _tick(self) -> None:
        while True:
            self._agent.tick(time.monotonic())
            self._wake.set()
            await asyncio.sleep(TICK_S)

    async def _keep_alive(self, period_s: float) -> None:
        silent_periods = 0  # not seconds: what came while this process stood still is yet to be read
        for sequence in itertools.count(1):
            if not period_s:
                return
            self._heard = False
            await asyncio.sleep(period_s)
            silent_periods = 0 if self._heard else silent_periods + 1
            if silent_periods >= SILENT_PERIODS:
                raise RicUnreachable(f"{self._target} has been silent for {SILENT_PERIODS} keep-alive periods of {period_s:g} s")
            keep_alive = termination_pb2.KeepAlive(sequence=sequence)
            self._keep_alives.append(termination_pb2.ConnectRequest(keep_alive=keep_alive))
            self._wake.set()


async def _until_one_fails(*activities: Coroutine[Any, Any, None]) -> None:
    """Runs activities side by side; the first failure ends them all and is raised."""
    await _run_until(asyncio.FIRST_EXCEPTION, activities)


async def _until_one_ends(*activities: Coroutine[Any, Any, None]) -> None:
    """Runs activities side by side; the first that returns or fails ends them all, its failure is raised."""
    await _run_until(asyncio.FIRST_COMPLETED, activities)


async def _run_until(condition: str, activities: Sequence[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.create_task(activity) for activity in activities]
    try:
        done, _ = await asyncio.wait(tasks, return_when=condition)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
