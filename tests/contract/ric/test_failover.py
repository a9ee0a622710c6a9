"""The RIC on a store behind Sentinel: the primary is killed, a replica takes over, and nothing that was promised is lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from ric_sim.e2.codec import flow_to_proto
from ric_sim.store.access import StoreAccess
from ric_sim.store.audit import audit
from ric_sim.store.redis_store import RedisStore
from ricity.store.v1 import store_pb2, store_pb2_grpc
from services.ric.composition import running_ric
from services.ric.settings import RicSettings
from tests.harness import channel_to, eventually, route_on_empty_network
from tests.sentinel_system import PASSWORD, SentinelSystem, sentinel_system

N_CLIENTS = 3
FAILOVER_WITHIN_S = 60.0
"""A Sentinel that stood still for two seconds does nothing for thirty."""


@pytest.fixture
def password_file(tmp_path):
    path = tmp_path / "password"
    path.write_text(PASSWORD)
    return path


@pytest.fixture
def system(tmp_path):
    with sentinel_system(tmp_path / "system") as running:
        yield running


@pytest.fixture
async def ric(system, password_file):
    settings = RicSettings(grpc_port=0, status_port=0, store_url=system.url, store_password_file=password_file)
    async with running_ric(settings) as running:
        yield running


@pytest.fixture
async def channel(ric):
    async with channel_to(ric) as opened:
        yield opened


async def commit_all(ric, channel, flows, decided) -> None:
    """One client: flow after flow, each once the one before is decided."""
    call = store_pb2_grpc.StoreServiceStub(channel).Commit()
    for flow in flows:
        item = store_pb2.FlowRoute(flow=flow_to_proto(flow), links=route_on_empty_network(ric.city, flow))
        await call.write(store_pb2.CommitRequest(now_ms=0, commits=[item]))
        (outcome,) = (await call.read()).outcomes
        decided[flow.flow_id] = outcome.status
    await call.done_writing()


async def kill_primary(system: SentinelSystem) -> None:
    await asyncio.to_thread(system.primary().kill)


def stored(system: SentinelSystem, password_file) -> RedisStore:
    return RedisStore(StoreAccess(system.url, password_file), "city")


@pytest.mark.timeout(240)
async def test_commits_of_several_clients_go_on_after_the_primary_is_killed(
    system, ric, channel, flows, password_file, record_property
):
    decided: dict[str, int] = {}
    before = system.primary()
    clients = [asyncio.create_task(commit_all(ric, channel, flows[i:60:N_CLIENTS], decided)) for i in range(N_CLIENTS)]
    await eventually(lambda: len(decided) >= 20)
    await kill_primary(system)
    killed_s, n_before = time.monotonic(), len(decided)
    await eventually(lambda: len(decided) > n_before + N_CLIENTS, within_s=FAILOVER_WITHIN_S)  # beyond what was on its way
    record_property("failover_s", time.monotonic() - killed_s)
    async with asyncio.timeout(FAILOVER_WITHIN_S):
        await asyncio.gather(*clients)
    assert system.primary() is not before
    assert set(decided.values()) <= {store_pb2.COMMIT_STATUS_COMMITTED, store_pb2.COMMIT_STATUS_DUPLICATE}
    with stored(system, password_file) as store:
        report = audit(store)
        assert report.ok, report.violations
        assert report.commits == 60
        assert all(store.lookup(flow.flow_id) for flow in flows[:60])
