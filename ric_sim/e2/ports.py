"""What waits to be sent on a stream. A port gathers messages and hands them out in as few batches as the stream takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from ric_sim.e2.codec import snapshot_to_proto
from ric_sim.e2.delivery import Instance
from ric_sim.e2.scopes import UNLIMITED
from ric_sim.e2.store_gate import StoreGate
from ricity.e2.v1 import common_pb2, termination_pb2, xapp_pb2

MAX_INSERTS_PER_MESSAGE = 64
MAX_REPORTS_PER_MESSAGE = 256
MAX_QUEUED_REPORTS = 1024


class Port:
    """One end of a stream at the RIC; `wake` says there is something to send, `close` ends the stream."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._keep_alives = 0
        self._keep_alive_due = False
        self.closed = False
        self._was_heard = True

    def wake(self) -> None:
        """Something is there to be sent."""
        self._event.set()

    def heard(self) -> None:
        """The peer sent something."""
        self._was_heard = True

    def was_heard(self) -> bool:
        """Whether the peer sent something since this was asked last."""
        heard, self._was_heard = self._was_heard, False
        return heard

    def keep_alive(self) -> None:
        """Sends a keep-alive with the next batch."""
        self._keep_alive_due = True
        self.wake()

    def close(self) -> None:
        """Ends the stream after what is queued."""
        self.closed = True
        self.wake()

    async def _turns(self) -> AsyncIterator[None]:
        """One turn per wake-up, until closed."""
        while True:
            await self._event.wait()
            self._event.clear()
            yield
            if self.closed:
                return

    def _take_keep_alive(self) -> int | None:
        if not self._keep_alive_due:
            return None
        self._keep_alive_due = False
        self._keep_alives += 1
        return self._keep_alives


class AgentPort(Port):
    """Towards a node agent: answers and subscriptions."""

    def __init__(self) -> None:
        super().__init__()
        self.agent_id = ""
        self._messages: deque[termination_pb2.ConnectResponse] = deque()
        self._answers: list[termination_pb2.Answer] = []

    def push(self, message: termination_pb2.ConnectResponse) -> None:
        """Queues a procedure's message."""
        self._messages.append(message)
        self.wake()

    def push_answer(self, answer: termination_pb2.Answer) -> None:
        """Queues an answer; answers of one turn travel together."""
        self._answers.append(answer)
        self.wake()

    async def messages(self) -> AsyncIterator[termination_pb2.ConnectResponse]:
        """What to send, until closed."""
        async for _ in self._turns():
            while self._messages:
                yield self._messages.popleft()
            if self._answers:
                answers, self._answers = self._answers, []
                yield termination_pb2.ConnectResponse(answers=termination_pb2.AnswerBatch(answers=answers))
            if (sequence := self._take_keep_alive()) is not None:
                yield termination_pb2.ConnectResponse(keep_alive=termination_pb2.KeepAlive(sequence=sequence))


class XappPort(Port):
    """Towards one xApp instance: results, control outcomes, indications."""

    def __init__(self, gate: StoreGate) -> None:
        super().__init__()
        self.instance: Instance | None = None
        self.scope = UNLIMITED
        self._gate = gate
        self._messages: deque[xapp_pb2.AttachResponse] = deque()
        self._outcomes: list[xapp_pb2.ControlOutcome] = []
        self._reports: deque[common_pb2.Report] = deque()
        self.drain_announced = False

    @property
    def label(self) -> str:
        """`<xapp>/<instance>`, for people."""
        return f"{self.instance.xapp_name}/{self.instance.instance_id}" if self.instance else "(not registered)"

    @property
    def queued_reports(self) -> int:
        return len(self._reports)

    def push(self, message: xapp_pb2.AttachResponse) -> None:
        """Queues a procedure's result."""
        self._messages.append(message)
        self.wake()

    def push_outcome(self, outcome: xapp_pb2.ControlOutcome) -> None:
        """Queues what became of a control."""
        self._outcomes.append(outcome)
        self.wake()

    def push_report(self, report: common_pb2.Report) -> bool:
        """Queues a report; when the queue is full the oldest goes and the answer is False."""
        is_full = len(self._reports) >= MAX_QUEUED_REPORTS
        if is_full:
            self._reports.popleft()
        self._reports.append(report)
        self.wake()
        return not is_full

    async def messages(self) -> AsyncIterator[xapp_pb2.AttachResponse]:
        """What to send, until closed."""
        async for _ in self._turns():
            while (message := await self._next()) is not None:
                yield message

    async def _next(self) -> xapp_pb2.AttachResponse | None:
        """The most urgent message. Outcomes go before new work: the peer must know of its free places before they are filled."""
        instance = self.instance
        if self._messages:
            return self._messages.popleft()
        if self._outcomes:
            return await self._outcome_batch()
        if instance is not None and instance.backlog and instance.room:
            return await self._insert_batch(instance)
        if self._reports:
            reports = [self._reports.popleft() for _ in range(min(len(self._reports), MAX_REPORTS_PER_MESSAGE))]
            return xapp_pb2.AttachResponse(reports=xapp_pb2.ReportIndications(reports=reports))
        if (sequence := self._take_keep_alive()) is not None:
            return xapp_pb2.AttachResponse(keep_alive=xapp_pb2.KeepAliveNotice(sequence=sequence))
        if self._is_drained() and not self.drain_announced:
            self.drain_announced = True
            return xapp_pb2.AttachResponse(drain=xapp_pb2.DrainNotice())
        return None

    def _is_drained(self) -> bool:
        instance = self.instance
        return instance is not None and instance.draining and not instance.outstanding and not instance.backlog

    async def _outcome_batch(self) -> xapp_pb2.AttachResponse:
        outcomes, self._outcomes = self._outcomes, []
        batch = xapp_pb2.ControlOutcomeBatch(outcomes=outcomes)
        if any(outcome.status == xapp_pb2.CONTROL_STATUS_ABORTED for outcome in outcomes):
            batch.snapshot.CopyFrom(snapshot_to_proto(await self._gate.fresh_snapshot()))
        return xapp_pb2.AttachResponse(outcomes=batch)

    async def _insert_batch(self, instance: Instance) -> xapp_pb2.AttachResponse:
        requests = [pending.request for pending in instance.take(MAX_INSERTS_PER_MESSAGE)]
        snapshot = snapshot_to_proto(await self._gate.fresh_snapshot())
        return xapp_pb2.AttachResponse(inserts=xapp_pb2.InsertIndications(snapshot=snapshot, requests=requests))
