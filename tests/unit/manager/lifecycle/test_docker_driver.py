"""xApps as containers, as far as that can be told without an engine."""

import asyncio
import time

import pytest

from ric_sim.domain.errors import DeploymentFailed, DriverUnavailable
from services.manager.lifecycle.descriptor import XappVersion
from services.manager.lifecycle.docker_driver import START_TIMEOUT_S, DockerDriver, DockerPlace, is_being_started


@pytest.fixture
async def driver(tmp_path):
    place = DockerPlace(tmp_path / "no.sock", "city_default", "ricity:dev", "city")
    opened = DockerDriver(place, lambda name, version: XappVersion(name, version, module="xapps.a"), lambda _name: {})
    yield opened
    await opened.close()


async def test_a_socket_that_is_gone(driver):
    for call in (driver.workloads(), driver.start("a", "1.0.0", {}), driver.stop("a-1")):
        with pytest.raises(DriverUnavailable, match="does not answer"):
            await call
    assert DriverUnavailable.retryable


async def test_a_socket_that_is_gone_says_where_it_was_expected_and_which_group_it_takes(driver, tmp_path):
    with pytest.raises(DriverUnavailable) as refusal:
        await driver.workloads()
    for words in (f"{tmp_path}/no.sock", "No such file", "DOCKER_GROUP", "docker-compose.yml", "README.md"):
        assert words in str(refusal.value)


async def test_an_image_that_does_not_exist(tmp_path):
    """The engine's answer to `POST /containers/create` for an image that it does not have, word for word."""
    asked = []

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split()[1].decode())
        body = b'{"message":"No such image: ricity:none"}\n'
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    place = DockerPlace(tmp_path / "d.sock", "city_default", "ricity:none", "city")
    driver = DockerDriver(place, lambda name, version: XappVersion(name, version, module="xapps.a"), lambda _name: {})
    async with await asyncio.start_unix_server(answer, tmp_path / "d.sock"):
        with pytest.raises(
            DeploymentFailed, match=r"a 1\.0\.0 as image ricity:none: No such image: ricity:none: build or load it"
        ):
            await driver.start("a", "1.0.0", {})
    await driver.close()
    assert [path.partition("?")[0] for path in asked] == ["/v1.41/containers/create"], "nothing was made that had to be removed"


def test_a_container_that_was_created_and_never_started_has_ended():
    now_s = int(time.time())
    assert is_being_started({"State": "created", "Created": now_s - 1})
    assert not is_being_started({"State": "created", "Created": now_s - 3 * START_TIMEOUT_S})
    assert not is_being_started({"State": "exited", "Created": now_s})
