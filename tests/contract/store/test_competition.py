"""Six processes on one nearly full link: exactly what fits wins; and a store without the one door lets too many through."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import closing

import pytest
import redis

from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import CommitStatus
from ric_sim.store.audit import ViolationKind, audit
from ric_sim.store.keys import StoreKeys
from ric_sim.store.redis_store import RedisStore
from tests.contract.store.stores import LAYOUT, new_namespace, request

N_PROCESSES = 6
FLOWS_EACH = 60
_spawning = multiprocessing.get_context("spawn")
_barrier = None


def _join_the_race(barrier):
    global _barrier
    _barrier = barrier


@pytest.fixture(scope="module")
def racers():
    """Six processes that start each task together."""
    with _spawning.Pool(N_PROCESSES, _join_the_race, (_spawning.Barrier(N_PROCESSES),)) as pool:
        yield lambda task, *args: pool.starmap(task, [(index, *args) for index in range(N_PROCESSES)], chunksize=1)


def _commit_one_by_one(racer, url, namespace):
    """Each racer asks for its own flows and for one that all of them ask for."""
    with RedisStore(url, namespace) as store:
        flows = [request(f"racer-{racer}-{i}", entries=((0, 1),), hosts=(), route=(0,)) for i in range(FLOWS_EACH)]
        flows.insert(racer, request("shared", entries=((0, 1),), hosts=(), route=(0,)))
        _barrier.wait()
        return [store.commit([flow], now_ms=0)[0] for flow in flows]


def test_exactly_the_number_that_fits_wins(server, racers):
    namespace = new_namespace()
    with RedisStore(server.url, namespace) as store:
        store.create(LAYOUT)
        outcomes = [outcome for each in racers(_commit_one_by_one, server.url, namespace) for outcome in each]
        won = [outcome for outcome in outcomes if outcome.status == CommitStatus.COMMITTED]
        lost = [outcome for outcome in outcomes if outcome.status == CommitStatus.ABORTED]
        assert len(won) == len({outcome.flow_id for outcome in won}) == LAYOUT.limits[0] == 100
        assert len([outcome for outcome in outcomes if outcome.status == CommitStatus.DUPLICATE]) == N_PROCESSES - 1
        assert {(outcome.cause, outcome.resource, outcome.used) for outcome in lost} == {(Cause.LINK_CAPACITY, 0, 100)}
        assert sorted(outcome.version for outcome in won) == list(range(1, 101))
        assert store.snapshot().used.tolist() == [100, 0, 0, 0, 0, 0, 0]
        assert audit(store, LAYOUT).ok


def _check_then_write(racer, url, namespace):
    """The variant without the one door: looks whether the flow fits, and later writes what it needs."""
    with RedisStore(url, namespace) as store, redis.Redis.from_url(url) as raw:
        fits = store.snapshot().used[0] + 1 <= store.layout().limits[0]
        _barrier.wait()  # everybody has looked, nobody has written
        if fits:
            raw.bitfield(StoreKeys.of(namespace).state).incrby("u32", 128 * 8, 1).execute()
        return bool(fits)


def test_check_then_write_lets_too_many_through(server, racers):
    namespace = new_namespace()
    with RedisStore(server.url, namespace) as store:
        store.create(LAYOUT)
        store.commit([request("filler", entries=((0, 99),), hosts=(), route=(0,))], now_ms=0)
        winners = sum(racers(_check_then_write, server.url, namespace))
        assert winners == N_PROCESSES, "room for one, and all of them took it"
        assert store.snapshot().used[0] == 99 + N_PROCESSES > LAYOUT.limits[0]
        report = audit(store, LAYOUT)
        assert not report.ok
        assert ViolationKind.USED in {violation.kind for violation in report.violations}


def _commit_for_ever(url, namespace):
    with RedisStore(url, namespace) as store:
        serial = 0
        while True:
            batch = [request(f"flow-{serial + i}", entries=((0, 1), (4, 5)), hosts=(), expiry_ms=serial + 60) for i in range(16)]
            store.commit(batch, now_ms=serial)
            serial += 16


@pytest.mark.parametrize("survived_records", [40, 333])
def test_a_client_killed_in_the_middle_leaves_a_whole_state(server, survived_records):
    with closing(RedisStore(server.url, new_namespace())) as store:
        store.create(LAYOUT)
        client = _spawning.Process(target=_commit_for_ever, args=(server.url, store.namespace), daemon=True)
        client.start()
        deadline = time.monotonic() + 30
        while store.snapshot().version < survived_records:
            assert time.monotonic() < deadline, "the client never came that far"
        os.kill(client.pid, signal.SIGKILL)
        client.join()
        report = audit(store, LAYOUT)
        assert report.ok, report.violations
        assert report.records > survived_records
        (outcome,) = store.commit([request("after", entries=((0, 1),), hosts=())], now_ms=10**6)
        assert outcome.status == CommitStatus.COMMITTED
