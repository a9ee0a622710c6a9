"""Upgrades of a slicing dApp at a radio network in this event loop: the old version decides again if the new one is no good."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import grpc
import pytest
import structlog
import yaml

from ric_sim.domain.errors import InvalidInput, RicUnreachable
from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from services.common.tls import Transport
from services.manager.lifecycle.descriptor import Place
from services.manager.lifecycle.driver import Workload, WorkloadState
from services.manager.lifecycle.model import RolloutPlan, RolloutState
from services.manager.lifecycle.places import Places
from services.manager.lifecycle.radio_view import RadioAdmin
from services.manager.lifecycle.reconciler import Reconciler, settings_of
from services.manager.lifecycle.ric_view import RicAdmin
from services.manager.lifecycle.rollout import RollingUpgrade
from services.manager.lifecycle.service import Catalogue, Lifecycle
from tests.contract.manager.lifecycle_world import Killed, KillingStateFile
from tests.contract.slicing.parts import dapp, radio_network
from tests.harness import Stream
from xapps.sdk.descriptor import XAPPS_FOLDER

NAME = "slicing-du-0"
OLD, NEW, TURNING, DEAF = "1.0.0", "2.0.0", "3.0.0", "4.0.0"
"""Versions: two that work; one that answers nonsense as soon as it decides; one that never attaches."""

PATIENCE_S = 60.0
QUICK = RolloutPlan(step_s=0.1, ready_within_s=40.0)


class DappDriver:
    """A `Driver` whose dApps are tasks of this event loop."""

    name: ClassVar[str] = "loop"
    places: ClassVar[frozenset[Place]] = frozenset(Place)

    def __init__(self, radio) -> None:
        self._radio = radio
        self._running: dict[str, tuple[Workload, contextlib.AsyncExitStack]] = {}

    async def start(self, name: str, version: str, settings: Mapping[str, str]) -> str:
        instance_id = f"{version}-{len(self._running)}"
        stack = contextlib.AsyncExitStack()
        row = Workload(instance_id, name, version, WorkloadState.RUNNING, settings=dict(settings))
        self._running[instance_id] = (row, stack)
        if version == TURNING:
            task = asyncio.create_task(turns(self._radio.grpc_port, instance_id))
            stack.push_async_callback(asyncio.gather, task, return_exceptions=True)
            stack.callback(task.cancel)
        elif version != DEAF:
            await stack.enter_async_context(dapp(0, self._radio, 0, instance_id=instance_id, xapp_version=version))
        return instance_id

    async def stop(self, instance_id: str, *, grace_s: float = 10.0) -> None:
        if instance_id in self._running:
            _, stack = self._running.pop(instance_id)
            await stack.aclose()

    async def workloads(self) -> Sequence[Workload]:
        return [row for row, _ in self._running.values()]

    async def close(self) -> None:
        for instance_id in list(self._running):
            await self.stop(instance_id)


async def turns(port: int, instance_id: str) -> None:
    """A dApp that is fit until it decides."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream = Stream(radio_pb2_grpc.RadioServiceStub(channel).Attach())
        register = radio_pb2.RegisterRequest(protocol_version=1, du=0, instance_id=instance_id, xapp_version=TURNING)
        await stream.send(radio_pb2.AttachRequest(register=register))
        await stream.receive("register_result")
        while True:
            report = await stream.receive("report", within_s=PATIENCE_S)
            quota_rbs = [50, 20, 30] if report.standby else [1]
            control = radio_pb2.Control(epoch=report.epoch, frame=report.frame, quota_rbs=quota_rbs, beta=[0.5, 0.5])
            await stream.send(radio_pb2.AttachRequest(control=control))


def descriptor(version: str) -> dict[str, object]:
    return {**yaml.safe_load((XAPPS_FOLDER / "slicing" / "xapp.yaml").read_text()), "version": version}


@pytest.fixture
async def radio():
    async with radio_network(wait_for_dapps_s=0, frames_per_s=100.0, deadline_ms=10_000.0) as running:
        yield running


@pytest.fixture
async def driver(radio):
    opened = DappDriver(radio)
    yield opened
    await opened.close()


@contextlib.asynccontextmanager
async def manager_on(folder, radio, driver):
    """A manager without a RIC; what it knows is in the folder."""
    async with contextlib.AsyncExitStack() as stack:
        state = KillingStateFile(folder)
        stack.callback(state.close)
        catalogue = Catalogue(state)
        ric = RicAdmin("127.0.0.1:1", Transport())
        stack.push_async_callback(ric.close)
        admin = RadioAdmin(f"127.0.0.1:{radio.grpc_port}", Transport(), catalogue.dapps)
        stack.push_async_callback(admin.close)
        places = Places(ric, {Place.RADIO: admin}, place=catalogue.place, names_at=catalogue.names_at)
        upgrade = RollingUpgrade(
            driver,
            places,
            now=time.time,
            settings=lambda name, _version: settings_of(state.xapps[name].desired),
            subscriptions=lambda name, version: catalogue.version(name, version).subscriptions,
        )
        reconciler = Reconciler(state, driver, places, upgrade, log=structlog.get_logger())
        reconciler.place_of = catalogue.place
        stack.push_async_callback(reconciler.close)
        yield SimpleNamespace(radio=radio, state=state, service=Lifecycle(state, catalogue, reconciler), reconciler=reconciler)


