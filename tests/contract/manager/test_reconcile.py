"""What runs becomes what is wanted: scale, crashes, configuration, candidates, removal, a RIC or a driver that is away."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from ric_sim.domain.errors import DriverUnavailable, InvalidInput, MalformedFile, NotFound
from services.manager.lifecycle.ab_operations import AbOperations
from services.manager.lifecycle.docker_driver import DockerDriver, DockerPlace
from tests.contract.manager.a1_client import PATIENCE_S, manager_of
from tests.contract.manager.lifecycle_world import DEAF, NAME, NEW, OLD, QUICK, descriptor, loop_driver, manager_on, until


@pytest.fixture
async def driver(ric):
    async with loop_driver(ric.grpc_port) as opened:
        yield opened


@pytest.fixture
async def manager(ric, driver, tmp_path):
    async with manager_on(tmp_path, ric.grpc_port, driver) as opened:
        for version in (OLD, NEW, DEAF):
            assert opened.service.onboard(descriptor(version)) == [NAME]
        opened.service.deploy(NAME, OLD, 1)
        await opened.until_ready(OLD)
        yield opened


def weights(manager):
    return {row.version: row.weight for row in manager.reconciler.view.attached}


async def test_scale(manager, driver):
    manager.service.deploy(NAME, OLD, 3)
    await manager.until_ready(OLD, 3)
    manager.service.deploy(NAME, OLD, 1)
    await manager.until_ready(OLD, 1)
    assert len(driver.running(OLD)) == 1
    manager.service.deploy(NAME, OLD, 0)
    await until(manager, lambda: not driver.running(OLD))


async def test_replicas_are_upgraded_together(manager, driver):
    manager.service.deploy(NAME, OLD, 2)
    await manager.until_ready(OLD, 2)
    rollout = await manager.until_ended(manager.service.upgrade(NAME, NEW, QUICK).rollout_id)
    assert (rollout.state, len(driver.running(NEW)), driver.running(OLD)) == ("succeeded", 2, [])


async def test_what_dies_is_started_again_later_and_later(manager, driver):
    (first,) = driver.running(OLD)
    driver.kill(first)
    await until(manager, lambda: driver.running(OLD) not in ([], [first]))
    assert driver.started == [OLD, OLD]


async def test_the_old_version_is_kept_alive_during_an_upgrade(manager, driver):
    rollout_id = manager.service.upgrade(NAME, DEAF, QUICK).rollout_id
    await until(manager, lambda: manager.service.rollout(rollout_id).step == "wait_ready")
    (first,) = driver.running(OLD)
    driver.kill(first)
    await until(manager, lambda: driver.running(OLD) not in ([], [first]))
    assert manager.service.rollout(rollout_id).is_running


async def test_a_candidate_is_promoted_by_a_verdict(manager, driver):
    manager.service.deploy(NAME, NEW, 1, standby=True)
    await manager.until_ready(NEW)
    assert weights(manager) == {OLD: 100, NEW: 0}
    await manager.look()
    assert weights(manager) == {OLD: 100, NEW: 0}

    operations = AbOperations(manager.service, driver, manager.ric)
    assert not operations.is_changing(NAME)
    for _ in range(2):
        await operations.settle(NAME, winner=NEW, loser=OLD)
    await until(manager, lambda: weights(manager) == {NEW: 100})
    assert (driver.running(OLD), len(driver.running(NEW))) == ([], 1)
    await operations.settle("others", winner=NEW, loser=OLD)
    back = await manager.until_ended(manager.service.rollback(NAME, QUICK).rollout_id)
    assert (back.to_version, back.state) == (OLD, "succeeded")


async def test_a_candidate_that_loses_goes(manager, driver):
    manager.service.deploy(NAME, NEW, 1, standby=True)
    await manager.until_ready(NEW)
    await AbOperations(manager.service, driver, manager.ric).settle(NAME, winner=OLD, loser=NEW)
    await until(manager, lambda: weights(manager) == {OLD: 100})
    assert driver.running(NEW) == []
    with pytest.raises(InvalidInput, match="cannot stand by"):
        manager.service.deploy(NAME, OLD, 1, standby=True)


async def test_a_winner_that_others_have_started_serves_alone(manager, driver):
    """The manager's own loser is not wanted any more, so it does not come back."""
    await AbOperations(manager.service, driver, manager.ric).settle(NAME, winner="9.9.9", loser=OLD)
    for _ in range(5):
        await manager.look()
    assert (driver.running(OLD), driver.started) == ([], [OLD])
    assert manager.service.xapps[NAME].desired.replicas == 0


