"""Setup, registration, subscriptions, reports and the admin views over real gRPC."""

from __future__ import annotations

import grpc
import pytest

from ric_sim.e2 import RAN_FUNCTION_KPM, servicers
from ricity.e2.v1 import admin_pb2, admin_pb2_grpc, common_pb2, termination_pb2, xapp_pb2, xapp_pb2_grpc
from tests.harness import eventually, open_agent, open_xapp


async def test_setup_with_another_protocol_version_names_both(ric, channel):
    result = await open_agent(channel).setup(ric.city, protocol_version=99)
    assert not result.accepted
    assert result.cause.protocol == common_pb2.PROTOCOL_CAUSE_MESSAGE_NOT_COMPATIBLE_WITH_RECEIVER_STATE
    assert "99" in result.cause.detail
    assert "the RIC 1" in result.cause.detail


async def test_setup_with_another_city_is_refused(ric, channel):
    agent = open_agent(channel)
    result = await agent.setup(ric.city, city_fingerprint="f" * 64)
    assert not result.accepted
    assert result.cause.detail.startswith("city_mismatch")
    assert await agent.ended() == grpc.StatusCode.OK


async def test_nodes_are_listed_and_stay_listed_after_they_are_gone(ric, channel, agent):
    admin = admin_pb2_grpc.E2AdminServiceStub(channel)
    (node,) = (await admin.ListNodes(admin_pb2.ListNodesRequest())).nodes
    assert (node.ran_name, node.status) == ("gnbd_001_001_000001_0", admin_pb2.CONNECTION_STATUS_CONNECTED)
    watch = admin.WatchNodes(admin_pb2.WatchNodesRequest())
    assert (await watch.read()).node.status == admin_pb2.CONNECTION_STATUS_CONNECTED
    agent.cancel()
    assert (await watch.read()).node.status == admin_pb2.CONNECTION_STATUS_DISCONNECTED
    (node,) = (await admin.ListNodes(admin_pb2.ListNodesRequest())).nodes
    assert node.status == admin_pb2.CONNECTION_STATUS_DISCONNECTED


async def test_a_peer_that_says_nothing_is_dropped_and_one_that_speaks_is_kept(ric, channel, monkeypatch):
    monkeypatch.setattr(servicers, "KEEP_ALIVE_MS", 700)  # the one that speaks does so every second
    speaking, silent = open_xapp(channel), open_xapp(channel)
    for opened, name in ((speaking, "a"), (silent, "b")):
        assert (await opened.register("routing-voip", name)).accepted
    async with speaking.kept_alive():
        await silent.ended()
        assert [each.instance_id for each in ric.termination.requests.pool("routing-voip").instances] == ["a"]


async def test_association_that_comes_back_gets_all_subscriptions_with_its_setup(ric, channel, agent, xapp):
    subscription = await agent.receive("subscription")
    agent.cancel()
    result = await open_agent(channel).setup(ric.city)
    assert [s.subscription_id for s in result.subscriptions] == [subscription.subscription_id]
    assert list(result.subscriptions[0].insert.service_keys) == ["voip"]


async def test_instance_id_is_unique(channel, xapp):
    twin = open_xapp(channel)
    result = await twin.register("routing-voip", "a")
    assert not result.accepted
    assert result.cause.detail.startswith("duplicate_instance")
    assert await twin.ended() == grpc.StatusCode.OK


@pytest.mark.parametrize(
    "change", [{"window": 0}, {"window": 9999}, {"weight": 10**7}, {"protocol_version": 2}, {"xapp_name": "a b"}]
)
async def test_impossible_registration_is_refused(channel, change):
    xapp = open_xapp(channel)
    request = {"name": "routing-voip", **({"name": change["xapp_name"]} if "xapp_name" in change else {})}
    result = await xapp.register(request["name"], "a", **{k: v for k, v in change.items() if k != "xapp_name"})
    assert not result.accepted
    assert result.cause.detail


async def test_service_belongs_to_one_xapp(channel, xapp):
    other = open_xapp(channel)
    await other.register("another", "x")
    result = await other.subscribe_inserts("voip", "ar")
    assert not result.admitted
    assert "routing-voip" in result.cause.detail
    assert (await other.subscribe_inserts("ar")).admitted


async def test_unknown_service_is_refused_with_a_suggestion(channel):
    xapp = open_xapp(channel)
    await xapp.register("routing-x", "a")
    result = await xapp.subscribe_inserts("vioce")
    assert not result.admitted
    assert "did you mean" in result.cause.detail


async def test_unsupported_measurement_is_refused_with_the_supported_ones(agent, channel):
    xapp = open_xapp(channel)
    await xapp.register("kpm", "a")
    result = await xapp.subscribe_reports("DRB.Nonsense")
    assert not result.admitted
    assert "DRB.UEThpDl" in result.cause.detail
    assert result.cause.detail.startswith("unsupported_measurement")


