"""Rolling upgrades on a real RIC under load: none lost, none doubled, whatever happens to the new version or the manager."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import replace

import pytest

from ric_sim.domain.errors import Conflict, InvalidInput, NotFound, RolloutUnderway
from services.manager.lifecycle.model import RolloutState, Step
from services.manager.lifecycle.ric_view import RicView
from services.manager.lifecycle.rollout import Seen
from tests.contract.manager.lifecycle_world import (
    CRASHING,
    DEAF,
    FAILING,
    NAME,
    NEW,
    OLD,
    QUICK,
    Killed,
    descriptor,
    loop_driver,
    manager_on,
)


@pytest.fixture
async def driver(ric):
    async with loop_driver(ric.grpc_port) as opened:
        yield opened


@pytest.fixture
async def manager(ric, driver, tmp_path):
    """A manager whose xApp is deployed in its old version."""
    async with manager_on(tmp_path, ric.grpc_port, driver) as opened:
        for version in (OLD, NEW, DEAF, CRASHING, FAILING):
            opened.service.onboard(descriptor(version))
        opened.service.deploy(NAME, OLD, 1)
        await opened.until_ready(OLD)
        yield opened


@pytest.fixture
async def load(agent, flows):
    """Sends the flows one after the other, forever new ones by id; on `finish`, every one has had exactly one answer."""
    sending = Load(agent, flows)
    yield sending
    await sending.stop()


class Load:
    def __init__(self, agent, flows):
        self.answers = []
        self._sent = []
        self._agent, self._flows = agent, flows
        self._tasks = []
        self._enough = False

    def begin(self):
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]

    async def finish(self):
        self._enough = True
        await self._tasks[0]
        async with asyncio.timeout(15):
            while len(self.answers) < len(self._sent):
                await asyncio.sleep(0.01)
        await self.stop()
        assert sorted(answer.flow_id for answer in self.answers) == sorted(self._sent)
        return self.answers

    async def stop(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self):
        for flow in itertools.cycle(self._flows):
            if self._enough:
                return
            self._sent.append(f"load-{len(self._sent)}")
            await self._agent.raise_requests([replace(flow, flow_id=self._sent[-1])])
            await asyncio.sleep(0.005)

    async def _receive(self):
        while True:
            self.answers += (await self._agent.receive("answers", within_s=60)).answers


def defaulted(answers):
    return [answer for answer in answers if answer.WhichOneof("outcome") == "default_action"]


async def test_upgrade_under_load(manager, driver, load):
    load.begin()
    rollout = await manager.until_ended(manager.service.upgrade(NAME, NEW, QUICK).rollout_id)
    answers = await load.finish()

    assert (rollout.state, rollout.lost, rollout.doubled, rollout.reason) == (RolloutState.SUCCEEDED, 0, 0, "")
    assert rollout.requests > 5
    assert not defaulted(answers)
    assert {answer.xapp_version for answer in answers} == {OLD, NEW}
    by_new = [answer.xapp_version == NEW for answer in answers]
    assert all(by_new[-5:])
    assert not any(by_new[:5])
    assert (driver.running(OLD), len(driver.running(NEW))) == ([], 1)
    assert manager.service.xapps[NAME].desired.version == NEW
    assert [row.weight for row in manager.reconciler.view.of(NAME, NEW)] == [100]
    steps = [event.step for event in rollout.events]
    assert steps == sorted(steps, key=list(Step).index)
    assert set(steps) == {Step.START, Step.WAIT_READY, Step.SHIFT, Step.DRAIN, Step.STOP, Step.DONE}


@pytest.mark.parametrize(
    ("version", "plan", "reason"),
    [
        (DEAF, replace(QUICK, ready_within_s=0.5), "3.0.0 is not ready after 0.5 s"),
        (CRASHING, QUICK, "4.0.0 ended 3 times before it was ready: exit code 2, a bad setting"),
        (FAILING, replace(QUICK, step_s=3.0, guard_after=5), "guard: "),
    ],
)
async def test_what_does_not_work_is_given_up(manager, driver, load, version, plan, reason):
    load.begin()
    rollout = await manager.until_ended(manager.service.upgrade(NAME, version, plan).rollout_id)
    answers = await load.finish()

    assert (rollout.state, rollout.lost, rollout.doubled) == (RolloutState.ABORTED, 0, 0)
    assert rollout.reason.startswith(reason)
    assert not defaulted(answers)
    assert (len(driver.running(OLD)), driver.running(version)) == (1, [])
    assert manager.service.xapps[NAME].desired.version == OLD
    assert [row.weight for row in manager.reconciler.view.of(NAME, OLD)] == [100]


async def test_death_under_traffic_is_given_up(manager, driver, load):
    load.begin()
    rollout_id = manager.service.upgrade(NAME, NEW, replace(QUICK, step_s=30.0)).rollout_id
    async with asyncio.timeout(20):
        while manager.service.rollout(rollout_id).step != Step.SHIFT:
            await manager.look()
    driver.kill(driver.running(NEW)[0])
    rollout = await manager.until_ended(rollout_id)
    assert not defaulted(await load.finish())
    assert rollout.state == RolloutState.ABORTED
    assert "died while it was given traffic" in rollout.reason
    assert rollout.lost == 0


@pytest.mark.parametrize("step", [Step.SHIFT, Step.DRAIN])
async def test_a_new_version_that_lost_the_ric_is_waited_for_again(manager, driver, step):
    rollout_id = manager.service.upgrade(NAME, NEW, replace(QUICK, step_s=0.5)).rollout_id
    async with asyncio.timeout(20):
        while manager.service.rollout(rollout_id).step != step:
            await manager.look()
    rollout = manager.service.rollout(rollout_id)
    unattached = Seen(RicView(counts=manager.reconciler.view.counts), manager.reconciler.workloads)
    assert (await manager.upgrade.advance(rollout, unattached)).step == Step.WAIT_READY
    await manager.until_ended(rollout_id)


async def test_operator_ends_a_rollout_then_goes_back(manager, driver):
    rollout = manager.service.upgrade(NAME, NEW, replace(QUICK, step_s=30.0))
    with pytest.raises(RolloutUnderway, match=f"rollout {rollout.rollout_id}, start"):
        manager.service.upgrade(NAME, NEW, QUICK)
    with pytest.raises(RolloutUnderway):
        manager.service.deploy(NAME, OLD, 2)
    await manager.look()
    manager.service.rollback(NAME, QUICK)
    ended = await manager.until_ended(rollout.rollout_id)
    assert (ended.state, ended.reason) == (RolloutState.ABORTED, "an operator asked for it")

    await manager.until_ended(manager.service.upgrade(NAME, NEW, QUICK).rollout_id)
    back = await manager.until_ended(manager.service.rollback(NAME, QUICK).rollout_id)
    assert (back.state, back.from_version, back.to_version) == (RolloutState.SUCCEEDED, NEW, OLD)
    assert (len(driver.running(OLD)), driver.running(NEW)) == (1, [])


async def test_what_cannot_be_upgraded(manager):
    with pytest.raises(NotFound, match=r"no version '9\.9\.9' of routing-voip"):
        manager.service.upgrade(NAME, "9.9.9", QUICK)
    with pytest.raises(NotFound, match="no xApp 'nobody'"):
        manager.service.upgrade("nobody", NEW, QUICK)
    with pytest.raises(InvalidInput, match=r"runs 1\.0\.0 already"):
        manager.service.upgrade(NAME, OLD, QUICK)
    with pytest.raises(InvalidInput, match="rising shares"):
        manager.service.upgrade(NAME, NEW, replace(QUICK, weights_percent=(50, 10, 100)))
    with pytest.raises(InvalidInput, match="no version before"):
        manager.service.rollback(NAME, QUICK)
    with pytest.raises(Conflict, match=r"is deployed as 1\.0\.0"):
        manager.service.deploy(NAME, NEW, 1)
    assert not manager.service.rollouts


@pytest.mark.parametrize("version", [NEW, CRASHING])
@pytest.mark.parametrize("after_write", [False, True])
async def test_manager_killed_at_every_write(ric, driver, agent, load, tmp_path, version, after_write):
    """At each write of a rollout in turn, just before or just after it is on disk, the manager dies; another one goes on."""
    folder = tmp_path / "state"
    async with manager_on(folder, ric.grpc_port, driver) as first:
        for each in (OLD, version):
            first.service.onboard(descriptor(each))
        first.service.deploy(NAME, OLD, 1)
        await first.until_ready(OLD)
        rollout_id = first.service.upgrade(NAME, version, QUICK).rollout_id
    load.begin()
    seen = set()
    async with asyncio.timeout(40):
        while True:
            async with manager_on(folder, ric.grpc_port, driver) as manager:
                rollout = manager.service.rollout(rollout_id)
                seen.add(rollout.step)
                if not rollout.is_running:
                    break
                manager.state.deadly_write, manager.state.after_write = (1, True) if after_write else (2, False)
                await until_killed(manager)
    answers = await load.finish()

    assert not defaulted(answers)
    assert rollout.lost == rollout.doubled == 0
    succeeded = version == NEW
    assert rollout.state == (RolloutState.SUCCEEDED if succeeded else RolloutState.ABORTED)
    serving, gone = (NEW, OLD) if succeeded else (OLD, version)
    assert (len(driver.running(serving)), driver.running(gone)) == (1, [])
    assert driver.started.count(NEW) <= 1, "a version that works is never started twice"
    way = (Step.SHIFT, Step.DRAIN, Step.STOP) if succeeded else (Step.RESTORE, Step.DISCARD)
    assert {Step.WAIT_READY, Step.DONE, *way} <= seen


async def until_killed(manager):
    with contextlib.suppress(Killed):
        while not manager.service.rollouts or any(rollout.is_running for rollout in manager.service.rollouts.values()):
            await manager.look()
            await asyncio.sleep(0.005)
