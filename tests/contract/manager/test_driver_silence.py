"""A driver that stops answering: nothing begins, nothing is lost, what is under way goes on when it is back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace

import pytest
import structlog
from fastapi import FastAPI

from ric_sim.domain.errors import DriverUnavailable
from services.cli.main import main
from services.common.rest_problems import install_problems
from services.common.rest_server import serving
from services.manager.lifecycle.model import RolloutState, Step
from services.manager.lifecycle.routes import lifecycle_router
from tests.contract.manager.a1_client import manager_of
from tests.contract.manager.a1_client import until as until_answer
from tests.contract.manager.lifecycle_world import NAME, NEW, OLD, QUICK, descriptor, loop_driver, manager_on, until
from tests.contract.manager.test_rollout import Load, defaulted

GONE = "the engine is gone"
HASTY = replace(QUICK, ready_within_s=0.5)


@pytest.fixture
async def driver(ric):
    async with loop_driver(ric.grpc_port) as opened:
        yield opened


@contextlib.asynccontextmanager
async def serving_old(folder, ric, driver):
    """A manager whose xApp serves in its old version."""
    async with manager_on(folder, ric.grpc_port, driver) as manager:
        for version in (OLD, NEW):
            manager.service.onboard(descriptor(version))
        manager.service.deploy(NAME, OLD, 1)
        await manager.until_ready(OLD)
        yield manager


@pytest.fixture
async def manager(ric, driver, tmp_path):
    async with serving_old(tmp_path, ric, driver) as opened:
        yield opened


def weights(manager):
    return {row.version: row.weight for row in manager.reconciler.view.attached}


def n_ready(manager, version):
    return sum(row.subscriptions > 0 for row in manager.reconciler.view.of(NAME, version))


async def test_everything_stays_as_it_is_in_the_middle_of_a_rollout(manager, driver, agent, flows):
    load = Load(agent, flows)
    load.begin()
    rollout_id = manager.service.upgrade(NAME, NEW, QUICK).rollout_id
    await until(manager, lambda: manager.service.rollout(rollout_id).step == Step.SHIFT)
    await manager.look()  # which gives the first share
    driver.silence = GONE
    await manager.look()
    before, n_answers = manager.service.rollout(rollout_id), len(load.answers)
    await until(manager, lambda: {answer.xapp_version for answer in load.answers[n_answers:]} == {OLD, NEW})
    assert weights(manager) == {OLD: 50, NEW: 50}
    assert manager.service.rollout(rollout_id) == before
    assert (before.step, before.waits_for, before.stalled) == (Step.SHIFT, GONE, False)
    assert (len(driver.running(OLD)), len(driver.running(NEW))) == (1, 1)

    driver.silence = ""
    rollout = await manager.until_ended(rollout_id)
    assert not defaulted(await load.finish())
    assert (rollout.state, rollout.waits_for, rollout.reason) == (RolloutState.SUCCEEDED, "", "")
    assert (rollout.lost, rollout.doubled) == (0, 0)
    assert rollout.waited_s > 0
    assert (driver.running(OLD), len(driver.running(NEW))) == ([], 1)


async def test_a_long_silence_is_told_and_held_against_nobody(manager, driver):
    rollout_id = manager.service.upgrade(NAME, NEW, HASTY).rollout_id
    await until(manager, lambda: manager.service.rollout(rollout_id).step == Step.WAIT_READY)
    driver.silence = GONE
    await until(manager, lambda: manager.service.rollout(rollout_id).stalled and n_ready(manager, NEW) == 1)
    rollout = manager.service.rollout(rollout_id)
    assert (rollout.state, rollout.step, rollout.waits_for) == (RolloutState.RUNNING, Step.WAIT_READY, GONE)
    assert rollout.events[-1].text == f"has waited for the driver for more than 0.5 s: {GONE}"

    driver.silence = ""
    ended = await manager.until_ended(rollout_id)
    assert (ended.state, ended.stalled, ended.reason) == (RolloutState.SUCCEEDED, False, "")
    assert ended.waited_s > 0.5
    assert any(event.text.startswith("the driver answers again after") for event in ended.events)


async def test_another_manager_goes_on_with_the_wait(ric, driver, tmp_path):
    async with serving_old(tmp_path, ric, driver) as first:
        rollout_id = first.service.upgrade(NAME, NEW, QUICK).rollout_id
        await first.look()
        driver.silence = GONE
        await until(first, lambda: first.service.rollout(rollout_id).waits_for == GONE)
        since = first.service.rollout(rollout_id).silent_since
    async with manager_on(tmp_path, ric.grpc_port, driver) as second:
        await second.look()
        assert second.service.rollout(rollout_id).silent_since == since
        driver.silence = ""
        assert (await second.until_ended(rollout_id)).state == RolloutState.SUCCEEDED


async def test_nothing_new_begins(manager, driver):
    await manager.until_ended(manager.service.upgrade(NAME, NEW, QUICK).rollout_id)
    driver.silence = GONE
    await manager.look()
    kept = dict(manager.service.xapps), dict(manager.service.rollouts)
    for change in (
        lambda: manager.service.deploy(NAME, NEW, 2),
        lambda: manager.service.upgrade(NAME, OLD, QUICK),
        lambda: manager.service.rollback(NAME, QUICK),
        lambda: manager.service.remove(NAME),
    ):
        with pytest.raises(DriverUnavailable, match=f"{NAME} stays as it is: {GONE}"):
            change()
    with pytest.raises(DriverUnavailable):
        await manager.service.configure(NAME, {"RICITY_REPLANS": "3"})
    assert (dict(manager.service.xapps), dict(manager.service.rollouts)) == kept

    driver.silence = ""
    await manager.look()
    manager.service.deploy(NAME, NEW, 2)
    await manager.until_ready(NEW, 2)


async def test_the_command_line_does_not_wait_for_ever(manager, driver, capsys):
    """`rollback` is kept while the driver is away, tells what it waits for, and comes true when the driver is back."""
    rollout_id = manager.service.upgrade(NAME, NEW, replace(HASTY, step_s=3600.0)).rollout_id
    await until(manager, lambda: manager.service.rollout(rollout_id).step == Step.WAIT_READY)
    driver.silence = GONE
    await manager.look()
    app = FastAPI()
    install_problems(app, log=structlog.get_logger())
    app.include_router(lifecycle_router(manager.service))
    async with serving(app, host="127.0.0.1", port=0) as port:
        looking = asyncio.create_task(manager.reconciler.run())
        capsys.readouterr()
        words = ["xapp", "rollback", NAME, "--manager", f"http://127.0.0.1:{port}", "--json"]
        code = await asyncio.to_thread(main, words)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        told = capsys.readouterr()
    shown = printed(told.out)
    assert (code, shown["state"], shown["stalled"], shown["waits_for"]) == (1, "running", True, GONE)
    assert shown["waited_s"] > 0.5

    driver.silence = ""
    ended = await manager.until_ended(rollout_id)
    assert (ended.state, ended.reason) == (RolloutState.ABORTED, "an operator asked for it")
    assert (len(driver.running(OLD)), driver.running(NEW)) == (1, [])


async def test_the_rest_interface_tells_which_socket_and_which_group(ric, tmp_path, capsys):
    socket = tmp_path / "no.sock"
    engine = {"driver": "docker", "docker_project": "city", "docker_socket": socket}
    async with manager_of(ric.grpc_port, xapp_folder=tmp_path / "xapps", ab_folder=tmp_path / "ab", **engine) as http:
        await http.post("/v1/xapps", json=descriptor(OLD))
        found = await until_answer(lambda: http.get("/v1/xapps"), lambda reply: not reply.json()["driver"]["answers"])
        told = found.json()["driver"]
        refusal = await http.post(f"/v1/xapps/{NAME}/deploy", json={"version": OLD})
        assert (await http.get("/ric/v1/health/alive")).status_code == 200
        await until_answer(lambda: http.get("/ric/v1/health/ready"), lambda reply: reply.status_code == 200)
        manager = str(http.base_url)
        capsys.readouterr()
        code = await asyncio.to_thread(main, ["xapp", "catalogue", "--manager", manager])
        catalogue = " ".join(capsys.readouterr().out.split())
    assert told["name"] == "docker"
    assert f"engine at {socket} does not answer" in told["reason"]
    assert (refusal.status_code, refusal.json()["type"]) == (503, "urn:ricity:error:driver_unavailable")
    for words in (str(socket), "DOCKER_GROUP", "docker-compose.yml"):
        assert words in refusal.json()["detail"]
    assert code == 0
    assert "the driver docker does not answer" in catalogue
    assert "DOCKER_GROUP" in catalogue


def printed(text):
    """The JSON in an output; the parts log into the same stream, each line with its time in front."""
    return json.loads("\n".join(line for line in text.splitlines() if not line[:1].isdigit()))