async def test_a_version_that_stood_by_serves_once_it_is_deployed(manager, driver):
    manager.service.deploy(NAME, NEW, 1, standby=True)
    await manager.until_ready(NEW)
    manager.service.deploy(NAME, OLD, 0)
    await until(manager, lambda: not driver.running(OLD) and not driver.running(NEW))
    manager.service.deploy(NAME, NEW, 1)
    await until(manager, lambda: weights(manager) == {NEW: 100})


async def test_a_candidate_that_keeps_dying_does_not_keep_the_other_down(manager, driver):
    manager.service.deploy(NAME, NEW, 1, standby=True)
    for _ in range(3):
        await until(manager, lambda: any(row.workload_id in driver.running(NEW) for row in manager.reconciler.view.of(NAME, NEW)))
        driver.kill(driver.running(NEW)[0])
        await until(manager, lambda: not driver.running(NEW))
    (old,), n_started = driver.running(OLD), len(driver.started)
    driver.kill(old)
    await until(manager, lambda: driver.running(OLD) not in ([], [old]))
    assert driver.started[n_started] == OLD, "the other one's pause is longer by now"


async def test_what_was_there_serves_until_what_is_deployed_is_ready(ric, driver, tmp_path):
    async with manager_on(tmp_path, ric.grpc_port, driver) as manager:
        for version in (OLD, DEAF):
            manager.service.onboard(descriptor(version))
        await driver.start(NAME, OLD, {})
        await manager.until_ready(OLD)
        manager.service.deploy(NAME, DEAF, 1)
        await until(manager, lambda: bool(driver.running(DEAF)))
        for _ in range(5):
            await manager.look()
        assert len(driver.running(OLD)) == 1


async def test_a_version_that_nobody_wants_is_stopped(manager, driver):
    await driver.start(NAME, NEW, {})
    await until(manager, lambda: not driver.running(NEW))
    manager.service.deploy(NAME, NEW, 1, standby=True)
    await manager.until_ready(NEW)
    manager.service.deploy(NAME, NEW, 0, standby=True)
    await until(manager, lambda: not driver.running(NEW))
    assert len(driver.running(OLD)) == 1


async def test_removal(manager, driver):
    manager.service.remove(NAME)
    with pytest.raises(NotFound):
        manager.service.deploy(NAME, OLD, 1)
    await until(manager, lambda: NAME not in manager.service.xapps)
    assert driver.running(OLD) == []


async def test_the_same_version_with_another_descriptor(manager):
    assert manager.service.onboard(descriptor(OLD)) == [NAME]
    with pytest.raises(Exception, match="another descriptor"):
        manager.service.onboard({**descriptor(OLD), "env": {"RICITY_REPLANS": "2"}})
    with pytest.raises(MalformedFile):
        manager.service.onboard({**descriptor(OLD), "colour": "red"})


async def test_a_rollout_waits_for_a_ric_that_is_away(driver, tmp_path):
    async with manager_on(tmp_path, 1, driver) as manager:
        manager.service.onboard(descriptor(OLD))
        manager.service.deploy(NAME, OLD, 1)
        manager.service.onboard(descriptor(NEW))
        rollout_id = manager.service.upgrade(NAME, NEW, QUICK).rollout_id
        for _ in range(3):
            await manager.look()
        assert manager.service.rollout(rollout_id).step == "start"
        assert len(driver.running(OLD)) == 1, "what runs does not depend on the RIC"


async def test_an_engine_that_is_gone_is_asked_again(ric, tmp_path):
    place = DockerPlace(tmp_path / "no.sock", "net", "image", "project")
    engine = DockerDriver(place, lambda name, version: None, lambda _name: {})
    async with manager_on(tmp_path, ric.grpc_port, engine) as manager:
        manager.service.onboard(descriptor(OLD))
        manager.service.deploy(NAME, OLD, 1)
        for _ in range(3):
            await manager.look()
        assert manager.service.xapps[NAME].desired.replicas == 1
        with pytest.raises(DriverUnavailable, match=r"no\.sock does not answer .* DOCKER_GROUP .* README\.md"):
            manager.service.deploy(NAME, OLD, 2)
        assert manager.service.xapps[NAME].desired.replicas == 1
    await engine.close()


# --- over HTTP ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def http(ric, tmp_path):
    async with manager_of(ric.grpc_port, xapp_folder=tmp_path / "xapps", ab_folder=tmp_path / "ab") as opened:
        yield opened


