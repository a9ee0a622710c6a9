"""xApps as processes that outlive the manager."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from ric_sim.domain.errors import DeploymentFailed, NotFound
from services.manager.lifecycle.descriptor import XappVersion
from services.manager.lifecycle.driver import WorkloadState
from services.manager.lifecycle.process_driver import ProcessDriver

PROGRAMS = {
    "1.0.0": 'echo "$RICITY_INSTANCE_ID $RICITY_XAPP_VERSION $RICITY_RIC $RICITY_SERVICE"; exec sleep 600',
    "2.0.0": """echo noise; echo '{"event": "process.failed", "code": "x", "error": "no such city"}'; echo more; exit 2""",
    "2.1.0": """echo '{"event": "process.failed"}'; echo '{"event": "process.failed", "err'; exit 2""",
    "3.0.0": "trap '' TERM; echo stubborn; while :; do sleep 0.05; done",
}


def versions(name, version):
    if version not in (*PROGRAMS, "4.0.0", "5.0.0"):
        raise NotFound(f"no version {version}")
    command = {"4.0.0": (), "5.0.0": ("/nowhere/program",)}.get(version, ("/bin/sh", "-c", PROGRAMS.get(version, "")))
    return XappVersion(name, version, command=command, env={"RICITY_SERVICE": "voip"})


@pytest.fixture
async def driver(tmp_path):
    opened = new_driver(tmp_path)
    yield opened
    for workload in await opened.workloads():
        await opened.stop(workload.instance_id, grace_s=0.0)


def new_driver(folder):
    return ProcessDriver(folder / "instances", versions, lambda _name: {"RICITY_RIC": "ric:1"})


async def until(condition):
    async with asyncio.timeout(20):
        while not (value := await condition()):
            await asyncio.sleep(0.02)
    return value


def output(folder, instance_id):
    return (folder / "instances" / instance_id / "output.jsonl").read_text()


async def test_starts_lists_and_stops(driver, tmp_path):
    first = await driver.start("a", "1.0.0", {"RICITY_X": "1"})
    second = await driver.start("a", "1.0.0", {})
    rows = await driver.workloads()
    assert [(row.instance_id, row.name, row.version, row.state) for row in rows] == [
        (first, "a", "1.0.0", WorkloadState.RUNNING),
        (second, "a", "1.0.0", WorkloadState.RUNNING),
    ]
    assert rows[0].settings == {"RICITY_X": "1"}

    async def told():
        return output(tmp_path, first)

    assert await until(told) == f"{first} 1.0.0 ric:1 voip\n"
    await driver.stop(first)
    await driver.stop(first)
    await driver.stop("nobody")
    assert [row.instance_id for row in await driver.workloads()] == [second]


@pytest.mark.parametrize(("version", "said"), [("2.0.0", "no such city"), ("2.1.0", '{"event": "process.failed", "err')])
async def test_what_ended_says_why(driver, version, said):
    instance_id = await driver.start("a", version, {})

    async def ended():
        (row,) = await driver.workloads()
        return row if row.state == WorkloadState.EXITED else None

    row = await until(ended)
    assert (row.instance_id, row.exit_code, row.detail) == (instance_id, 2, said)


async def test_a_record_that_is_not_whole_is_none(driver, tmp_path):
    (tmp_path / "instances" / "a-1").mkdir(parents=True)
    (tmp_path / "instances" / "a-1" / "record.json").write_text("")
    instance_id = await driver.start("a", "1.0.0", {})
    assert [row.instance_id for row in await driver.workloads()] == [instance_id]


async def test_force_after_the_grace(driver, tmp_path):
    instance_id = await driver.start("a", "3.0.0", {})

    async def trapped():
        return "stubborn" in output(tmp_path, instance_id)

    await until(trapped)
    await driver.stop(instance_id, grace_s=0.2)
    assert not await driver.workloads()


async def test_what_cannot_be_started(driver):
    with pytest.raises(NotFound):
        await driver.start("a", "9.0.0", {})
    with pytest.raises(DeploymentFailed, match="neither a module nor a command"):
        await driver.start("a", "4.0.0", {})
    await driver.start("a", "5.0.0", {})

    async def ended():
        return next((row for row in await driver.workloads() if row.state == WorkloadState.EXITED), None)

    row = await until(ended)
    assert row.exit_code == 127
    assert "/nowhere/program" in row.detail


_KILLED_MANAGER = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_process_driver import new_driver
async def main():
    await new_driver(Path(sys.argv[1])).start("a", "1.0.0", {})
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def test_it_outlives_a_killed_manager(driver, tmp_path):
    """Killed right after the start, before anything could be noted: the next manager finds the process and can stop it."""
    killed = subprocess.run((sys.executable, "-c", _KILLED_MANAGER, str(tmp_path), os.path.dirname(__file__)), check=False)
    assert killed.returncode == -signal.SIGKILL
    (row,) = await driver.workloads()
    assert (row.name, row.version, row.state) == ("a", "1.0.0", WorkloadState.RUNNING)
    await driver.stop(row.instance_id)
    assert not await driver.workloads()


async def test_a_start_that_never_came_to_pass_is_forgotten(driver, tmp_path):
    instance_id = await driver.start("a", "1.0.0", {})
    await driver.stop(instance_id)
    folder = tmp_path / "instances" / "a-1"
    folder.mkdir()
    (folder / "record.json").write_text(
        '{"instance_id": "a-1", "name": "a", "version": "1.0.0", "settings": {}, "started_at": 1}'
    )
    (folder / "alive.lock").touch()
    assert not await driver.workloads()
    assert not folder.exists()
