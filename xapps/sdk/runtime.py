"""Keeps an xApp attached to the RIC for as long as it lives: attach, subscribe, work, come back, drain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ric_sim.domain.errors import CityMismatch, Conflict, InvalidInput, RicityError, UnsupportedVersion
from ric_sim.network.city import City
from ric_sim.network.city_file import city_from_json
from xapps.sdk.agent import InsertAgent, InsertAgentFactory, ReportAgent
from xapps.sdk.backoff import Backoff
from xapps.sdk.descriptor import XappInstance
from xapps.sdk.e2_client import E2Client, Identity, Registration
from xapps.sdk.insert_session import InsertSession, limits_of
from xapps.sdk.live_config import LiveConfig, Reconfigurable
from xapps.sdk.metrics import XappMetrics
from xapps.sdk.settings import XappSettings
from xapps.sdk.worker import Worker

T = TypeVar("T")

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 1.0

REFUSAL_GRACE_S = 30.0
"""How long an xApp that was attached before puts up with being refused: the RIC may not have noticed yet that the old stream
is dead, or serve another city now."""

DRAIN_TIMEOUT_S = 8.0
"""Below the 10 s after which container engines kill."""

_LOGGED_FAILURES = 10
"""Of failures in a row, the first and every so many after it are logged."""


@dataclass(frozen=True, slots=True)
class Agents:
    """What the xApp is made of: an agent for each kind of subscription it has.

    Attributes:
        config: obeys the live settings that are the xApp's own; None: it has none.
    """

    inserts: InsertAgentFactory | None = None
    reports: ReportAgent | None = None
    config: Reconfigurable[Any] | None = None


class XappRuntime:
    """One xApp process: `run` serves until it is told to stop."""

    def __init__(self, settings: XappSettings, instance: XappInstance, agents: Agents, *, log: Any) -> None:
        """Raises `InvalidInput` when the xApp subscribes to what it has no agent for."""
        _check_agents(instance, agents)
        version = settings.xapp_version or instance.version
        self._settings = settings
        self._identity = Identity(instance.xapp_name, version, settings.instance_id, settings.weight, settings.window)
        self._instance = instance
        self._agents = agents
        self._config = LiveConfig(settings, agents.config, log=log)
        self._log = log
        self._metrics = XappMetrics(instance.xapp_name, version)
        self._backoff = Backoff(first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)
        self._city: City | None = None
        self._insert_agent: InsertAgent | None = None
        self._left_s: float | None = None  # when the last association ended, monotonic
        self._refused_s: float | None = None  # since when the RIC refuses to take it back
        self._failures = 0
        self.attached = asyncio.Event()
        """Set while the xApp is registered and subscribed and not draining."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set, then drains. An unreachable RIC is tried again for ever.

        Raises:
            InvalidInput, Conflict: the RIC refuses the xApp (`RefusedByRic`, `UnsupportedVersion`), or its city and the xApp
                do not go together. An xApp that was attached before tries again for `REFUSAL_GRACE_S`, unless it is the
                protocol version.
        """
        while not stop.is_set():
            try:
                async with E2Client(self._settings.ric, self._settings.transport) as client:
                    worker = await _unless(stop, self._attach(client))
                    if worker is not None:
                        await self._serve(client, worker, stop)
            except RicityError as error:
                self._failed(error)
                await _unless(stop, asyncio.sleep(self._backoff.pause_s()))

    async def _attach(self, client: E2Client) -> Worker:
        session = await self._new_session(client)
        worker = Worker(session, self._agents.reports, self._config, metrics=self._metrics, log=self._log)
        told = replace(self._identity, config_generation=self._config.generation, live_settings=self._config.variables)
        self._check_city(await client.attach(told, worker))
        if self._instance.inserts:
            await client.subscribe_inserts(self._instance.inserts)
        for wanted in self._instance.reports:
            await client.subscribe_reports(wanted.measurements, period_ms=wanted.period_ms)
        return worker

    async def _serve(self, client: E2Client, worker: Worker, stop: asyncio.Event) -> None:
        self._entered()
        began_s = time.monotonic()
        work = [asyncio.create_task(activity) for activity in (client.lost(), worker.decide(client), worker.report())]
        stopping = asyncio.create_task(stop.wait())
        try:
            ended, _ = await asyncio.wait((*work, stopping), return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
            await self._drain(client, worker)
        finally:
            for task in (*work, stopping):
                task.cancel()
            await asyncio.gather(*work, stopping, return_exceptions=True)
            self._left_s = time.monotonic()
            if self._left_s - began_s > LONGEST_PAUSE_S:
                self._backoff.reset()
            self.attached.clear()
            self._metrics.attached.set(0)
            self._metrics.held.set(0)

    async def _drain(self, client: E2Client, worker: Worker) -> None:
        self.attached.clear()
        self._metrics.attached.set(0)
        self._log.info("xapp.draining", held=worker.held)
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await client.drain()
        except TimeoutError:
            self._log.warning("xapp.drain_cut_short", held=worker.held, after_s=DRAIN_TIMEOUT_S)
        except RicityError as error:
            self._log.warning("xapp.drain_cut_short", held=worker.held, error=str(error))
        else:
            self._log.info("xapp.drained")

    async def _new_session(self, client: E2Client) -> InsertSession | None:
        """The agent is built for the RIC's city at the first association and kept for the following ones."""
        if self._agents.inserts is None:
            return None
        if self._city is None or self._insert_agent is None:
            self._city = city_from_json(await client.get_city(), source=f"the city of {self._settings.ric}")
            self._insert_agent = self._agents.inserts(self._city)
        limits = limits_of(self._config.settings)
        return InsertSession(self._city, self._insert_agent, limits, metrics=self._metrics, log=self._log)

    def _check_city(self, registration: Registration) -> None:
        city = self._city
        if city is None or city.fingerprint == registration.city_fingerprint:
            return
        self._city = self._insert_agent = None
        raise CityMismatch(
            f"{self._settings.ric} serves city {registration.city_fingerprint[:12]}, the xApp is built for "
            f"{city.fingerprint[:12]}: should this persist, install the same release on both sides"
        )

    def _entered(self) -> None:
        self._failures = 0
        self._refused_s = None
        self._metrics.attached.set(1)
        if self._left_s is None:
            self._log.info("xapp.attached", ric=self._settings.ric, instance=self._identity.instance_id)
        else:
            self._metrics.reconnects.inc()
            away_s = round(time.monotonic() - self._left_s, 3)
            self._log.info("xapp.reattached", ric=self._settings.ric, instance=self._identity.instance_id, away_s=away_s)
        self.attached.set()

    def _failed(self, error: RicityError) -> None:
        """Counts and logs a failure that is worth another attempt; raises the others."""
        if isinstance(error, UnsupportedVersion) or (isinstance(error, InvalidInput | Conflict) and not self._is_in_grace()):
            raise error
        self._metrics.connect_failures.inc()
        if self._failures % _LOGGED_FAILURES == 0:
            self._log.warning("ric.unreachable", error=str(error), code=error.code, attempts=self._failures + 1)
        self._failures += 1

    def _is_in_grace(self) -> bool:
        """A refusal that may pass: the xApp was attached before, and has not been refused for long."""
        if self._left_s is None:
            return False
        now_s = time.monotonic()
        self._refused_s = now_s if self._refused_s is None else self._refused_s
        return now_s - self._refused_s < REFUSAL_GRACE_S


def _check_agents(instance: XappInstance, agents: Agents) -> None:
    for kind, wanted, agent in (("inserts", instance.inserts, agents.inserts), ("reports", instance.reports, agents.reports)):
        if wanted and agent is None:
            raise InvalidInput(f"{instance.xapp_name} subscribes to {kind} but has no agent for them: give `Agents({kind}=...)`")


async def _unless(stop: asyncio.Event, activity: Coroutine[Any, Any, T]) -> T | None:
    """The activity's result, or None when `stop` is set before it ends; it is cancelled then."""
    doing, stopping = asyncio.create_task(activity), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        for task in (doing, stopping):
            task.cancel()
        await asyncio.gather(doing, stopping, return_exceptions=True)
