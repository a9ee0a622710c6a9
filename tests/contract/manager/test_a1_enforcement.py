"""A policy put over A1 changes what is routed, and its status says so only once those who obey have confirmed it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses

import pytest
import structlog

from ric_sim.e2.codec import flow_to_proto
from ric_sim.network.city import NodeKind
from ric_sim.network.montreal import build_city
from ric_sim.store.embedded import EmbeddedServer
from ricity.e2.v1 import common_pb2, xapp_pb2
from ricity.store.v1 import store_pb2, store_pb2_grpc
from services.ric.composition import running_ric
from services.ric.settings import RicSettings
from tests.contract.manager.a1_client import TSP, agent_of, manager_of, routing_xapp, until, until_known
from tests.harness import channel_to, eventually, lasting_port, open_xapp, ric_on_embedded_store, route_on_empty_network

QOS = TSP.replace("TrafficSteeringPreference", "QoSTarget")
SLA = TSP.replace("TrafficSteeringPreference", "SliceSLATarget")
UNCONFIRMED = {"enforceStatus": "NOT_ENFORCED", "enforceReason": "OTHER_REASON"}


def steering(preference, *, links=(), nodes=(), services=("voip",)):
    named = {key: list(names) for key, names in (("linkIdList", links), ("nodeIdList", nodes)) if names}
    return {"scope": {"serviceIdList": list(services)}, "tspResources": [{"preference": preference, **named}]}


def name_of(city, link):
    return f"{city.node_names[city.link_src[link]]}>{city.node_names[city.link_dst[link]]}"


def switch_link(city, route):
    """A link in the middle of the route that has a way round: between two switches."""
    return next(
        e for e in route if city.node_kind[city.link_src[e]] > NodeKind.UPF and city.node_kind[city.link_dst[e]] > NodeKind.UPF
    )


async def carried(agent, flow, flow_id):
    """The links over which the flow goes now."""
    await agent.raise_requests([dataclasses.replace(flow, flow_id=flow_id)])
    (answer,) = await agent.answers(1)
    assert answer.WhichOneof("outcome") == "applied", answer
    return list(answer.applied.links)


@pytest.mark.parametrize("policy", ["cspf", "learned"])
@pytest.mark.parametrize("preference", ["FORBID", "AVOID"])
async def test_a_link_is_left_by_confirmed_policy_and_used_again_after_its_end(ric, client, flows, policy, preference):
    async with routing_xapp(ric.grpc_port, policy=policy), agent_of(ric) as agent:
        link = switch_link(ric.city, before := await carried(agent, flows[0], "before"))
        put = await client.put(f"{TSP}/p1", json=steering(preference, links=[name_of(ric.city, link)]))
        assert (put.status_code, put.headers["location"]) == (201, str(client.base_url.join(f"{TSP}/p1")))
        assert await client.until_status(f"{TSP}/p1", "ENFORCED") == {"enforceStatus": "ENFORCED"}
        assert link not in await carried(agent, flows[0], "during")
        assert (await client.delete(f"{TSP}/p1")).status_code == 204
        await asyncio.wait_for(_until_route(agent, flows[0], before), 10)


async def _until_route(agent, flow, expected):
    count = 0
    while await carried(agent, flow, f"after-{count}") != expected:
        count += 1


async def test_another_service_is_not_affected(ric, client, agent, flows):
    async with routing_xapp(ric.grpc_port):
        before = await carried(agent, flows[0], "before")
        async with routing_xapp(ric.grpc_port, "video"):
            link = switch_link(ric.city, before)
            await client.put(f"{TSP}/p1", json=steering("FORBID", links=[name_of(ric.city, link)], services=["video"]))
            await client.until_status(f"{TSP}/p1", "ENFORCED")
            assert await carried(agent, flows[0], "during") == before


async def test_avoid_gives_way_where_there_is_no_other_way_and_forbid_does_not(ric, client, agent, flows):
    ru = ric.city.node_names[flows[0].ru]
    async with routing_xapp(ric.grpc_port):
        await client.put(f"{TSP}/p1", json=steering("AVOID", nodes=[ru]))
        await client.until_status(f"{TSP}/p1", "ENFORCED")
        await carried(agent, flows[0], "avoided")
        assert (await client.put(f"{TSP}/p1", json=steering("FORBID", nodes=[ru]))).status_code == 200
        await client.until_status(f"{TSP}/p1", "ENFORCED")
        await agent.raise_requests([dataclasses.replace(flows[0], flow_id="forbidden")])
        (answer,) = await agent.answers(1)
        assert answer.rejected.admission == common_pb2.ADMISSION_CAUSE_NO_ROUTE_CAPACITY


@pytest.mark.parametrize("preference", ["SHALL", "PREFER"])
async def test_a_host_is_chosen_before_others_of_its_kind(ric, client, agent, flows, preference):
    city = ric.city
    async with routing_xapp(ric.grpc_port):
        route = await carried(agent, flows[0], "before")
        used = {int(city.link_dst[link]) for link in route}
        wanted = next(int(node) for node in city.nodes_of(NodeKind.O_DU) if node not in used)
        await client.put(f"{TSP}/p1", json=steering(preference, nodes=[city.node_names[wanted]]))
        await client.until_status(f"{TSP}/p1", "ENFORCED")
        assert wanted in {int(city.link_dst[link]) for link in await carried(agent, flows[0], "during")}


async def test_without_an_xapp_that_confirms_nothing_is_enforced(ric, client):
    await client.put(f"{TSP}/p1", json=steering("AVOID", nodes=["du-1"]))
    async with routing_xapp(ric.grpc_port):
        await client.until_status(f"{TSP}/p1", "ENFORCED")
    assert await client.until_status(f"{TSP}/p1", "NOT_ENFORCED") == UNCONFIRMED


async def test_an_xapp_that_obeys_but_never_confirms_leaves_it_unenforced_and_the_commit_is_aborted(ric, client, agent, flows):
    links = route_on_empty_network(ric.city, flows[0])
    async with channel_to(ric) as channel:
        xapp = open_xapp(channel)
        assert (await xapp.register("routing-voip", "a")).accepted
        assert (await xapp.subscribe_inserts("voip")).admitted
        await client.put(f"{TSP}/p1", json=steering("FORBID", links=[name_of(ric.city, links[0])]))
        notice = await xapp.receive("steering")
        assert [(item.service, list(item.forbidden)) for item in notice.services] == [
            (ric.city.service_index["voip"], [links[0]])
        ]
        await agent.raise_requests(flows[:1])
        await xapp.receive("inserts")
        await xapp.route(flows[0].flow_id, links)
        outcome = await xapp.outcome()
        assert (outcome.status, outcome.resource) == (xapp_pb2.CONTROL_STATUS_ABORTED, links[0])
        assert outcome.cause.detail == f"policy p1 forbids link {name_of(ric.city, links[0])}"
        assert await client.status(f"{TSP}/p1") == UNCONFIRMED
        other_flow = dataclasses.replace(flows[0], flow_id="other")
        request = store_pb2.CommitRequest(batch_id=1, commits=[store_pb2.FlowRoute(flow=flow_to_proto(other_flow), links=links)])
        call = store_pb2_grpc.StoreServiceStub(channel).Commit()
        await call.write(request)
        (other,) = (await call.read()).outcomes
        assert (other.status, other.resource) == (store_pb2.COMMIT_STATUS_ABORTED, links[0])
        call.cancel()
        confirmation = xapp_pb2.SteeringConfirmation(generation=notice.generation)
        await xapp.send(xapp_pb2.AttachRequest(steering_confirmation=confirmation))
        await client.until_status(f"{TSP}/p1", "ENFORCED")


async def test_a_confirmation_of_what_was_never_said_ends_the_stream(ric):
    async with channel_to(ric) as channel:
        xapp = open_xapp(channel)
        await xapp.register("routing-voip", "a")
        await xapp.send(xapp_pb2.AttachRequest(steering_confirmation=xapp_pb2.SteeringConfirmation(generation=7)))
        assert (await xapp.ended()).name == "INVALID_ARGUMENT"


async def test_a_qos_target_lets_a_service_displace_others(ric, client, agent, flows):
    """Preemption is not switched on: the policy alone gives the service its priority."""
    wide = {"bandwidth_kbps": 500_000, "holding_ms": 10**9}
    low, urgent = (dataclasses.replace(flows[0], flow_id=flow_id, **wide) for flow_id in ("low", "urgent"))
    async with routing_xapp(ric.grpc_port, policy="shortest"):
        await agent.raise_requests([low])
        assert (await agent.answers(1))[0].WhichOneof("outcome") == "applied"
        await client.put(f"{QOS}/q1", json={"scope": {"serviceIdList": ["voip"]}, "qosObjectives": {"priorityLevel": 1}})
        await client.until_status(f"{QOS}/q1", "ENFORCED")
        await agent.raise_requests([urgent])
        assert (await agent.answers(1))[0].WhichOneof("outcome") == "applied"
        assert [flow.flow_id for flow in (await agent.receive("displaced")).flows] == ["low"]


async def test_of_two_priorities_for_a_service_the_newer_one_holds(ric, client):
    qos = {"scope": {"serviceIdList": ["voip"]}, "qosObjectives": {"priorityLevel": 40}}
    await client.put(f"{QOS}/q1", json=qos)
    await client.until_status(f"{QOS}/q1", "ENFORCED")
    voip = next(spec.slice_id for spec in ric.city.services if spec.key == "voip")
    scope = {"sliceId": {"sst": voip.sst, "sd": voip.sd}}
    await client.put(f"{SLA}/s1", json={"scope": scope, "sliceSlaObjectives": {"dlSlicePriority": 1}})
    await client.until_status(f"{SLA}/s1", "ENFORCED")
    assert await client.until_status(f"{QOS}/q1", "NOT_ENFORCED") == UNCONFIRMED
    await client.delete(f"{SLA}/s1")
    await client.until_status(f"{QOS}/q1", "ENFORCED")


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (SLA, {"scope": {"sliceId": {"sst": 1, "sd": "000004"}}, "sliceSlaObjectives": {"maxDlThptPerSlice": 1}}, "STATEMENT"),
        (SLA, {"scope": {"sliceId": {"sst": 9, "sd": "000009"}}, "sliceSlaObjectives": {"dlSlicePriority": 1}}, "SCOPE"),
        (QOS, {"scope": {"ueId": "1"}, "qosObjectives": {"priorityLevel": 1}}, "SCOPE"),
        (QOS, {"scope": {}, "qosObjectives": {"priorityLevel": 1, "gfbr": 5}}, "STATEMENT"),
        (TSP, steering("SHALL", links=["du-0>access-villeray"]), "STATEMENT"),
    ],
)
async def test_what_nobody_can_enforce_is_kept_and_says_why(ric, client, path, body, reason):
    if "SHALL" in str(body):
        body["tspResources"][0]["linkIdList"] = [name_of(ric.city, 0)]
    assert (await client.put(f"{path}/x", json=body)).status_code == 201

    def says_why(status):
        return status == {"enforceStatus": "NOT_ENFORCED", "enforceReason": f"{reason}_NOT_APPLICABLE"}

    await until(lambda: client.status(f"{path}/x"), says_why)
    assert (await client.get(f"{path}/x")).json() == body


async def test_a_ric_that_goes_is_noticed_and_one_that_comes_back_still_holds_the_policy(flows):
    """The RIC's end and its new begin on the same store; the manager lives on."""
    with EmbeddedServer() as server:
        settings = {"status_port": 0, "store_url": server.url, "profile": "paper"}
        async with contextlib.AsyncExitStack() as first:
            ric = await first.enter_async_context(running_ric(RicSettings(grpc_port=lasting_port(), **settings)))
            port = ric.grpc_port
            async with manager_of(port) as client, routing_xapp(port):
                await until_known(client)
                link = switch_link(ric.city, await _route_by(ric, flows[0], "before"))
                await client.put(f"{TSP}/p1", json=steering("FORBID", links=[name_of(ric.city, link)]))
                await client.until_status(f"{TSP}/p1", "ENFORCED")
                await first.aclose()
                assert await client.until_status(f"{TSP}/p1", "NOT_ENFORCED") == UNCONFIRMED
                refused = await client.put(f"{TSP}/p2", json=steering("AVOID", nodes=["du-1"]))
                assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
                async with running_ric(RicSettings(grpc_port=port, **settings)) as again:
                    await client.until_status(f"{TSP}/p1", "ENFORCED")
                    assert link not in await _route_by(again, flows[0], "after")


