"""xApps as containers, as far as that can be told without an engine."""

import time

import pytest

from ric_sim.domain.errors import DriverUnavailable
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


def test_a_container_that_was_created_and_never_started_has_ended():
    now_s = int(time.time())
    assert is_being_started({"State": "created", "Created": now_s - 1})
    assert not is_being_started({"State": "created", "Created": now_s - 3 * START_TIMEOUT_S})
    assert not is_being_started({"State": "exited", "Created": now_s})