async def test_the_rest_surface(http):
    assert (await http.post("/v1/xapps", json=descriptor(OLD))).json() == {"xapps": [NAME], "version": OLD}
    assert (await http.get(f"/v1/xapps/{NAME}/versions/{OLD}")).json() == descriptor(OLD)
    assert (await http.get(f"/v1/xapps/{NAME}/versions/9.9.9")).status_code == 404
    (xapp,) = (await http.get("/v1/xapps")).json()["xapps"]
    assert (xapp["name"], xapp["descriptor_version"], xapp["desired"]) == (NAME, OLD, None)
    assert xapp["versions"] == [{"version": OLD, "state": "catalogued", "reason": "", "weight": 0, "instances": []}]
    wanted = (await http.post(f"/v1/xapps/{NAME}/deploy", json={"version": OLD, "replicas": 0})).json()
    assert wanted == {"version": OLD, "replicas": 0, "standby": {}, "config_generation": 1, "config": {}}
    assert (await http.put(f"/v1/xapps/{NAME}/config", json={"RICITY_REPLANS": "2"})).json()["config_generation"] == 2
    assert (await http.get("/v1/rollouts")).json() == {"rollouts": []}
    assert (await http.delete(f"/v1/xapps/{NAME}")).status_code == 204
    async with asyncio.timeout(PATIENCE_S):
        while (await http.get("/v1/xapps")).json()["xapps"]:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/xapps", {"xapp_name": "a"}, 400),
        ("POST", "/v1/xapps", [], 400),
        ("POST", "/v1/xapps/nobody/deploy", {"version": "1.0.0"}, 404),
        ("POST", "/v1/xapps/nobody/upgrade", {"to": "1.0"}, 400),
        ("POST", "/v1/xapps/nobody/upgrade", {"to": "1.0.0", "colour": 1}, 400),
        ("POST", "/v1/xapps/nobody/upgrade", {"to": "1.0.0"}, 404),
        ("POST", "/v1/xapps/nobody/rollback", None, 404),
        ("DELETE", "/v1/xapps/nobody", None, 404),
        ("PUT", "/v1/xapps/nobody/config", {"A": 1}, 400),
        ("GET", "/v1/rollouts/000000000000", None, 404),
        ("GET", "/ric/v1/xapps/nobody", None, 404),
        ("POST", "/ric/v1/deregister", {"appName": "a", "appInstanceName": "b"}, 404),
        ("POST", "/ric/v1/register", {"appName": "a"}, 400),
        ("DELETE", "/ric/v1/subscriptions/x", None, 404),
    ],
)
async def test_what_rest_refuses(http, method, path, body, status):
    reply = await http.request(method, path, json=body)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"].startswith("application/problem+json")


async def test_the_paths_of_o_ran_sc(http):
    await http.post("/v1/xapps", json=descriptor(OLD))
    assert (await http.get("/ric/v1/health/alive")).status_code == 200
    async with asyncio.timeout(PATIENCE_S):
        while (await http.get("/ric/v1/health/ready")).status_code != 200:
            await asyncio.sleep(0.02)
    hook = {
        "data": {"targetUrl": str(http.base_url.join("/ric/v1/register")), "eventType": "all", "maxRetries": 0, "retryTimer": 1}
    }
    made = (await http.post("/ric/v1/subscriptions", json=hook)).json()
    assert made["data"] == hook["data"]
    assert (await http.get("/ric/v1/subscriptions")).json() == [made]
    assert (await http.put(f"/ric/v1/subscriptions/{made['id']}", json=hook)).json() == made
    me = {"appName": "ts", "appInstanceName": "ts-1", "appVersion": "1.0.0", "config": "{}"}
    assert (await http.post("/ric/v1/register", json=me)).status_code == 201
    assert (await http.post("/ric/v1/deregister", json={"appName": "ts", "appInstanceName": "ts-1"})).status_code == 204
    assert (await http.get("/ric/v1/xapps/list")).json() == [NAME]
    assert (await http.get(f"/ric/v1/xapps/{NAME}")).json()["status"] == "unknown"
    assert (await http.get(f"/ric/v1/config/{NAME}")).json()["config"] == {}
    assert (await http.delete(f"/ric/v1/xapps/{NAME}")).status_code == 204
    assert (await http.delete(f"/ric/v1/subscriptions/{made['id']}")).status_code == 204


async def test_hooks_hear_of_changes(http):
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        heard.put_nowait(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await http.post("/ric/v1/subscriptions", json={"data": {"targetUrl": url, "eventType": "modified"}})
        await http.post("/v1/xapps", json=descriptor(OLD))
        await http.post(f"/v1/xapps/{NAME}/deploy", json={"version": OLD, "replicas": 0})
        await http.put(f"/v1/xapps/{NAME}/config", json={"RICITY_REPLANS": "2"})
        async with asyncio.timeout(PATIENCE_S):
            told = httpx.Response(200, content=await heard.get()).json()
    assert (told["eventType"], told["xApps"]) == ("modified", [{"name": NAME}])
