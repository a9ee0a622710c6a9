"""The server stops, dies and comes back: what was acknowledged is there, and clients go on where they were."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest
import redis

from ric_sim.domain.errors import StoreUnreachable
from ric_sim.domain.reservation import CommitStatus
from ric_sim.store.audit import audit
from ric_sim.store.embedded import EmbeddedServer
from ric_sim.store.redis_store import RedisStore
from tests.contract.store.stores import LAYOUT, BlockingAsyncStore, request


@pytest.fixture
def durable(tmp_path):
    with EmbeddedServer(tmp_path / "data") as running:
        yield running


@pytest.fixture(params=[RedisStore, BlockingAsyncStore])
def store(request, durable):
    with closing(request.param(durable.url, "run-1")) as opened:
        opened.create(LAYOUT)
        yield opened


@pytest.mark.parametrize("end", [EmbeddedServer.stop, EmbeddedServer.kill])
def test_everything_survives_a_restart(durable, store, end):
    store.commit([request("a"), request("b", expiry_ms=20), request("c", entries=((3, 11),))], now_ms=5)
    store.release(["a"], now_ms=7)
    changes, counters, snapshot = list(store.changes()), store.counters(), store.snapshot()
    _wait_until_synced(durable.url)
    end(durable)
    durable.start()
    assert list(store.changes()) == changes
    assert store.counters() == counters
    assert store.snapshot().used.tolist() == snapshot.used.tolist()
    assert store.lookup("a").version == 1
    assert store.commit([request("a")], now_ms=0)[0].status == CommitStatus.DUPLICATE
    assert store.advance(20) == 1
    assert audit(store, LAYOUT).ok


def _wait_until_synced(url):
    """With a sync under way a write may wait in the server for up to two seconds, where a kill -9 would take it along."""
    with redis.Redis.from_url(url) as raw:
        raw.set("written-last", 1)
        raw.execute_command("WAITAOF", 1, 0, 5000)


def test_a_client_in_mid_stream_loses_and_repeats_nothing(durable):
    n_flows = 1500
    outcomes = []

    def commit_all():
        with RedisStore(durable.url, "run-1", patience_s=30) as client:
            for i in range(n_flows):
                flow = request(f"flow-{i}", entries=((0, 1),), hosts=(), expiry_ms=i + 50)
                outcomes.extend(client.commit([flow], now_ms=i))

    with RedisStore(durable.url, "run-1", patience_s=30) as store:
        store.create(LAYOUT)
        with redis.Redis.from_url(durable.url) as raw:
            raw.config_set("appendfsync", "always")  # until the restart: what is acknowledged is on disk
        client = threading.Thread(target=commit_all)
        client.start()
        for end in (durable.kill, durable.stop):
            _reaches(store, store.snapshot().version + 40)
            end()
            durable.start()
        client.join()
        # A commit whose acknowledgement was lost is sent again and answered as the duplicate that it is.
        assert {outcome.status for outcome in outcomes} <= {CommitStatus.COMMITTED, CommitStatus.DUPLICATE}
        assert [outcome.flow_id for outcome in outcomes] == [f"flow-{i}" for i in range(n_flows)]
        report = audit(store, LAYOUT)
        assert report.ok, report.violations
        assert report.commits == n_flows


def _reaches(store, version):
    deadline = time.monotonic() + 30
    while store.snapshot().version < version:
        assert time.monotonic() < deadline, "the client does not get on"


def test_a_store_that_stays_away_is_unreachable_and_usable_when_it_is_back(durable, store):
    store.commit([request("a")], now_ms=0)
    durable.stop()
    with closing(type(store)(durable.url, "run-1", patience_s=0.05)) as impatient:
        with pytest.raises(StoreUnreachable):
            impatient.commit([request("b")], now_ms=0)
        durable.start()
        assert impatient.commit([request("b")], now_ms=0)[0].status == CommitStatus.COMMITTED
    assert store.snapshot().version == 2
