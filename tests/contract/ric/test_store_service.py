"""The store's own door over real gRPC."""

from __future__ import annotations

import dataclasses

import grpc
import numpy as np
import pytest

from ric_sim.e2.codec import flow_to_proto
from ricity.store.v1 import store_pb2, store_pb2_grpc
from tests.harness import route_on_empty_network


@pytest.fixture
def store(channel):
    return store_pb2_grpc.StoreServiceStub(channel)


def item(ric, flow) -> store_pb2.FlowRoute:
    return store_pb2.FlowRoute(flow=flow_to_proto(flow), links=route_on_empty_network(ric.city, flow))


async def commit(store, items, *, now_ms: int = 0) -> list[store_pb2.Outcome]:
    call = store.Commit()
    await call.write(store_pb2.CommitRequest(batch_id=7, now_ms=now_ms, commits=items))
    response = await call.read()
    await call.done_writing()
    assert response.batch_id == 7
    return list(response.outcomes)


async def test_batch_decides_each_commit_on_its_own(ric, store, flows):
    bad = dataclasses.replace(flows[1], bandwidth_kbps=0)
    outcomes = await commit(store, [item(ric, flows[0]), store_pb2.FlowRoute(flow=flow_to_proto(bad)), item(ric, flows[2])])
    assert [o.status for o in outcomes] == [
        store_pb2.COMMIT_STATUS_COMMITTED,
        store_pb2.COMMIT_STATUS_INVALID,
        store_pb2.COMMIT_STATUS_COMMITTED,
    ]
    assert "bandwidth" in outcomes[1].cause.detail


async def test_same_id_is_a_duplicate_and_other_contents_a_conflict(ric, store, flows):
    await commit(store, [item(ric, flows[0])])
    other = item(ric, dataclasses.replace(flows[0], bandwidth_kbps=flows[0].bandwidth_kbps + 1))
    duplicate, conflict = await commit(store, [item(ric, flows[0]), other])
    assert duplicate.status == store_pb2.COMMIT_STATUS_DUPLICATE
    assert conflict.status == store_pb2.COMMIT_STATUS_CONFLICT
    assert duplicate.links == conflict.links


async def test_snapshot_lookup_release_and_watch(ric, store, flows):
    await commit(store, [item(ric, flows[0])])
    snapshot = (await store.GetSnapshot(store_pb2.GetSnapshotRequest())).snapshot
    assert np.frombuffer(snapshot.used, "<u4").sum() > 0
    found = await store.Lookup(store_pb2.LookupRequest(flow_id=flows[0].flow_id))
    assert found.found
    assert found.outcome.latency_us > 0
    request = store_pb2.ReleaseRequest(flow_ids=[flows[0].flow_id, "nothing"])
    assert list((await store.Release(request)).released) == [True, False]
    watch = store.Watch(store_pb2.WatchRequest(after_version=0))
    kinds = [(await watch.read()).changes[0].kind for _ in range(2)]
    assert kinds == [store_pb2.CHANGE_KIND_COMMIT, store_pb2.CHANGE_KIND_RELEASE]
    watch.cancel()


async def test_oversize_batch_is_refused(ric, store, flows):
    call = store.Commit()
    await call.write(store_pb2.CommitRequest(commits=[item(ric, flows[0])] * 257))
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call.read()
    assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert dict(refusal.value.trailing_metadata())["ricity-error-code"] == "oversize_message"
