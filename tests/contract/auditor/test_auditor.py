"""The auditor on a real store: it proves, finds what was tampered with, and takes a store that is away for no verdict."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
import redis
import structlog
from prometheus_client import REGISTRY

from ric_sim.store.embedded import EmbeddedServer
from ric_sim.store.keys import StoreKeys
from ric_sim.store.redis_store import RedisStore
from services.auditor.settings import AuditorSettings
from services.auditor.watch import AuditWatch
from tests.contract.store.stores import LAYOUT, new_namespace, request


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as running:
        yield running


@pytest.fixture
def store(server):
    with RedisStore(server.url, new_namespace()) as store:
        store.create(LAYOUT)
        store.commit([request("a"), request("b")], now_ms=5)
        yield store


def _watch(store, **overrides):
    settings = AuditorSettings(store_url=store.url, namespace=store.namespace, **overrides)
    return AuditWatch(settings, log=structlog.get_logger())


def _gauge(name):
    return REGISTRY.get_sample_value(f"ricity_auditor_{name}")


async def test_a_sound_log_is_proven(store):
    watch = _watch(store)
    before_s = time.time()
    assert await watch.look() == "passed"
    assert _gauge("found_violations") == 0
    assert _gauge("proven_timestamp_seconds") >= before_s


async def test_a_record_that_was_taken_out_is_found_and_the_proof_grows_old(server, store):
    watch = _watch(store)
    await watch.look()
    proven_s = _gauge("proven_timestamp_seconds")
    with redis.Redis.from_url(server.url) as raw:
        raw.xdel(StoreKeys.of(store.namespace).log, "2-0")
    assert await watch.look() == "failed"
    assert _gauge("found_violations") > 0
    assert _gauge("proven_timestamp_seconds") == proven_s


async def test_keys_that_hold_something_else_are_a_failed_audit(server, store):
    with redis.Redis.from_url(server.url) as raw:
        raw.set(StoreKeys.of(store.namespace).commits, "not a hash")
    assert await _watch(store).look() == "failed"
    assert _gauge("found_violations") > 0


async def test_no_store_and_no_city_are_no_verdict(store):
    await _watch(store).look()
    settings = AuditorSettings(store_url="redis://127.0.0.1:1/0", store_patience_s=0.05)
    assert await AuditWatch(settings, log=structlog.get_logger()).look() == "not_done"
    settings = AuditorSettings(store_url=store.url, namespace=new_namespace())
    assert await AuditWatch(settings, log=structlog.get_logger()).look() == "not_done"
    assert _gauge("found_violations") == 0


def test_the_process_serves_its_verdict_and_ends_on_sigterm(store, tmp_path):
    ready = tmp_path / "ready.json"
    own = {"STORE_URL": store.url, "NAMESPACE": store.namespace, "READY_FILE": str(ready), "EVERY_S": "0.1"}
    environment = os.environ | {f"RICITY_{name}": value for name, value in own.items()}
    with subprocess.Popen([sys.executable, "-m", "services.auditor.main"], env=environment) as auditor:
        try:
            deadline_s = time.monotonic() + 20
            while not ready.exists():
                assert time.monotonic() < deadline_s
                with contextlib.suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"the auditor ended with {auditor.wait(0.05)}")
            port = json.loads(ready.read_text())["status_port"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ric/v1/health/ready", timeout=30) as answer:
                assert answer.status == 200
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                assert b'ricity_auditor_audits_total{verdict="passed"}' in answer.read()
            auditor.send_signal(signal.SIGTERM)
            assert auditor.wait(10) == 0
        finally:
            auditor.kill()
