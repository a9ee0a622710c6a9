"""A/B tests of two attached versions: a manager before a real RIC, xApps and an agent in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
from collections.abc import AsyncIterator

import pytest
import structlog
from prometheus_client import REGISTRY

from ric_sim.e2 import version_outcomes
from services.cli.main import main
from services.manager.ab import engine
from tests.contract.manager.a1_client import PATIENCE_S, agent_of, manager_of, routing_agent, until
from tests.contract.manager.lifecycle_world import descriptor
from tests.harness import ric_on_embedded_store
from xapps.routing.planted_fault import DecliningAgent
from xapps.sdk.descriptor import find_descriptors
from xapps.sdk.runtime import Agents, XappRuntime
from xapps.sdk.settings import XappSettings

XAPP, OLD, NEW = "routing-voip", "0.1.0", "0.2.0"
ASKED = {"xapp": XAPP, "baseline": OLD, "candidate": NEW, "candidate_percent": 50}


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(version_outcomes, "WINDOW_S", 0.1)
    monkeypatch.setattr(engine, "POLL_S", 0.05)
    monkeypatch.setattr(engine, "GONE_S", 0.5)


@pytest.fixture
async def ric():
    async with ric_on_embedded_store() as running:
        yield running


@pytest.fixture
async def client(ric, tmp_path):
    async with manager_of(ric.grpc_port, ab_folder=tmp_path / "ab") as opened:
        yield opened


@contextlib.asynccontextmanager
async def version(ric, number: str, *, weight: int = 100, decline_percent: float = 0.0) -> AsyncIterator[XappRuntime]:
    """A version of the VoIP xApp, attached."""
    described = dataclasses.replace(find_descriptors()["routing"].instance("voip"), version=number)
    spoilt = DecliningAgent(routing_agent("cspf"), decline_percent=decline_percent)
    settings = XappSettings(ric=f"127.0.0.1:{ric.grpc_port}", weight=weight)
    runtime = XappRuntime(settings, described, Agents(inserts=lambda _city: spoilt), log=structlog.get_logger())
    task = asyncio.create_task(runtime.run(asyncio.Event()))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await runtime.attached.wait()
        yield runtime
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def traffic(ric, flows) -> AsyncIterator[None]:
    """VoIP requests without an end, a handful at a time."""

    async def play() -> None:
        async with agent_of(ric) as agent:
            for turn in itertools.count():
                for begin in range(0, len(flows), 10):
                    batch = [
                        dataclasses.replace(flow, flow_id=f"{flow.flow_id}-{turn}", arrival_ms=1_000 * (1 + turn), holding_ms=500)
                        for flow in flows[begin : begin + 10]
                    ]
                    await agent.raise_requests(batch)
                    await agent.answers(len(batch))

    task = asyncio.create_task(play())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def weights(ric) -> dict[str, int]:
    return {instance.version: instance.weight for instance in ric.termination.requests.pools[XAPP].instances}


async def start(ric, client, **changed) -> dict:
    """A test, once both versions are there."""
    await until(lambda: asyncio.sleep(0, weights(ric)), lambda now: now.keys() == {OLD, NEW})
    reply = await client.post("/v1/ab", json=ASKED | changed)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def ended(client, test_id: str) -> dict:
    async def ask():
        return (await client.get(f"/v1/ab/{test_id}")).json()

    return await until(ask, lambda test: test["ended_at"] is not None)


async def test_a_planted_bad_version_is_rolled_back(ric, client, flows, tmp_path, record_property):
    async with version(ric, OLD), version(ric, NEW, weight=0, decline_percent=3), traffic(ric, flows):
        test = await start(ric, client)
        assert weights(ric) == {OLD: 5000, NEW: 5000}
        report = await ended(client, test["id"])
        assert (report["state"], report["verdict"]) == ("rolled_back", "worse"), report["reason"]
        assert weights(ric) == {OLD: 100, NEW: 0}
    record_property("requests", report["requests"])
    assert report["requests"] < 4_000
    candidate = report["evidence"]["versions"]["candidate"]
    assert candidate["causes"] == {"declined": candidate["rejected"]}
    folder = tmp_path / "ab" / report["id"]
    assert json.loads((folder / "report.json").read_text()) == report
    assert "worse" in (folder / "evidence.svg").read_text()


async def test_a_good_version_is_promoted_and_stays(ric, client, flows):
    async with version(ric, OLD, decline_percent=20), version(ric, NEW, weight=0), traffic(ric, flows):
        test = await start(ric, client, min_requests=300)
        report = await ended(client, test["id"])
        assert (report["state"], report["verdict"]) == ("promoted", "better"), report["reason"]
        assert report["requests"] >= 300
        assert weights(ric) == {OLD: 0, NEW: 100}
        ric.termination.set_weight(XAPP, OLD, 100)  # as after a restart of the RIC
        await until(lambda: asyncio.sleep(0, weights(ric)), lambda now: now == {OLD: 0, NEW: 100})


async def test_a_manager_that_starts_anew_goes_on(ric, flows, tmp_path):
    folder = {"ab_folder": tmp_path / "ab"}
    async with version(ric, OLD), version(ric, NEW, weight=0, decline_percent=3), traffic(ric, flows):
        async with manager_of(ric.grpc_port, **folder) as client:
            test = await start(ric, client)

            async def ask():
                return (await client.get(f"/v1/ab/{test['id']}")).json()

            before = await until(ask, lambda report: report["requests"] > 100)
        async with manager_of(ric.grpc_port, **folder) as client:
            after = (await client.get(f"/v1/ab/{test['id']}")).json()
            assert after["requests"] >= before["requests"]
            report = await ended(client, test["id"])
        assert report["state"] == "rolled_back"
        assert weights(ric) == {OLD: 100, NEW: 0}


async def test_a_candidate_that_dies_breaks_a_guard(ric, client):
    async with version(ric, OLD):
        async with version(ric, NEW, weight=0):
            test = await start(ric, client)
        report = await ended(client, test["id"])
        assert (report["state"], report["verdict"]) == ("rolled_back", "guard")
        assert "no instance" in report["reason"]


async def test_what_cannot_be_compared_is_refused_with_its_reason(ric, client):
    async def code_of(**changed) -> tuple[int, str]:
        reply = await client.post("/v1/ab", json=ASKED | changed)
        assert reply.headers["content-type"] == "application/problem+json", reply.text
        return reply.status_code, reply.json()["type"].rpartition(":")[2]

    async with version(ric, OLD), version(ric, NEW, weight=0):
        await until(lambda: asyncio.sleep(0, weights(ric)), lambda now: now.keys() == {OLD, NEW})
        assert await code_of(candidate=OLD) == (400, "invalid_input")
        assert await code_of(candidate="9.9.9") == (400, "unknown_key")
        assert await code_of(xapp="routing-nobody") == (400, "unknown_key")
        assert (await code_of(candidate_percent=0))[0] == 400
        assert await code_of(guard_slow_ms=7) == (400, "out_of_range")
        async with version(ric, "0.3.0"):
            assert await code_of() == (409, "conflict")
        test = await start(ric, client)
        assert await code_of() == (409, "trial_underway")
        stopped = (await client.post(f"/v1/ab/{test['id']}/stop")).json()
        assert (stopped["state"], stopped["verdict"]) == ("rolled_back", "undecided")
        assert (await client.post(f"/v1/ab/{test['id']}/stop")).json() == stopped
        assert weights(ric) == {OLD: 100, NEW: 0}
    assert (await client.get("/v1/ab/ab-20260101-000000-0000")).status_code == 404


async def test_the_command_line_starts_watches_and_shows(ric, client, flows, capsys):
    async def run(*words):
        capsys.readouterr()  # what the parts in this process have logged
        code = await asyncio.to_thread(main, ["ab", *words, "--manager", str(client.base_url), "--json"])
        printed = "\n" + capsys.readouterr().out  # logs of the parts stand around the object
        return code, json.JSONDecoder().raw_decode(printed, printed.index("\n{\n") + 1)[0]

    versions = ("--baseline", OLD, "--candidate", NEW, "--percent", "50")
    async with version(ric, OLD), version(ric, NEW, weight=0, decline_percent=30), traffic(ric, flows):
        code, report = await run("start", XAPP, *versions, "--wait")
        assert (code, report["verdict"]) == (1, "worse")
        code, shown = await run("show", report["id"])
        assert (code, shown) == (0, report)
        code, listed = await run("list")
        assert [test["id"] for test in listed["tests"]] == [report["id"]]


async def test_nothing_else_changes_versions_meanwhile(ric, tmp_path):
    """An upgrade would take the split out of the test's hands: it is refused until the test has ended."""
    xapp = f"/v1/xapps/{XAPP}"
    ended_tests = {"verdict": "undecided", "state": "rolled_back"}
    before = REGISTRY.get_sample_value("ricity_manager_tests_total", ended_tests) or 0
    async with (
        manager_of(ric.grpc_port, ab_folder=tmp_path / "ab", xapp_folder=tmp_path / "xapps") as client,
        version(ric, OLD),
        version(ric, NEW, weight=0),
    ):
        for number in (OLD, NEW, "0.3.0"):
            assert (await client.post("/v1/xapps", json={**descriptor(number), "xapp_name": XAPP})).status_code == 201
        assert (await client.post(f"{xapp}/deploy", json={"version": OLD, "replicas": 0})).status_code == 200
        test = await start(ric, client)
        for path, body in (("upgrade", {"to": "0.3.0"}), ("rollback", None)):
            refused = await client.post(f"{xapp}/{path}", json=body)
            told = (409, "urn:ricity:error:trial_underway") if body else (400, "urn:ricity:error:invalid_input")
            assert (refused.status_code, refused.json()["type"]) == told, refused.text
        assert (await client.put(f"{xapp}/config", json={"RICITY_REPLANS": "2"})).status_code == 409
        assert (await client.delete(xapp)).status_code == 409
        assert (await client.get(f"/v1/ab/{test['id']}")).json()["state"] == "running"
        assert REGISTRY.get_sample_value("ricity_manager_active_tests") == 1

        await client.post(f"/v1/ab/{test['id']}/stop")
        assert (await client.put(f"{xapp}/config", json={"RICITY_REPLANS": "2"})).json()["applied"] == "at_start"
        assert REGISTRY.get_sample_value("ricity_manager_tests_total", ended_tests) == before + 1
        await until(
            lambda: asyncio.sleep(0, REGISTRY.get_sample_value("ricity_manager_active_tests")), lambda active: active == 0
        )
