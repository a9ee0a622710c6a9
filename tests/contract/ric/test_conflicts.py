"""The conflict guard through the RIC: who may set an O-DU's ratios, and what the log says of flows and of parameters."""

from __future__ import annotations

import asyncio
import dataclasses
import json

import grpc
import httpx
import pytest
import structlog

from ric_sim.network.admission import commit_request
from ric_sim.store.embedded import EmbeddedServer
from ric_sim.telemetry import counter
from ricity.e2.v1 import conflict_pb2, conflict_pb2_grpc, xapp_pb2
from services.cli.main import main
from services.manager.composition import running_manager
from services.manager.settings import ManagerSettings
from services.ric.composition import running_ric
from services.ric.settings import RicSettings
from tests.harness import channel_to, eventually, ric_on_embedded_store, route_on_empty_network


@pytest.fixture
async def ric():
    async with ric_on_embedded_store(control_priorities={"slice-guard": 5}) as running:
        yield running


@pytest.fixture
async def guard(channel):
    return conflict_pb2_grpc.ConflictServiceStub(channel)


def ratio(slice_key="urllc", dedicated=5, low=10, high=90):
    return conflict_pb2.SliceRatio(slice=slice_key, dedicated=dedicated, min=low, max=high)


def control(xapp_name, *ratios, **fields):
    return conflict_pb2.ControlRatiosRequest(xapp_name=xapp_name, ran_name="du_3", ratios=ratios or [ratio()], **fields)


async def listed(guard, **fields):
    return await guard.ListConflicts(conflict_pb2.ListConflictsRequest(**fields))


async def test_the_second_xapp_is_refused_and_the_log_says_why(guard):
    assert (await guard.ControlRatios(control("one"))).applied
    answer = await guard.ControlRatios(control("two", ratio(low=20)))
    assert not answer.applied
    assert (answer.conflict.kind, answer.conflict.winner, answer.conflict.loser) == ("direct", "one", "two")
    found = await listed(guard)
    assert [(c.parameter, c.winner, c.loser) for c in found.conflicts] == [("du_3/urllc.min", "one", "two")]
    assert "held at 10 by one" in found.conflicts[0].reason
    assert found.counts == {"direct": 1, "indirect": 0, "capacity": 0, "preemption": 0, "rule": 0}


async def test_a_declared_priority_takes_over(guard):
    await guard.ControlRatios(control("one"))
    answer = await guard.ControlRatios(control("slice-guard", ratio(low=20)))
    assert (answer.applied, answer.conflict.loser, answer.version) == (True, "one", 2)


async def test_more_for_embb_is_not_taken_back_through_urllc(guard):
    await guard.ControlRatios(control("one", ratio("embb", low=30)))
    answer = await guard.ControlRatios(control("two", ratio("urllc", low=30)))
    assert (answer.applied, answer.conflict.kind, answer.conflict.winner) == (False, "indirect", "one")


@pytest.mark.parametrize(
    ("ratios", "why"),
    [
        ([ratio(dedicated=20)], "dedicated <= min <= max"),
        ([ratio("embb", low=60, high=60), ratio("mmtc", low=50)], "add up to 110 %"),
    ],
)
async def test_ratios_that_break_their_rules_are_a_typed_error_and_logged(guard, ratios, why):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await guard.ControlRatios(control("one", *ratios))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert dict(caught.value.trailing_metadata())["ricity-error-code"] == "policy_ratio_refused"
    assert why in caught.value.details()
    (conflict,) = (await listed(guard, kind="rule")).conflicts
    assert (conflict.loser, conflict.winner) == ("one", "RRMPolicyRatio")
    assert not (await guard.ListRatios(conflict_pb2.ListRatiosRequest())).dus


@pytest.mark.parametrize(
    "changes",
    [
        {"xapp_name": ""},
        {"ran_name": "du-3"},
        {"ran_name": "du_3000"},
        {"ratios": []},
        {"ratios": [ratio("video")]},
        {"ratios": [ratio(), ratio()]},
        {"hold_ms": 2**31},
    ],
)
async def test_a_control_that_makes_no_sense_changes_nothing(guard, changes):
    fields = {"xapp_name": "one", "ran_name": "du_3", "ratios": [ratio()], **changes}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await guard.ControlRatios(conflict_pb2.ControlRatiosRequest(**fields))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert not (await guard.ListRatios(conflict_pb2.ListRatiosRequest())).dus


async def test_ratios_are_watched(guard):
    watch = guard.WatchRatios(conflict_pb2.WatchRatiosRequest())
    assert not (await watch.read()).dus
    await guard.ControlRatios(control("one"))
    while not (changed := (await watch.read()).dus):
        pass
    (du,) = changed
    assert (du.ran_name, du.version) == ("du_3", 1)
    assert [(r.slice, r.dedicated, r.min, r.max) for r in du.ratios] == [
        ("embb", 0, 0, 100),
        ("mmtc", 0, 0, 100),
        ("urllc", 5, 10, 90),
    ]
    watch.cancel()


