"""The RIC and a store that goes away and comes back."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal

import grpc
import pytest

from ric_sim.domain.errors import NotFound, StoreUnreachable
from ric_sim.domain.reservation import ChangeKind
from ric_sim.store.audit import audit
from ric_sim.store.embedded import EmbeddedServer
from ric_sim.store.policies import StoredPolicies
from ric_sim.store.redis_store import RedisStore
from ricity.a1.v1 import policy_pb2, policy_pb2_grpc
from services.ric.composition import running_ric
from services.ric.settings import RicSettings
from tests.harness import PATIENCE_S, eventually, route_on_empty_network

COMMIT, RELEASE = ChangeKind.COMMIT, ChangeKind.RELEASE


@pytest.fixture
def server(tmp_path):
    with EmbeddedServer(tmp_path / "store") as running:
        yield running


@pytest.fixture
async def ric(server):
    async with running_ric(RicSettings(grpc_port=0, store_url=server.url)) as running:
        yield running


async def answer_one(xapp, agent, ric, flow):
    await agent.raise_requests([flow])
    await xapp.receive("inserts")
    await xapp.route(flow.flow_id, route_on_empty_network(ric.city, flow))


async def test_commit_under_way_survives_a_restart_of_the_store(server, ric, channel, agent, xapp, flows):
    server.stop()
    await agent.raise_requests(flows[:1])
    await eventually(lambda: not ric.gate.reachable)
    await asyncio.to_thread(server.start)
    await xapp.receive("inserts")
    await xapp.route(flows[0].flow_id, route_on_empty_network(ric.city, flows[0]))
    (answer,) = await agent.answers(1)
    assert answer.WhichOneof("outcome") == "applied"
    assert ric.gate.reachable


async def test_acknowledged_commits_the_store_lost_are_given_back(server, ric, channel, agent, xapp, flows, tmp_path):
    await answer_one(xapp, agent, ric, flows[0])
    await agent.answers(1)
    shutil.copytree(tmp_path / "store", tmp_path / "earlier", ignore=shutil.ignore_patterns("*.sock"))
    await answer_one(xapp, agent, ric, flows[1])
    await agent.answers(1)
    before = await ric.gate.fresh_snapshot()
    server.kill()
    shutil.rmtree(tmp_path / "store")
    shutil.copytree(tmp_path / "earlier", tmp_path / "store")
    await asyncio.to_thread(server.start)
    after = await ric.gate.fresh_snapshot()
    assert after.version == before.version
    assert (after.used == before.used).all()
    with RedisStore(server.url, "city") as store:
        assert audit(store).ok


async def test_releases_policies_and_the_order_of_changes_come_back_as_well(server, ric, channel, agent, xapp, flows, tmp_path):
    await answer_one(xapp, agent, ric, flows[0])
    await agent.answers(1)
    shutil.copytree(tmp_path / "store", tmp_path / "earlier", ignore=shutil.ignore_patterns("*.sock"))
    await ric.gate.release([flows[0].flow_id])
    await answer_one(xapp, agent, ric, flows[1])
    await agent.answers(1)
    kept = policy_pb2.Policy(policy_id="late", inapplicable=policy_pb2.NOT_ENFORCED_REASON_OTHER)
    await ric.termination.policies.put(kept)
    server.kill()
    shutil.rmtree(tmp_path / "store")
    shutil.copytree(tmp_path / "earlier", tmp_path / "store")
    await asyncio.to_thread(server.start)
    await answer_one(xapp, agent, ric, flows[2])
    await agent.answers(1)
    assert ric.gate.times_went_back == 1
    with RedisStore(server.url, "city") as store:
        order = [(change.kind, change.flow_id) for change in store.changes() if change.kind in (COMMIT, RELEASE)]
        first, second, third = (flow.flow_id for flow in flows[:3])
        assert order == [(COMMIT, first), (RELEASE, first), (COMMIT, second), (COMMIT, third)]
        assert audit(store).ok
    stored = StoredPolicies(server.url, "city")
    async with asyncio.timeout(PATIENCE_S):
        while "late" not in await stored.load():
            await asyncio.sleep(0.05)
    await stored.aclose()


@pytest.mark.parametrize("kind", ["put", "delete"])
async def test_a_policy_change_whose_caller_went_is_the_same_in_the_store_and_the_ric(server, ric, channel, kind):
    book, stub = ric.termination.policies, policy_pb2_grpc.PolicyServiceStub(channel)
    policy = policy_pb2.Policy(policy_id="p", inapplicable=policy_pb2.NOT_ENFORCED_REASON_OTHER)
    if kind == "delete":
        await book.put(policy)
    await channel.channel_ready()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        if kind == "put":
            call = stub.PutPolicy(policy_pb2.PutPolicyRequest(policy=policy), timeout=1.0)
        else:
            call = stub.DeletePolicy(policy_pb2.DeletePolicyRequest(policy_id="p"), timeout=1.0)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert ended.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(lambda: len(book.all()) == (kind == "put"))
    stored = StoredPolicies(server.url, "city")
    assert list(await stored.load()) == [kept.policy_id for kept in book.all()]
    await stored.aclose()


@pytest.mark.parametrize("kind", ["put", "delete"])
async def test_a_change_that_the_store_carries_out_too_late_is_undone(server, ric, kind):
    """Its caller was told that nothing changed."""
    book = ric.termination.policies
    policy = policy_pb2.Policy(policy_id="p", inapplicable=policy_pb2.NOT_ENFORCED_REASON_OTHER)
    if kind == "delete":
        await book.put(policy)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnreachable):
            await (book.put(policy) if kind == "put" else book.delete("p"))
    finally:
        os.kill(server.pid, signal.SIGCONT)
    held = [kept.policy_id for kept in book.all()]
    assert held == ["p"] * (kind == "delete")
    await eventually(lambda: not book._in_doubt)
    stored = StoredPolicies(server.url, "city")
    assert list(await stored.load()) == held
    await stored.aclose()


async def test_wiped_store_ends_the_process_with_a_typed_error(server, ric, channel, agent, xapp, flows):
    with RedisStore(server.url, "city") as store:
        store.drop()
    await agent.raise_requests(flows[:1])
    with pytest.raises(NotFound, match="holds no city"):
        await asyncio.wait_for(ric.gate.failed, 30)
