"""Who gets in: real gRPC, real certificates, one RIC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY

from ric_sim.domain.errors import CertificateUnusable, InvalidInput
from ric_sim.e2.scopes import PeerIdentity
from ricity.e2.v1 import admin_pb2, admin_pb2_grpc, xapp_pb2, xapp_pb2_grpc
from ricity.store.v1 import store_pb2, store_pb2_grpc
from services.common.certificates import CertificateAuthority, Leaf
from services.common.tls import Transport
from services.ric.settings import RicSettings
from tests.contract.security.conftest import raw_channel, touch_later
from tests.harness import open_agent, open_xapp, ric_on_embedded_store


def refusals(cause: str) -> float:
    return REGISTRY.get_sample_value("ricity_ric_invalid_messages_total", {"cause": cause}) or 0.0


async def list_nodes(channel) -> int:
    stub = admin_pb2_grpc.E2AdminServiceStub(channel)
    return len((await stub.ListNodes(admin_pb2.ListNodesRequest(), timeout=30)).nodes)


async def status_of(call) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code()


async def test_a_routing_xapp_attaches_as_itself_and_takes_its_service(channel_as):
    async with channel_as("routing-video") as channel:
        xapp = open_xapp(channel)
        assert (await xapp.register("routing-video", "i1")).accepted
        assert (await xapp.subscribe_inserts("video")).admitted
        assert await xapp_pb2_grpc.XappServiceStub(channel).GetCity(xapp_pb2.GetCityRequest(), timeout=30)


async def test_nobody_attaches_under_anothers_name(channel_as):
    before = refusals("permission_denied")
    async with channel_as("routing-video") as channel:
        xapp = open_xapp(channel)
        await xapp.send(xapp_pb2.AttachRequest(register=xapp_pb2.RegisterRequest(xapp_name="routing-voip", instance_id="i1")))
        assert await xapp.ended() is grpc.StatusCode.PERMISSION_DENIED
        assert await xapp._call.details() == (
            "ricity://xapp/routing-video may not attach as xApp routing-voip: attach_as in its scope are routing-video"
        )
    assert refusals("permission_denied") == before + 1


async def test_an_xapp_takes_no_other_service_than_its_own(ric, channel_as):
    async with channel_as("routing-video") as channel:
        xapp = open_xapp(channel)
        assert (await xapp.register("routing-video", "i1")).accepted
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await xapp.subscribe_inserts("video", "voip")
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "voip" in raised.value.details()
    assert not ric.termination.subscriptions.all()


@pytest.mark.parametrize("name", ["routing-video", "slicing-du-0", "nodes", "console", "cli"])
async def test_only_the_trainer_writes_to_the_store(channel_as, name):
    async with channel_as(name) as channel:
        release = store_pb2_grpc.StoreServiceStub(channel).Release(store_pb2.ReleaseRequest(flow_ids=["f"]), timeout=30)
        assert await status_of(release) is grpc.StatusCode.PERMISSION_DENIED


async def test_the_manager_sets_weights_and_the_console_only_looks(channel_as):
    request = admin_pb2.SetWeightRequest(xapp_name="routing-video", xapp_version="1.0.0", weight=5)
    async with channel_as("manager") as manager, channel_as("console") as console:
        reply = await admin_pb2_grpc.E2AdminServiceStub(manager).SetWeight(request, timeout=30)
        assert reply.instances == 0
        assert await list_nodes(console) == 0
        assert (
            await status_of(admin_pb2_grpc.E2AdminServiceStub(console).SetWeight(request, timeout=30))
            is grpc.StatusCode.PERMISSION_DENIED
        )


async def test_e2_nodes_are_set_up_for_the_nodes_part_only(ric, channel_as):
    async with channel_as("nodes") as nodes, channel_as("routing-video") as xapp:
        assert (await open_agent(nodes).setup(ric.city)).accepted
        assert await open_agent(xapp).ended() is grpc.StatusCode.PERMISSION_DENIED


async def test_health_answers_whoever_has_an_identity(channel_as):
    async with channel_as("slicing-du-3") as channel:
        reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


async def test_plain_text_does_not_get_in(ric):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ric.grpc_port}") as channel:
        assert await status_of(list_nodes(channel)) is grpc.StatusCode.UNAVAILABLE


async def test_no_certificate_does_not_get_in(ric, certs):
    async with raw_channel(ric.grpc_port, certs / "cli", private_key=None, certificate_chain=None) as channel:
        assert await status_of(list_nodes(channel)) is grpc.StatusCode.UNAVAILABLE


async def test_a_forged_identity_of_another_ca_does_not_get_in(ric, certs, other_certs):
    own_root = (certs / "ric" / "ca.crt").read_bytes()
    async with raw_channel(ric.grpc_port, other_certs / "manager", root_certificates=own_root) as channel:
        assert await status_of(list_nodes(channel)) is grpc.StatusCode.UNAVAILABLE


async def test_an_expired_certificate_does_not_get_in(ric, certs):
    long_ago = CertificateAuthority(certs, now=datetime.now(UTC) - timedelta(days=20))
    long_ago.ensure(Leaf(PeerIdentity("part", "cli-expired")), days=10)
    async with raw_channel(ric.grpc_port, certs / "cli-expired") as channel:
        assert await status_of(list_nodes(channel)) is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(CertificateUnusable, match=r"now is .*`ricity certs create` renews it"):
        Transport(certs / "cli-expired").channel("127.0.0.1:1", peer="ric")


async def test_a_genuine_certificate_without_a_scope_may_do_nothing(ric, certs, channel_as):
    CertificateAuthority(certs).ensure(Leaf(PeerIdentity("xapp", "stranger")))
    async with channel_as("stranger") as channel:
        assert await status_of(list_nodes(channel)) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_client_takes_nobody_else_for_the_ric(certs):
    """A part with a certificate of the same CA cannot pose as the RIC."""
    (certs / "console" / "scopes.yaml").write_bytes((certs / "scopes.yaml").read_bytes())
    async with ric_on_embedded_store(tls_dir=certs / "console") as impostor:
        address = f"127.0.0.1:{impostor.grpc_port}"
        async with Transport(certs / "cli").channel(address, peer="ric") as channel:
            assert await status_of(list_nodes(channel)) is grpc.StatusCode.UNAVAILABLE
        async with Transport(certs / "cli").channel(address, peer="console") as channel:
            assert await list_nodes(channel) == 0


async def test_scopes_and_certificates_are_taken_up_while_it_runs(ric, certs, channel_as):
    scopes = certs / "ric" / "scopes.yaml"
    CertificateAuthority(certs).ensure(Leaf(PeerIdentity("xapp", "onboarded")))
    original = scopes.read_text()
    try:
        async with channel_as("onboarded") as channel:
            assert await status_of(list_nodes(channel)) is grpc.StatusCode.PERMISSION_DENIED
            scopes.write_text(original + "ricity://xapp/onboarded: {verbs: [read]}\n")
            assert await list_nodes(channel) == 0
            scopes.write_text("no: [scopes")
            assert await list_nodes(channel) == 0, "an unusable file must change nothing"
    finally:
        scopes.write_text(original)
        touch_later(scopes)


async def test_a_renewed_certificate_needs_no_restart(tmp_path, certs):
    folder = tmp_path / "certs"
    young = CertificateAuthority(folder)
    for name in ("ric", "cli"):
        young.ensure(Leaf(PeerIdentity("part", name), serves=name == "ric"), days=1)
    (folder / "ric" / "scopes.yaml").write_bytes((certs / "scopes.yaml").read_bytes())
    async with ric_on_embedded_store(tls_dir=folder / "ric") as ric:
        address = f"127.0.0.1:{ric.grpc_port}"
        async with Transport(folder / "cli").channel(address, peer="ric") as channel:
            assert await list_nodes(channel) == 0
        (folder / "ric" / "tls.crt").unlink()
        later = CertificateAuthority(folder)
        assert later.ensure(Leaf(PeerIdentity("part", "ric"), serves=True, addresses=("new.example",))).is_new
        touch_later(folder / "ric" / "tls.crt")
        async with Transport(folder / "cli").channel(address, peer="new.example") as channel:
            assert await list_nodes(channel) == 0


async def test_without_certificates_nothing_leaves_the_machine_unless_told_so():
    with pytest.raises(InvalidInput, match="RICITY_INSECURE"):
        async with ric_on_embedded_store(host="0.0.0.0"):
            pass
    async with ric_on_embedded_store(host="0.0.0.0", insecure=True) as ric:
        assert ric.grpc_port
    with pytest.raises(InvalidInput, match="RICITY_TLS_DIR"):
        Transport().channel("ric.example:50051", peer="ric")
    with pytest.raises(InvalidInput, match="contradict"):
        _ = RicSettings(tls_dir="certs/ric", insecure=True).transport
