"""The dApp's stream with the radio network: report in, control out, again and again, over every reconnect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np

from ric_sim.domain.errors import RefusedByRic, RicUnreachable
from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from xapps.sdk.backoff import Backoff
from xapps.sdk.standalone import ANSWER_TIMEOUT_S, STREAM_OVER, raise_if_refused
from xapps.slicing.agent import Decision, RadioFacts, SlicingAgent
from xapps.slicing.metrics import SlicingMetrics
from xapps.slicing.settings import SlicingSettings

PROTOCOL_VERSION = 1
LONGEST_PAUSE_S = 1.0
_KEPT_DECISIONS = 8192
_LOGGED_FAILURES = 20


class RadioLink:
    """Keeps the O-DU decided.

    Attributes:
        attached: set while a network takes the controls.
        deciding: set while the O-DU plays this dApp's controls; `standing_by`: while it plays another dApp's.
    """

    def __init__(
        self,
        settings: SlicingSettings,
        agent: SlicingAgent,
        *,
        on_decision: Callable[[radio_pb2.Report, Decision], None],
        metrics: SlicingMetrics,
        log: Any,
    ) -> None:
        """`on_decision` is called after each control that counts is on its way."""
        self.attached = asyncio.Event()
        self.deciding, self.standing_by = asyncio.Event(), asyncio.Event()
        self._settings, self._agent, self._on_decision = settings, agent, on_decision
        self._metrics, self._log = metrics, log
        self._seconds = np.zeros(_KEPT_DECISIONS)
        self._n_decisions = 0

    async def run(self) -> None:
        """Decides until cancelled; a network that is away is tried again for ever.

        Raises:
            RefusedByRic: it does not admit this dApp, or its certificate is not for this O-DU.
            Conflict: it is another network than before.
        """
        backoff, failures = Backoff(first_s=0.05, longest_s=LONGEST_PAUSE_S), 0
        while True:
            try:
                await self._decide_until_lost(backoff)
            except (RicUnreachable, *STREAM_OVER) as error:
                raise_if_refused(error)
                if failures % _LOGGED_FAILURES == 0:
                    self._log.warning("radio.unreachable", radio=self._settings.radio, error=(str(error) or repr(error))[:200])
                failures += 1
            finally:
                self.attached.clear()
            self._metrics.reconnects.inc()
            await asyncio.sleep(backoff.pause_s())

    def decision_ms(self) -> dict[str, float]:
        """Quantiles of the time from a report to its control, of the latest decisions."""
        seconds = self._seconds[: min(self._n_decisions, _KEPT_DECISIONS)]
        return {f"p{q}": round(1e3 * float(np.percentile(seconds, q)), 3) for q in (50, 99)} if len(seconds) else {}

    async def _decide_until_lost(self, backoff: Backoff) -> None:
        async with self._settings.transport.channel(self._settings.radio, peer="radio") as channel:
            call = radio_pb2_grpc.RadioServiceStub(channel).Attach()
            await self._register(call)
            backoff.reset()
            self.attached.set()
            while (message := await call.read()) is not grpc.aio.EOF:
                if message.WhichOneof("message") == "report":
                    await self._answer(call, message.report)
        raise RicUnreachable(f"{self._settings.radio} ended the stream: is another dApp running for O-DU {self._settings.du}?")

    async def _register(self, call: Any) -> None:
        settings = self._settings
        register = radio_pb2.RegisterRequest(
            protocol_version=PROTOCOL_VERSION,
            du=settings.du,
            instance_id=settings.instance_id,
            xapp_version=settings.version,
        )
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await call.write(radio_pb2.AttachRequest(register=register))
            message = await call.read()
        if message is grpc.aio.EOF:
            raise RicUnreachable(f"{settings.radio} ended the stream before it answered the registration")
        result = message.register_result
        if not result.accepted:
            raise RefusedByRic(f"{settings.radio} does not admit O-DU {settings.du}: {result.detail}")
        self._agent.enter(RadioFacts(result.n_dus, result.n_rbs, result.observation, result.observation_dim))
        self._log.info("radio.attached", radio=settings.radio, dus=result.n_dus, observation=result.observation)
        self._turn(standby=result.standby)

    def _turn(self, *, standby: bool) -> None:
        """Whether this dApp decides or stands by from now on."""
        begun, ended = (self.standing_by, self.deciding) if standby else (self.deciding, self.standing_by)
        if not begun.is_set():
            self._log.info("radio.standing_by" if standby else "radio.deciding", du=self._settings.du)
        ended.clear()
        begun.set()

    async def _answer(self, call: Any, report: radio_pb2.Report) -> None:
        """Sends the control; what was not applied, since another dApp decides, is no experience."""
        self._turn(standby=report.standby)
        began_s = time.perf_counter()
        decision = self._agent.decide(report)
        await call.write(radio_pb2.AttachRequest(control=decision.control))
        seconds = time.perf_counter() - began_s
        self._metrics.decision_seconds.observe(seconds)
        self._seconds[self._n_decisions % _KEPT_DECISIONS] = seconds
        self._n_decisions += 1
        if not report.standby:
            self._on_decision(report, decision)
