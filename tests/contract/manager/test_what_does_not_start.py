"""A version that cannot be started is tried later and later; why is told to whoever asks, and nothing else is touched."""

from __future__ import annotations

import asyncio
import json

import pytest

from services.cli import xapp_manager
from services.cli.main import main
from services.manager.lifecycle.attempts import Attempts
from services.manager.lifecycle.documents import xapps_document
from tests.contract.manager.a1_client import manager_of, until
from tests.contract.manager.lifecycle_world import CRASHING, MISSING, NAME, OLD, descriptor, loop_driver, manager_on
from tests.contract.manager.lifecycle_world import until as until_looked

OTHER = "others"


@pytest.fixture
async def driver(ric):
    async with loop_driver(ric.grpc_port) as opened:
        yield opened


@pytest.fixture
def clock():
    """Seconds that pass when the test says so."""
    return [0.0]


@pytest.fixture
async def manager(ric, driver, clock, tmp_path):
    async with manager_on(tmp_path, ric.grpc_port, driver) as opened:
        opened.reconciler.attempts = Attempts(now=lambda: clock[0])
        for version in (OLD, CRASHING, MISSING):
            opened.service.onboard(descriptor(version))
        opened.service.onboard(descriptor(MISSING, OTHER))
        yield opened


def reasons(manager):
    found = xapps_document(manager.service.xapps.values(), manager.reconciler)
    return {(xapp.name, each.version): each.reason for xapp in found.xapps for each in xapp.versions if each.reason}


async def test_it_is_tried_with_growing_pauses(manager, driver, clock):
    manager.service.deploy(OTHER, MISSING, 3)
    manager.service.deploy(NAME, OLD, 1)
    await manager.until_ready(OLD)
    assert driver.started.count(MISSING) == 1, "one that fails is enough to know"
    assert reasons(manager) == {(OTHER, MISSING): "others 6.0.0: no such image"}

    for n_tried, pause_s in ((2, 0.5), (3, 1.0), (4, 2.0)):
        clock[0] += 0.9 * pause_s
        for _ in range(3):
            await manager.look()
        assert driver.started.count(MISSING) == n_tried - 1
        clock[0] += 0.2 * pause_s
        for _ in range(3):
            await manager.look()
        assert driver.started.count(MISSING) == n_tried

    manager.service.deploy(OTHER, MISSING, 0)
    await until_looked(manager, lambda: not reasons(manager))


async def test_a_candidate_that_does_not_start_leaves_the_other_one_alone(manager, driver, clock):
    manager.service.deploy(NAME, OLD, 1)
    await manager.until_ready(OLD)
    manager.service.deploy(NAME, MISSING, 1, standby=True)
    await until_looked(manager, lambda: (NAME, MISSING) in reasons(manager))
    (first,) = driver.running(OLD)
    driver.kill(first)
    await until_looked(manager, lambda: (NAME, OLD) in reasons(manager))
    clock[0] += 1.0
    await until_looked(manager, lambda: driver.running(OLD) not in ([], [first]))
    await until_looked(manager, lambda: set(reasons(manager)) == {(NAME, MISSING)})
    manager.service.deploy(NAME, MISSING, 0, standby=True)
    await until_looked(manager, lambda: not reasons(manager))


async def test_why_one_keeps_ending_is_told(manager, driver):
    manager.service.deploy(NAME, CRASHING, 1)
    await until_looked(manager, lambda: bool(reasons(manager)))
    assert reasons(manager) == {(NAME, CRASHING): "it ended by itself: exit code 2, a bad setting"}


async def test_the_command_line_tells_the_reason(ric, tmp_path, capsys, monkeypatch):
    """A descriptor with an image only is nothing that a process could be."""
    image = {"registry": "", "name": "a", "tag": "1"}
    document = {"xapp_name": NAME, "version": OLD, "containers": [{"name": "a", "image": image}]}
    async with manager_of(ric.grpc_port, xapp_folder=tmp_path / "xapps", ab_folder=tmp_path / "ab") as http:
        await http.post("/v1/xapps", json=document)
        await http.post(f"/v1/xapps/{NAME}/deploy", json={"version": OLD})
        await until(lambda: http.get("/v1/xapps"), lambda reply: bool(reply.json()["xapps"][0]["versions"][0]["reason"]))
        monkeypatch.setattr(xapp_manager, "_WITHIN_S", 0.0)
        manager = ["--manager", str(http.base_url)]
        capsys.readouterr()
        assert await asyncio.to_thread(main, ["xapp", "deploy", NAME, *manager, "--json"]) == 1
        refused = capsys.readouterr()
        assert await asyncio.to_thread(main, ["xapp", "catalogue", *manager]) == 0
        catalogue = " ".join(capsys.readouterr().out.split())
    (line,) = [line for line in refused.out.splitlines() if line.startswith('{"error"')]
    assert "neither a module nor a command" in json.loads(line)["error"]["message"]
    assert "neither a module nor a command" in refused.err
    assert f"{NAME} {OLD}: {NAME} {OLD} has neither a module nor a command" in catalogue