async def test_a_policy_that_a_new_ric_refuses_holds_up_no_other():
    """The RIC comes back with another city and an empty store; the manager gives it what it can."""
    node, gone = build_city("paper").node_names[0], "surgery"
    async with contextlib.AsyncExitStack() as first:
        ric = await first.enter_async_context(ric_on_embedded_store(profile="paper-7", grpc_port=lasting_port()))
        port = ric.grpc_port
        with structlog.testing.capture_logs() as lines:
            async with manager_of(port) as client:
                await until_known(client)
                for policy_id, service in (("p1", gone), ("p2", "voip")):
                    policy = steering("AVOID", nodes=[node], services=[service])
                    assert (await client.put(f"{TSP}/{policy_id}", json=policy)).status_code == 201
                await first.aclose()
                await _until_logged(lines, "ric.not_followed", 1)
                for times_followed in (2, 3):
                    async with ric_on_embedded_store(grpc_port=port) as again:
                        await _until_logged(lines, "ric.followed", times_followed)
                        assert [policy.policy_id for policy in again.termination.policies.all()] == ["p2"]
                        assert await client.status(f"{TSP}/p1") == UNCONFIRMED
                (refused,) = (line for line in lines if line["event"] == "ric.policy_refused")
                assert (refused["policy"], refused["log_level"], gone in refused["error"]) == ("p1", "error", True)