async def test_a_flow_that_comes_second_for_the_last_room_is_a_conflict_of_two_xapps(ric, guard, flows):
    first = dataclasses.replace(flows[0], flow_id="first", bandwidth_kbps=500_000, holding_ms=10**9)
    links = route_on_empty_network(ric.city, dataclasses.replace(first, bandwidth_kbps=1000))
    taken = commit_request(ric.city, first, links)
    late = dataclasses.replace(taken, flow_id="late", service=(taken.service + 1) % len(ric.city.services))
    before = counter("ricity_ric_conflicts_total").labels(kind="capacity")._value.get()
    watch = guard.WatchConflicts(conflict_pb2.WatchConflictsRequest())
    assert not (await watch.read()).conflicts
    outcomes = [asyncio.get_running_loop().create_future() for _ in range(2)]
    for request, outcome in zip((taken, late), outcomes, strict=True):
        ric.gate.submit(request, outcome.set_result, planned=0)
    await asyncio.gather(*outcomes)
    while not (seen := (await watch.read()).conflicts):
        pass
    (conflict,) = seen
    keys = [ric.city.services[service].key for service in (taken.service, late.service)]
    assert [conflict.winner, conflict.loser] == keys, "nobody takes their requests: they go by the services' names"
    assert conflict.parameter.startswith(("link ", "compute of "))
    assert conflict.reason.startswith("first took it with version 1, after late was planned on 0")
    await eventually(lambda: counter("ricity_ric_conflicts_total").labels(kind="capacity")._value.get() == before + 1)
    watch.cancel()


async def test_an_absurd_plan_version_does_no_harm(ric, agent, xapp, flows):
    await agent.raise_requests([flows[0]])
    await xapp.receive("inserts")
    route = xapp_pb2.Route(links=route_on_empty_network(ric.city, flows[0]))
    decided = xapp_pb2.Control(flow_id=flows[0].flow_id, route=route, snapshot_version=2**64 - 1)
    await xapp.send(xapp_pb2.AttachRequest(controls=xapp_pb2.ControlBatch(controls=[decided])))
    (answer,) = await agent.answers(1)
    assert answer.WhichOneof("outcome") == "applied"


async def test_cli_and_rest_tell_the_same(ric, guard, capsys):
    await guard.ControlRatios(control("one"))
    await guard.ControlRatios(control("two", ratio(low=20)))
    target = f"127.0.0.1:{ric.grpc_port}"
    assert await asyncio.to_thread(main, ["conflict", "list", "--ric", target, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert await asyncio.to_thread(main, ["conflict", "counts", "--ric", target, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["direct"] == 1
    settings = ManagerSettings(http_port=0, ric=target)
    async with (
        running_manager(settings, log=structlog.get_logger()) as manager,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{manager.http_port}", trust_env=False) as client,
    ):
        reply = (await client.get("/v1/conflicts", params={"limit": 5})).json()
        refused = await client.get("/v1/conflicts", params={"limit": 0})
        assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
    assert reply["counts"] == told["counts"]
    for ours, theirs in zip(reply["conflicts"], told["conflicts"], strict=True):
        assert {**ours, "at": ""} == {**theirs, "at": ""}
        assert ours["winner"] == "one"


async def test_the_cli_prints_conflicts_as_they_come(ric, guard, capsys):
    await guard.ControlRatios(control("one", hold_ms=600_000))
    arguments = ["conflict", "watch", "--ric", f"127.0.0.1:{ric.grpc_port}", "--count", "1", "--json"]
    watching = asyncio.create_task(asyncio.to_thread(main, arguments))
    while not watching.done():
        await guard.ControlRatios(control("two", ratio(low=20)))
        await asyncio.sleep(0.05)
    assert watching.result() == 0
    assert json.loads(capsys.readouterr().out)["loser"] == "two"


async def test_a_misspelt_kind_is_named_and_not_waited_for(ric, capsys):
    arguments = ["conflict", "watch", "--kind", "capcity", "--ric", f"127.0.0.1:{ric.grpc_port}", "--json"]
    assert await asyncio.to_thread(main, arguments) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], "capacity" in error["message"]) == ("invalid_input", True)


def test_without_a_ric_the_cli_says_what_to_do(capsys):
    assert main(["conflict", "counts", "--ric", "127.0.0.1:1", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "ric_unreachable"


async def test_the_guard_takes_up_what_the_store_holds():
    with EmbeddedServer() as server:
        settings = RicSettings(grpc_port=0, status_port=0, store_url=server.url, profile="paper")
        async with running_ric(settings) as ric, channel_to(ric) as channel:
            assert (await conflict_pb2_grpc.ConflictServiceStub(channel).ControlRatios(control("one", hold_ms=600_000))).applied
        async with running_ric(settings) as ric, channel_to(ric) as channel:
            guard = conflict_pb2_grpc.ConflictServiceStub(channel)
            (du,) = (await guard.ListRatios(conflict_pb2.ListRatiosRequest())).dus
            assert du.version == 1
            assert not (await guard.ControlRatios(control("two", ratio(low=20)))).applied
