"""A1-P as a client sees it: codes, problem documents, notifications, ten thousand policies, the other dialect."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time

import pytest
import structlog

from ric_sim.store.embedded import EmbeddedServer
from ric_sim.store.policies import StoredPolicies
from ricity.a1.v1 import policy_pb2
from services.manager import ric_link
from services.manager.a1_types import POLICY_TYPES
from services.ric.composition import running_ric
from services.ric.settings import RicSettings
from tests.contract.manager.a1_client import TSP, manager_of, routing_xapp, until, until_known
from tests.harness import eventually

TYPES = "/A1-P/v2/policytypes"
AVOID = {"scope": {"serviceIdList": ["voip"]}, "tspResources": [{"preference": "AVOID", "nodeIdList": ["du-1"]}]}
SLICE = {"scope": {"sliceId": {"sst": 1, "sd": "000004"}}, "sliceSlaObjectives": {"maxDlThptPerSlice": 100}}


def assert_problem(reply, status, word):
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), reply.text
    problem = reply.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance"}
    assert problem["status"] == status
    assert word in problem["detail"], problem["detail"]


async def test_the_types_and_their_schemas(client):
    assert (await client.get(TYPES)).json() == list(POLICY_TYPES)
    for name in POLICY_TYPES:
        answer = (await client.get(f"{TYPES}/{name}")).json()
        assert answer["policySchema"]["required"][0] == "scope"
        assert "enforceStatus" in answer["statusSchema"]["properties"]
    assert_problem(await client.get(f"{TYPES}/ORAN_Nonsense"), 404, "ORAN_QoSTarget")


async def test_the_life_of_a_policy(client):
    created = await client.put(f"{TSP}/p1", json=AVOID)
    assert (created.status_code, created.json()) == (201, AVOID)
    assert (await client.put(f"{TSP}/p1", json=AVOID)).status_code == 200
    assert (await client.get(TSP)).json() == ["p1"]
    assert (await client.get(f"{TSP}/p1")).json() == AVOID
    assert (await client.status(f"{TSP}/p1"))["enforceStatus"] == "NOT_ENFORCED"
    gone = await client.delete(f"{TSP}/p1")
    assert (gone.status_code, gone.content) == (204, b"")
    for reply in (await client.get(f"{TSP}/p1"), await client.delete(f"{TSP}/p1"), await client.get(f"{TSP}/p1/status")):
        assert_problem(reply, 404, "p1")
    assert (await client.get(TSP)).json() == []


async def test_an_id_belongs_to_one_policy_of_one_type(client):
    await client.put(f"{TSP}/p1", json=AVOID)
    other = f"{TYPES}/ORAN_SliceSLATarget/policies/p1"
    assert_problem(await client.put(other, json=SLICE), 400, "ORAN_TrafficSteeringPreference")
    assert_problem(await client.get(other), 404, "p1")
    await client.delete(f"{TSP}/p1")
    assert (await client.put(other, json=SLICE)).status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{", 400, "no JSON"),
        (b"\xff\xfe", 400, "no JSON"),
        (b"[" * 100_000, 400, "no JSON"),
        (b'{"scope": NaN}', 400, "NaN"),
        (b"[]", 400, "object"),
        (json.dumps({**AVOID, "extra": 1}).encode(), 400, "extra"),
        (json.dumps({"scope": {}}).encode(), 400, "tspResources"),
        (json.dumps(AVOID).replace("AVOID", "SHUN").encode(), 400, "SHUN"),
        (json.dumps(AVOID).replace("du-1", "du-99").encode(), 400, "did you mean"),
        (json.dumps(AVOID).replace("voip", "voipp").encode(), 400, "did you mean 'voip'"),
        (json.dumps(AVOID).replace("nodeIdList", "linkIdList").encode(), 400, "<source node>"),
        (b" " * 300_000, 413, "at most"),
    ],
    ids=lambda value: value[:24].decode("latin-1") if isinstance(value, bytes) else None,
)
async def test_an_unusable_policy_is_refused_and_changes_nothing(client, body, status, word):
    assert_problem(await client.put(f"{TSP}/p1", content=body), status, word)
    assert (await client.get(TSP)).json() == []


@pytest.mark.parametrize("uri", ["ftp://host/x", "nonsense", "http://", "http://host:99999/"])
async def test_a_destination_that_cannot_be_is_refused(client, uri):
    assert_problem(await client.put(f"{TSP}/p1", json=AVOID, params={"notificationDestination": uri}), 400, "http")


async def test_of_two_types_that_claim_an_id_at_once_one_gets_it(client):
    other = f"{TYPES}/ORAN_SliceSLATarget/policies"
    replies = await asyncio.gather(client.put(f"{TSP}/p1", json=AVOID), client.put(f"{other}/p1", json=SLICE))
    assert sorted(reply.status_code for reply in replies) == [201, 400]
    assert len((await client.get(TSP)).json() + (await client.get(other)).json()) == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_change_that_is_carried_out_after_its_caller_was_told_otherwise_is_seen(monkeypatch, method):
    """The store stands still for so long that the manager gives the RIC up; what was enforced stays so."""
    with EmbeddedServer() as server:
        settings = RicSettings(grpc_port=0, status_port=0, store_url=server.url, profile="paper")
        async with running_ric(settings) as ric, manager_of(ric.grpc_port) as client, routing_xapp(ric.grpc_port):
            await until_known(client)
            for policy_id in ("p1", "p2")[method == "PUT" :]:
                assert (await client.put(f"{TSP}/{policy_id}", json=AVOID)).status_code == 201
            await client.until_status(f"{TSP}/p2", "ENFORCED")
            monkeypatch.setattr(ric_link, "CALL_TIMEOUT_S", 0.5)
            monkeypatch.setattr(ric_link, "SILENCE_S", 30.0)
            with structlog.testing.capture_logs() as lines:
                os.kill(server.pid, signal.SIGSTOP)
                try:
                    reply = await client.request(method, f"{TSP}/p1", json=AVOID if method == "PUT" else None)
                finally:
                    os.kill(server.pid, signal.SIGCONT)
                assert_problem(reply, 503, "RIC")
                wanted = {"PUT": ["p2", "p1"], "DELETE": ["p2"]}[method]
                await until(lambda: client.get(TSP), lambda reply: reply.json() == wanted)
                await eventually(lambda: [policy.policy_id for policy in ric.termination.policies.all()] == wanted)
                assert (await client.get(TSP)).json() == wanted
            assert "ric.lost" not in [line["event"] for line in lines]


async def test_what_is_no_route_of_the_interface_is_a_problem_too(client):
    assert_problem(await client.get("/A1-P/v2/nothing"), 404, "Not Found")
    assert_problem(await client.post(TYPES), 405, "Not Allowed")
    assert_problem(await client.put(f"{TSP}/{'x' * 129}", json=AVOID), 400, "policy_id")


async def test_before_the_ric_was_reached_its_policies_are_unknown():
    async with manager_of(1) as client:
        assert_problem(await client.get(TSP), 503, "RIC")
        assert_problem(await client.put(f"{TSP}/p1", json=AVOID), 503, "RIC")


@contextlib.asynccontextmanager
async def destination(answer: bytes | None):
    """A callback server; with None it accepts and never answers. Yields its URI and the bodies it got."""
    bodies: list[dict[str, str]] = []

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].split()[0])
                bodies.append(json.loads(await reader.readexactly(length)))
                if answer is not None:
                    writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/status", bodies
        server.close()


NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
FAILURE = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"


async def test_a_destination_hears_of_each_change_and_a_hanging_one_delays_nobody(ric):
    async with (
        manager_of(ric.grpc_port, a1_callback_timeout_s=3.0, a1_callback_tries=2) as client,
        destination(None) as (hanging, asked),
        destination(NO_CONTENT) as (sound, heard),
    ):
        await until_known(client)
        for policy_id, uri in (("hanging", hanging), ("sound", sound)):
            reply = await client.put(f"{TSP}/{policy_id}", json=AVOID, params={"notificationDestination": uri})
            assert reply.status_code == 201
        enforced, lost = {"enforceStatus": "ENFORCED"}, {"enforceStatus": "NOT_ENFORCED", "enforceReason": "OTHER_REASON"}
        async with routing_xapp(ric.grpc_port):
            await eventually(lambda: heard[-1:] == [enforced])
            assert len(asked) <= 1, "the hanging one has not been given up yet"
            await eventually(lambda: len(asked) >= 2)
            assert (await client.put(f"{TSP}/hanging", json=AVOID)).status_code == 200
        await eventually(lambda: heard[-1:] == [lost])
        assert heard[0] == enforced


async def test_a_destination_that_fails_is_asked_again(ric):
    async with manager_of(ric.grpc_port, a1_callback_tries=3) as client, destination(FAILURE) as (uri, asked):
        await until_known(client)
        await client.put(f"{TSP}/p1", json=AVOID, params={"notificationDestination": uri})
        async with routing_xapp(ric.grpc_port):
            await eventually(lambda: asked == [{"enforceStatus": "ENFORCED"}] * 3)


@pytest.mark.timeout(400)
async def test_ten_thousand_policies(record_property):
    """Kept by the store, taken up by the RIC and the manager, enforced, and changed as if there were few."""
    with EmbeddedServer() as server:
        await _fill(server.url, 10_000)
        settings = RicSettings(grpc_port=0, status_port=0, store_url=server.url, profile="paper")
        async with running_ric(settings) as ric, manager_of(ric.grpc_port) as client, routing_xapp(ric.grpc_port):
            await until_known(client)
            assert len((await client.get(TSP)).json()) == 10_000
            await client.until_status(f"{TSP}/bulk-9999", "ENFORCED", within_s=120)
            started_s = time.perf_counter()
            assert (await client.put(f"{TSP}/one-more", json=AVOID)).status_code == 201
            record_property("put beside 10,000 policies, s", time.perf_counter() - started_s)
            await client.until_status(f"{TSP}/one-more", "ENFORCED", within_s=120)
            record_property("put to ENFORCED beside 10,000 policies, s", time.perf_counter() - started_s)
            assert (await client.delete(f"{TSP}/bulk-0")).status_code == 204


async def _fill(url, count):
    stored = StoredPolicies(url, "city")
    policy = POLICY_TYPES["ORAN_TrafficSteeringPreference"].policy("bulk", AVOID)
    policy.document_json = json.dumps(AVOID)
    for number in range(count):
        policy.policy_id, policy.generation = f"bulk-{number}", number + 1
        await stored.put(policy.policy_id, policy_pb2.Policy.SerializeToString(policy))
    await stored.aclose()


async def test_the_dialect_of_the_mediator(ric):
    async with manager_of(ric.grpc_port, a1_dialect="osc") as client:
        await until(lambda: client.get("/A1-P/v2/healthcheck"), lambda reply: reply.status_code == 200)
        assert (await client.get(TYPES)).json() == [20001, 20002, 20003]
        described = (await client.get(f"{TYPES}/20001")).json()
        assert described["policy_type_id"] == 20001
        assert (await client.put(f"{TYPES}/20001", json=described)).status_code == 201
        assert_problem(await client.put(f"{TYPES}/7", json=described), 400, "Ricity's own")
        assert_problem(await client.delete(f"{TYPES}/20001"), 400, "Ricity's own")
        path = f"{TYPES}/20001/policies/p1"
        assert_problem(await client.put(path, content=b"{}"), 415, "application/json")
        assert (await client.put(path, json=AVOID)).status_code == 202
        assert (await client.get(f"{TYPES}/20001/policies")).json() == ["p1"]
        assert (await client.get(f"{path}/status")).json()["instance_status"] == "NOT IN EFFECT"
        async with routing_xapp(ric.grpc_port):
            await until(lambda: client.get(f"{path}/status"), lambda reply: reply.json()["instance_status"] == "IN EFFECT")
        assert (await client.delete(path)).status_code == 202
        assert_problem(await client.get(path), 404, "p1")
        assert_problem(await client.get(f"{TYPES}/nonsense"), 400, "number")
        assert_problem(await client.post("/data-delivery", json={"job": "j1", "payload": {}}), 404, "'j1'")
        assert_problem(await client.post("/data-delivery", json=["j1"]), 400, "`job`")
        assert_problem(await client.post("/data-delivery", content=b"{}"), 415, "application/json")