async def _until_logged(lines, event, times):
    await eventually(lambda: sum(line["event"] == event for line in lines) >= times)


async def _route_by(ric, flow, flow_id):
    async with agent_of(ric) as agent:
        return await carried(agent, flow, flow_id)


async def test_a_manager_that_starts_anew_knows_every_policy(ric, client):
    body = steering("AVOID", nodes=["du-1"])
    await client.put(f"{TSP}/p1", json=body)
    async with manager_of(ric.grpc_port) as other:
        await until_known(other)
        assert (await other.get(f"{TSP}/p1")).json() == body


async def test_with_the_store_away_a_change_is_refused_and_nothing_is_lost():
    with EmbeddedServer() as server:
        settings = RicSettings(grpc_port=0, status_port=0, store_url=server.url, profile="paper")
        async with running_ric(settings) as ric, manager_of(ric.grpc_port) as client:
            await until_known(client)
            assert (await client.put(f"{TSP}/p1", json=steering("AVOID", nodes=["du-1"]))).status_code == 201
            server.stop()
            assert (await client.put(f"{TSP}/p2", json=steering("AVOID", nodes=["du-1"]))).status_code == 503
            assert (await client.delete(f"{TSP}/p1")).status_code == 503
            assert (await client.get(TSP)).json() == ["p1"]
