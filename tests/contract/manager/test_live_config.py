"""A configuration reaches what runs: live where the xApp takes it so, by replacement where not; refused ones change nothing."""

from __future__ import annotations

import asyncio

import pytest

from ric_sim.domain.errors import ConfigRefused, Conflict, InvalidInput, RolloutUnderway, TrialUnderway
from ric_sim.e2 import config_pushes
from services.manager.lifecycle import ric_view
from services.manager.lifecycle.configuration import ConfigPath
from services.manager.lifecycle.documents import xapps_document
from tests.contract.manager.lifecycle_world import DEAF, NAME, NEW, OLD, QUICK, descriptor, loop_driver, manager_on, until


@pytest.fixture
async def driver(ric):
    async with loop_driver(ric.grpc_port) as opened:
        yield opened


@pytest.fixture
async def manager(ric, driver, tmp_path, monkeypatch):
    monkeypatch.setattr(config_pushes, "ANSWER_WITHIN_S", 30.0)  # one that stands still for a moment is another test's
    monkeypatch.setattr(ric_view, "CALL_TIMEOUT_S", 40.0)
    async with manager_on(tmp_path, ric.grpc_port, driver) as opened:
        opened.service.onboard({**descriptor(OLD), "env": {"RICITY_GROUP_DECISIONS": "4"}})
        for version in (NEW, DEAF):
            opened.service.onboard(descriptor(version))
        opened.service.deploy(NAME, OLD, 2)
        await opened.until_ready(OLD, 2)
        yield opened


def generations(manager):
    """As the REST interface shows them, of the instances that are ready."""
    (xapp,) = xapps_document(manager.service.xapps.values(), manager.reconciler).xapps
    return sorted(row.generation for each in xapp.versions for row in each.instances if row.state == "ready")


def limits(ric):
    """Generation that each instance reports to the RIC."""
    return sorted(instance.config_generation for instance in ric.termination.requests.pools[NAME].instances)


async def test_what_is_live_changes_while_it_runs(ric, manager, driver):
    before = sorted(driver.running(OLD))
    done = await manager.service.configure(NAME, {"RICITY_REPLANS": "3"})
    assert (done.path, done.reason, done.desired.config_generation) == (ConfigPath.LIVE, "", 2)
    await until(manager, lambda: generations(manager) == [2, 2])
    assert limits(ric) == [2, 2]
    assert sorted(driver.running(OLD)) == before
    again = await manager.service.configure(NAME, {"RICITY_REPLANS": "3"})
    assert (again.path, again.desired) == (ConfigPath.UNCHANGED, done.desired)


async def test_what_is_read_at_the_start_takes_others(manager, driver):
    before = set(driver.running(OLD))
    done = await manager.service.configure(NAME, {"RICITY_REPLANS": "3", "RICITY_WINDOW": "32"})
    assert (done.path, done.reason) == (ConfigPath.REPLACEMENT, "RICITY_WINDOW: read at the start only")
    again = await manager.service.configure(NAME, {"RICITY_REPLANS": "4", "RICITY_WINDOW": "32"})
    assert (again.path, "is being replaced" in again.reason) == (ConfigPath.REPLACEMENT, True)
    await until(manager, lambda: generations(manager) == [3, 3] and not before & set(driver.running(OLD)))
    for workload in await driver.workloads():
        expected = {"RICITY_REPLANS": "4", "RICITY_WINDOW": "32", "RICITY_CONFIG_GENERATION": "3"}
        assert workload.settings == expected
    done = await manager.service.configure(NAME, {"RICITY_REPLANS": "5", "RICITY_WINDOW": "32"})
    assert done.path == ConfigPath.LIVE, "only what differs counts"
    await until(manager, lambda: generations(manager) == [4, 4])


async def test_a_value_that_is_refused_changes_nothing(ric, manager, driver):
    driver.careful.most_replans = 8
    before = sorted(driver.running(OLD))
    refusals = (
        ({"RICITY_REPLANS": "99"}, "RICITY_REPLANS='99'"),
        ({"RICITY_REPLANS": "9"}, "no time for more than 8"),
        ({"RICITY_REPLAN": "3"}, "did you mean 'RICITY_REPLANS'"),
        ({"RICITY_WINDOW": "32", "RICITY_REPLAN": "3"}, "did you mean 'RICITY_REPLANS'"),
        ({"RICITY_WINDOW": "none"}, "RICITY_WINDOW='none'"),
    )
    for config, reason in refusals:
        with pytest.raises(ConfigRefused, match=reason):
            await manager.service.configure(NAME, config)
    for _ in range(3):
        await manager.look()
    assert (generations(manager), limits(ric), sorted(driver.running(OLD))) == ([1, 1], [1, 1], before)
    assert manager.service.xapps[NAME].desired.config == {}