async def test_identical_report_subscriptions_are_merged_and_both_get_the_reports(ric, agent, channel):
    first, second = open_xapp(channel), open_xapp(channel)
    await first.register("kpm", "a")
    await second.register("kpm", "b")
    one = await first.subscribe_reports("RRC.ConnMean", "DRB.UEThpDl")
    two = await second.subscribe_reports("DRB.UEThpDl", "RRC.ConnMean")
    assert (one.merged, two.merged) == (False, True)
    assert one.subscription_id == two.subscription_id
    node_side = await agent.receive("subscription")
    value = common_pb2.MeasurementValue(name="RRC.ConnMean", real=7)
    report = common_pb2.Report(subscription_id=node_side.subscription_id, ran_name="gnbd_001_001_000001_0", values=[value])
    await agent.send(termination_pb2.ConnectRequest(reports=termination_pb2.ReportBatch(reports=[report])))
    for xapp in (first, second):
        (got,) = (await xapp.receive("reports")).reports
        assert got.values[0].real == 7
    admin = admin_pb2_grpc.E2AdminServiceStub(channel)
    (latest,) = (await admin.GetReports(admin_pb2.GetReportsRequest())).reports
    assert latest.values[0].real == 7
    (info,) = (await admin.ListSubscriptions(admin_pb2.ListSubscriptionsRequest())).subscriptions
    assert (info.kind, info.indications_total, list(info.instances)) == ("report", 1, ["kpm/a", "kpm/b"])


async def test_last_subscriber_ends_the_subscription_at_the_nodes(agent, channel):
    xapp = open_xapp(channel)
    await xapp.register("kpm", "a")
    subscribed = await xapp.subscribe_reports("RRC.ConnMean")
    await xapp.send(xapp_pb2.AttachRequest(unsubscribe=xapp_pb2.UnsubscribeRequest(subscription_id=subscribed.subscription_id)))
    assert (await xapp.receive("unsubscribe_result")).found
    assert (await agent.receive("subscription_delete")).subscription_id == subscribed.subscription_id


async def test_action_must_fit_its_ran_function(channel):
    xapp = open_xapp(channel)
    await xapp.register("kpm", "a")
    request = xapp_pb2.SubscribeRequest(request_id=5, ran_function_id=RAN_FUNCTION_KPM)
    request.insert.service_keys.append("voip")
    await xapp.send(xapp_pb2.AttachRequest(subscribe=request))
    result = await xapp.receive("subscribe_result")
    assert (result.admitted, result.request_id) == (False, 5)


async def test_stream_must_begin_with_its_first_procedure(channel):
    xapp = open_xapp(channel)
    await xapp.send(xapp_pb2.AttachRequest(drain=xapp_pb2.DrainNotice()))
    assert await xapp.ended() == grpc.StatusCode.INVALID_ARGUMENT
    agent = open_agent(channel)
    await agent.send(termination_pb2.ConnectRequest(inserts=termination_pb2.InsertBatch()))
    assert await agent.ended() == grpc.StatusCode.INVALID_ARGUMENT


async def test_weights_split_the_flows_between_versions_and_stick(ric, agent, channel, xapp, flows):
    second = open_xapp(channel)
    await second.register("routing-voip", "b", xapp_version="2.0.0", weight=0)
    await second.subscribe_inserts("voip")
    admin = admin_pb2_grpc.E2AdminServiceStub(channel)
    weight = admin_pb2.SetWeightRequest(xapp_name="routing-voip", xapp_version="2.0.0", weight=100)
    assert (await admin.SetWeight(weight)).instances == 1
    await agent.raise_requests(flows)
    pool = ric.termination.requests.pool("routing-voip")
    held = {i.instance_id: i for i in pool.instances}
    await eventually(lambda: sum(len(i.outstanding) + len(i.backlog) for i in pool.instances) == len(flows))
    shares = [len(i.outstanding) + len(i.backlog) for i in held.values()]
    assert min(shares) > len(flows) / 4
    rows = (await admin.ListXapps(admin_pb2.ListXappsRequest())).xapps
    assert [(row.xapp_version, row.weight) for row in rows] == [("1.0.0", 100), ("2.0.0", 100)]


async def test_city_is_the_rics(ric, channel):
    from ric_sim.network.city_file import city_from_json

    response = await xapp_pb2_grpc.XappServiceStub(channel).GetCity(xapp_pb2.GetCityRequest())
    assert city_from_json(response.city_json).fingerprint == ric.city.fingerprint


async def test_restarted_ric_remembers_who_serves_what(agent, xapp, flows, ric, channel):
    from ric_sim.store.service_owners import StoredServiceOwners

    owners = ric.termination._owners
    assert isinstance(owners, StoredServiceOwners)
    await eventually(lambda: owners._writing is not None and owners._writing.done())
    assert await owners.load() == {"routing-voip": ["voip"]}