@pytest.fixture
async def world(tmp_path, radio, driver):
    """A radio network, and a manager that has deployed the old version."""
    async with manager_on(tmp_path, radio, driver) as opened:
        await with_the_old_version(opened)
        yield opened


async def with_the_old_version(world) -> None:
    for version in (OLD, NEW, TURNING, DEAF):
        assert NAME in world.service.onboard(descriptor(version))
    world.service.deploy(NAME, OLD, 1)
    await until(world, lambda: deciding(world) == OLD and applied(world) > 20)


async def until(world, condition) -> None:
    """Looks until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await world.reconciler.look()
            await world.reconciler.settle()
            await asyncio.sleep(0.02)


async def ended(world, version, plan=QUICK):
    rollout_id = world.service.upgrade(NAME, version, plan).rollout_id
    await until(world, lambda: not world.service.rollout(rollout_id).is_running)
    return world.service.rollout(rollout_id)


def deciding(world) -> str:
    session = world.radio.network.dapps.deciding(0)
    return session.version if session else ""


def applied(world) -> int:
    return int(world.radio.network.record.controls["applied"][0])


async def test_a_handover_without_a_frame_without_control(world):
    rollout = await ended(world, NEW)
    assert (rollout.state, rollout.strategy, rollout.lost, rollout.doubled) == (RolloutState.SUCCEEDED, "handover", 0, 0)
    assert rollout.requests >= 20
    assert (deciding(world), len(world.radio.network.dapps.attached(0))) == (NEW, 1)
    assert world.radio.network.dapps.handovers[0] % 2 == 1  # one, or there, back and there again on a busy machine


async def test_one_that_turns_out_bad_once_it_decides_is_rolled_back_by_the_guard(world):
    rollout = await ended(world, TURNING)
    assert (rollout.state, rollout.reason.partition(":")[0]) == (RolloutState.ABORTED, "guard")
    assert rollout.lost >= QUICK.guard_after
    assert deciding(world) == OLD
    before = applied(world)
    await until(world, lambda: applied(world) > before + 20)


async def test_one_that_never_attaches_is_given_up(world):
    rollout = await ended(world, DEAF, replace(QUICK, ready_within_s=2.0))
    assert (rollout.state, rollout.lost) == (RolloutState.ABORTED, 0)
    assert "not ready after 2 s" in rollout.reason
    assert deciding(world) == OLD


@pytest.mark.parametrize("version", [NEW, TURNING])
@pytest.mark.parametrize("after_write", [False, True])
async def test_manager_killed_at_every_write(radio, driver, tmp_path, version, after_write):
    """At each write of a handover in turn, just before or just after it is on disk, the manager dies; another one goes on."""
    async with manager_on(tmp_path, radio, driver) as first:
        await with_the_old_version(first)
        rollout_id = first.service.upgrade(NAME, version, QUICK).rollout_id
    seen = set()
    async with asyncio.timeout(1.5 * PATIENCE_S):
        while True:
            async with manager_on(tmp_path, radio, driver) as world:
                rollout = world.service.rollout(rollout_id)
                seen.add(rollout.step)
                if not rollout.is_running:
                    break
                world.state.deadly_write, world.state.after_write = (1, True) if after_write else (2, False)
                with contextlib.suppress(Killed):
                    await until(world, lambda world=world: not world.service.rollout(rollout_id).is_running)
    succeeded = version == NEW
    assert (rollout.state, rollout.lost > 0) == (RolloutState.SUCCEEDED if succeeded else RolloutState.ABORTED, not succeeded)
    assert (deciding(world), [row.version for row in await driver.workloads()]) == (
        (version, [version]) if succeeded else (OLD, [OLD])
    )
    assert len(seen) > 4, seen


async def test_what_no_dapp_can_be(world):
    with pytest.raises(InvalidInput, match="no requests that an A/B test"):
        world.service.deploy(NAME, NEW, 1, standby=True)
    with pytest.raises(InvalidInput, match="expected 0 to 2"):
        world.service.deploy(NAME, OLD, 3)
    world.service.onboard({"xapp_name": "routing-a", "version": OLD, "module": "a.b"})
    await until(world, lambda: not world.reconciler.ric_answers)
    with pytest.raises(RicUnreachable, match="the ric does not answer"):
        world.service.upgrade("routing-a", OLD, QUICK)