async def test_what_cannot_be_configured(manager):
    for key in ("PATH", "RICITY_RIC", "ricity_replans", "RICITY_CONFIG_GENERATION"):
        with pytest.raises(InvalidInput, match="configuration key"):
            await manager.service.configure(NAME, {key: "x"})
    asked = [manager.service.configure(NAME, {"RICITY_REPLANS": value}) for value in ("3", "4")]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    (refused,) = [answer for answer in answers if isinstance(answer, Conflict)]
    (done,) = [answer for answer in answers if answer is not refused]
    assert (done.path, manager.service.xapps[NAME].desired) == (ConfigPath.LIVE, done.desired)
    manager.service.upgrade(NAME, DEAF, QUICK)
    with pytest.raises(RolloutUnderway):
        await manager.service.configure(NAME, {"RICITY_REPLANS": "5"})


async def test_who_starts_or_comes_back_has_the_newest(ric, manager, driver, tmp_path):
    await manager.service.configure(NAME, {"RICITY_REPLANS": "3"})
    await until(manager, lambda: generations(manager) == [2, 2])
    driver.kill(driver.running(OLD)[0])
    await until(manager, lambda: len(driver.started) == 3 and generations(manager) == [2, 2])
    assert sorted(workload.settings["RICITY_CONFIG_GENERATION"] for workload in await driver.workloads()) == ["1", "2"]

    await manager.service.configure(NAME, {"RICITY_REPLANS": "4"})
    await manager.close()  # before anybody was told
    started = list(driver.started)
    async with manager_on(tmp_path, ric.grpc_port, driver) as successor:
        await until(successor, lambda: generations(successor) == [3, 3])
    assert driver.started == started


async def test_a_candidate_is_told_too(ric, manager, driver):
    manager.service.deploy(NAME, NEW, 1, standby=True)
    await manager.until_ready(NEW)
    done = await manager.service.configure(NAME, {"RICITY_REPLANS": "3"})
    assert done.path == ConfigPath.LIVE
    await until(manager, lambda: limits(ric) == [2, 2, 2])
    assert {row.version: row.weight for row in manager.reconciler.view.attached} == {OLD: 100, NEW: 0}


async def test_who_takes_back_its_word_is_replaced(ric, manager, driver):
    before = set(driver.running(OLD))
    await manager.service.configure(NAME, {"RICITY_REPLANS": "9"})
    driver.careful.most_replans = 8
    await until(manager, lambda: generations(manager) == [2, 2] and not before & set(driver.running(OLD)))
    assert manager.service.xapps[NAME].desired.config_floor == 2


async def test_who_does_not_answer_is_replaced_and_who_is_not_there_not_asked(manager, driver, monkeypatch):
    monkeypatch.setattr(config_pushes, "ANSWER_WITHIN_S", 0.0)
    done = await manager.service.configure(NAME, {"RICITY_REPLANS": "3"})
    assert (done.path, done.reason.split(" ", 1)[1]) == (ConfigPath.REPLACEMENT, "does not answer")
    manager.service.deploy(NAME, OLD, 0)
    await until(manager, lambda: not driver.running(OLD) and not manager.reconciler.workloads)
    done = await manager.service.configure(NAME, {"RICITY_REPLANS": "4"})
    assert (done.path, done.desired.config_generation) == (ConfigPath.AT_START, 3)


async def test_a_manager_that_has_lost_its_memory(ric, manager, driver, tmp_path):
    """Instances with a generation that it has never given are replaced by its own."""
    await manager.service.configure(NAME, {"RICITY_REPLANS": "3"})
    await until(manager, lambda: limits(ric) == [2, 2])
    before = set(driver.running(OLD))
    async with manager_on(tmp_path / "anew", ric.grpc_port, driver) as successor:
        successor.service.onboard(descriptor(OLD))
        successor.service.deploy(NAME, OLD, 2)
        await until(successor, lambda: generations(successor) == [1, 1] and not before & set(driver.running(OLD)))


async def test_versions_under_test_are_left_alone(manager):
    manager.service.trial_of = {NAME: "ab-1"}.get
    for change in (
        lambda: manager.service.upgrade(NAME, NEW, QUICK),
        lambda: manager.service.rollback(NAME, QUICK),
        lambda: manager.service.remove(NAME),
    ):
        with pytest.raises((TrialUnderway, InvalidInput), match=r"ricity ab stop ab-1|has had no version"):
            change()
    with pytest.raises(TrialUnderway):
        await manager.service.configure(NAME, {"RICITY_REPLANS": "3"})
    assert not manager.service.rollouts
    assert manager.service.deploy(NAME, OLD, 1).replicas == 1
