"""One dApp's stream as the radio network sees it, and the gRPC service that makes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ric_sim.e2.scopes import Access
from ric_sim.radio.config import MAX_DUS
from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from services.radio.codec import PROTOCOL_VERSION

if TYPE_CHECKING:
    from services.radio.network import RadioNetwork

_OUTBOX = 4
"""Reports that may wait for a slow reader; older ones give way, since only the newest can still be answered."""


class Session:
    """A dApp that is attached.

    Attributes:
        version: of the dApp; empty if it does not say.
        asked: a report is out and unanswered; `asked_s`: since when (perf_counter), `asked_frame`: of which frame.
        control: the answer to it.
        misses: frames in a row that ended without its control.
        proofs: answers in a row that came in time and could be played, while it decides or stands by.
        counts: frames in which it decided, by what became of its control: applied, missing, refused.
    """

    def __init__(self, du: int, instance_id: str, version: str = "") -> None:
        self.du, self.instance_id, self.version = du, instance_id, version
        self.asked, self.asked_s, self.asked_frame = False, 0.0, -1
        self.misses = self.proofs = 0
        self.counts = {"applied": 0, "missing": 0, "refused": 0}
        self.control: radio_pb2.Control | None = None
        self._outbox: asyncio.Queue[radio_pb2.AttachResponse | None] = asyncio.Queue()

    def ask(self, report: radio_pb2.Report) -> None:
        """Sends a report."""
        if self._outbox.qsize() >= _OUTBOX:
            self._outbox.get_nowait()
        self.control, self.asked, self.asked_s, self.asked_frame = None, True, time.perf_counter(), report.frame
        self._outbox.put_nowait(radio_pb2.AttachResponse(report=report))

    def close(self) -> None:
        """Ends the stream after what is under way."""
        self._outbox.put_nowait(None)

    async def messages(self) -> AsyncIterator[radio_pb2.AttachResponse]:
        """What is to be sent, until `close`."""
        while (message := await self._outbox.get()) is not None:
            yield message


class RadioServicer(radio_pb2_grpc.RadioServiceServicer):
    """`ricity.radio.v1.RadioService`."""

    def __init__(self, network: RadioNetwork, access: Access) -> None:
        """`access`: which O-DUs each dApp may decide for."""
        self._network, self._access = network, access

    async def Attach(self, requests: AsyncIterator[radio_pb2.AttachRequest], context: Any) -> AsyncIterator[Any]:
        first = await anext(aiter(requests), None)
        if first is None:
            return
        if first.WhichOneof("message") == "register":
            self._access.scope(context).require_du(first.register.du)
        result = self._admission(first)
        if not result.accepted:
            yield radio_pb2.AttachResponse(register_result=result)
            return
        session = Session(first.register.du, first.register.instance_id, first.register.xapp_version)
        self._network.attach(session)
        result.standby = self._network.dapps.deciding(session.du) is not session
        yield radio_pb2.AttachResponse(register_result=result)
        reading = asyncio.create_task(self._read(session, requests))
        reading.add_done_callback(lambda _: session.close())
        try:
            async for message in session.messages():
                yield message
        finally:
            self._network.detach(session)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _read(self, session: Session, requests: AsyncIterator[radio_pb2.AttachRequest]) -> None:
        async for request in requests:
            if request.WhichOneof("message") == "control":
                self._network.take(session, request.control)

    def _admission(self, first: radio_pb2.AttachRequest) -> radio_pb2.RegisterResult:
        world, detail = self._network.world, ""
        if first.WhichOneof("message") != "register":
            detail = "the first message must be `register`"
        elif first.register.protocol_version != PROTOCOL_VERSION:
            detail = f"protocol version {first.register.protocol_version}, this network speaks {PROTOCOL_VERSION}"
        elif first.register.du >= world.n_dus:
            detail = f"O-DU {first.register.du}: this network has 0 to {world.n_dus - 1}, any network at most {MAX_DUS}"
        elif not first.register.instance_id:
            detail = "instance_id is empty: draw one at the process start"
        elif not self._network.dapps.has_room(first.register.du, first.register.instance_id):
            detail = "as many dApps as it takes are attached to the O-DU: end one of them (`ricity xapp list --radio`)"
        return radio_pb2.RegisterResult(
            accepted=not detail,
            detail=detail,
            protocol_version=PROTOCOL_VERSION,
            epoch=self._network.epoch,
            n_dus=world.n_dus,
            n_rbs=world.config.n_rbs,
            observation=world.observation,
            observation_dim=world.obs_dim,
        )
