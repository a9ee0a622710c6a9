"""xApps that run in the test's own event loop behind the driver interface, and a manager that can be killed at any write."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import structlog

from ric_sim.domain.errors import DeploymentFailed, DriverUnavailable, InvalidInput
from ric_sim.network.policies.base import Plan
from services.common.tls import Transport
from services.manager.lifecycle.configuration import settings_of
from services.manager.lifecycle.descriptor import Place
from services.manager.lifecycle.driver import Workload, WorkloadState
from services.manager.lifecycle.model import CataloguedXapp, Rollout, RolloutPlan
from services.manager.lifecycle.reconciler import Reconciler
from services.manager.lifecycle.ric_view import RicAdmin
from services.manager.lifecycle.rollout import RollingUpgrade
from services.manager.lifecycle.service import Catalogue, Lifecycle
from services.manager.lifecycle.state_file import StateFile
from tests.contract.manager.a1_client import PATIENCE_S, routing_agent
from xapps.sdk.descriptor import find_descriptors
from xapps.sdk.runtime import Agents, XappRuntime
from xapps.sdk.settings import XappSettings

NAME = "routing-voip"
OLD, NEW, DEAF, CRASHING, FAILING, MISSING = "1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0", "6.0.0"
"""Versions: two that work; one that never reaches the RIC; one that ends at once; one whose agent raises; one without image."""

QUICK = RolloutPlan(weights_percent=(50, 100), step_s=0.1, ready_within_s=20.0, drain_within_s=5.0)


def descriptor(version: str, name: str = NAME) -> dict[str, Any]:
    return {
        "xapp_name": name,
        "version": version,
        "module": "xapps.routing.main",
        "subscriptions": {"inserts": ["voip"]},
        "controls": ["route", "reject"],
    }


class FailingAgent:
    """An agent with a defect."""

    def decide(self, snapshot: Any, flow: Any) -> Plan:
        raise ArithmeticError("a defect")


class CarefulAgent:
    """Takes the settings of the SDK, but never more replans than `most_replans`."""

    most_replans = 16

    def check_settings(self, settings: XappSettings) -> None:
        if settings.replans > self.most_replans:
            raise InvalidInput(f"replans {settings.replans}: no time for more than {self.most_replans}")

    def take_settings(self, settings: XappSettings) -> None:
        """Nothing of its own."""


class LoopDriver:
    """A `Driver` whose instances are tasks of this event loop; they outlive a manager that the test kills."""

    name: ClassVar[str] = "loop"
    places: ClassVar[frozenset[Place]] = frozenset(Place)

    def __init__(self, ric_port: int) -> None:
        self._ric_port = ric_port
        self._running: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._rows: dict[str, Workload] = {}
        self.started: list[str] = []
        self.careful = CarefulAgent()
        self.silence = ""
        """Why it does not answer; what it has started runs on."""

    async def start(self, name: str, version: str, settings: Mapping[str, str]) -> str:
        self._answer()
        instance_id = f"{version}-{len(self.started)}"
        self.started.append(version)
        if version == MISSING:
            raise DeploymentFailed(f"{name} {version}: no such image")
        stop = asyncio.Event()
        self._rows[instance_id] = Workload(instance_id, name, version, WorkloadState.RUNNING, settings=dict(settings))
        self._running[instance_id] = (asyncio.create_task(self._live(instance_id, version, settings, stop)), stop)
        return instance_id

    async def stop(self, instance_id: str, *, grace_s: float = 10.0) -> None:
        self._answer()
        if instance_id in self._running:
            task, stop = self._running.pop(instance_id)
            stop.set()
            await asyncio.gather(task, return_exceptions=True)
            self._rows.pop(instance_id, None)

    async def workloads(self) -> Sequence[Workload]:
        self._answer()
        return [self._row(instance_id) for instance_id in self._rows]

    async def close(self) -> None:
        self.silence = ""
        for instance_id in list(self._running):
            await self.stop(instance_id)

    def kill(self, instance_id: str) -> None:
        """Ends an instance as a crash does."""
        self._running[instance_id][0].cancel()

    def running(self, version: str) -> list[str]:
        return [i for i, row in self._rows.items() if row.version == version and not self._running[i][0].done()]

    def _answer(self) -> None:
        if self.silence:
            raise DriverUnavailable(self.silence)

    def _row(self, instance_id: str) -> Workload:
        row, task = self._rows[instance_id], self._running[instance_id][0]
        if not task.done():
            return row
        said = "killed" if task.cancelled() else str(task.exception())
        return replace(row, state=WorkloadState.EXITED, exit_code=2, detail=said)

    async def _live(self, instance_id: str, version: str, told: Mapping[str, str], stop: asyncio.Event) -> None:
        if version == DEAF:
            await stop.wait()
            return
        if version == CRASHING:
            raise InvalidInput("a bad setting")
        instance = find_descriptors()["routing"].instance("voip")
        agent = FailingAgent() if version == FAILING else routing_agent("shortest")
        named = {name.removeprefix("RICITY_").lower(): value for name, value in told.items()}
        chosen: dict[str, Any] = {name: value for name, value in named.items() if name in XappSettings.model_fields}
        settings = XappSettings(ric=f"127.0.0.1:{self._ric_port}", instance_id=instance_id, xapp_version=version, **chosen)
        agents = Agents(inserts=lambda _city: agent, config=self.careful)
        await XappRuntime(settings, instance, agents, log=structlog.get_logger()).run(stop)


class Killed(BaseException):
    """The manager is dead, as after SIGKILL: nothing of it runs any further."""


class KillingStateFile(StateFile):
    """Dies at its n-th write of a rollout, before or after it is on disk."""

    deadly_write: int = 0
    after_write: bool = False
    writes: int = 0

    def put_rollout(self, rollout: Rollout, *changed: CataloguedXapp) -> None:
        self.writes += 1
        is_deadly = self.writes == self.deadly_write
        if is_deadly and not self.after_write:
            raise Killed
        super().put_rollout(rollout, *changed)
        if is_deadly:
            raise Killed


class Manager:
    """The lifecycle of one manager process; the driver's instances are not part of it."""

    def __init__(self, folder: Path, ric_port: int, driver: LoopDriver) -> None:
        self.state = KillingStateFile(folder)
        self.ric = RicAdmin(f"127.0.0.1:{ric_port}", Transport())
        self.catalogue = Catalogue(self.state)
        self.upgrade = RollingUpgrade(
            driver,
            self.ric,
            now=time.time,
            settings=lambda name, _version: settings_of(self.state.xapps[name].desired),
            subscriptions=lambda name, version: self.catalogue.version(name, version).subscriptions,
        )
        self.reconciler = Reconciler(self.state, driver, self.ric, self.upgrade, log=structlog.get_logger())
        self.service = Lifecycle(self.state, self.catalogue, self.reconciler)

    async def look(self) -> None:
        """One look, and all that it leads to. Raises `Killed`."""
        await self.reconciler.look()
        await self.reconciler.settle()

    async def until_ended(self, rollout_id: str) -> Rollout:
        """Looks until the rollout has ended."""
        async with asyncio.timeout(PATIENCE_S):
            while self.service.rollout(rollout_id).is_running:
                await self.look()
                await asyncio.sleep(0.01)
        return self.service.rollout(rollout_id)

    async def until_ready(self, version: str, replicas: int = 1) -> None:
        """Looks until so many instances of a version are attached and subscribed."""
        async with asyncio.timeout(PATIENCE_S):
            while sum(row.subscriptions > 0 for row in self.reconciler.view.of(NAME, version)) != replicas:
                await self.look()
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        """What the kernel does for a dead process: its connections and locks go."""
        await self.reconciler.close()
        await self.ric.close()
        self.state.close()


async def until(manager, condition) -> None:
    """Looks until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await manager.look()
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def loop_driver(ric_port: int) -> AsyncIterator[LoopDriver]:
    driver = LoopDriver(ric_port)
    try:
        yield driver
    finally:
        await driver.close()


@contextlib.asynccontextmanager
async def manager_on(folder: Path, ric_port: int, driver: LoopDriver) -> AsyncIterator[Manager]:
    manager = Manager(folder, ric_port, driver)
    try:
        yield manager
    finally:
        await manager.close()
