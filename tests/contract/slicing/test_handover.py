"""Two dApps of one O-DU: one decides, the other stands by and takes over between two frames."""

from __future__ import annotations

import contextlib

import grpc
import pytest

from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from tests.contract.slicing.parts import dapp, radio_network
from tests.harness import Stream, eventually

WITHIN_S = 60.0


@pytest.fixture
async def stack():
    async with contextlib.AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def radio(stack, request):
    """Its deadline is longer than anything stands still, unless a test sets its own."""
    deadline_ms = getattr(request, "param", 30_000.0)
    return await stack.enter_async_context(radio_network(wait_for_dapps_s=0, frames_per_s=500.0, deadline_ms=deadline_ms))


@pytest.fixture
async def admin(radio, stack):
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{radio.grpc_port}"))
    return radio_pb2_grpc.RadioAdminServiceStub(channel)


async def decided_by(radio, instance_id):
    """Until frames are played with what this dApp decides."""
    await eventually(lambda: radio.network.instances.get(0) == instance_id, within_s=WITHIN_S)
    applied = radio.network.record.controls["applied"][0]
    await eventually(lambda: radio.network.record.controls["applied"][0] >= applied + 10, within_s=WITHIN_S)


async def test_a_newer_dapp_takes_over_without_a_frame_without_control_and_the_older_one_stands_by(stack, radio, admin):
    old = await stack.enter_async_context(dapp(0, radio, 0, instance_id="old", xapp_version="1.0.0"))
    await decided_by(radio, "old")
    missing = radio.network.record.controls["missing"][0]
    new = await stack.enter_async_context(dapp(0, radio, 0, instance_id="new", xapp_version="1.1.0"))
    await decided_by(radio, "new")
    assert old.radio.standing_by.is_set()
    assert not old.radio.deciding.is_set()
    assert new.radio.deciding.is_set()

    told = await admin.ListDapps(radio_pb2.ListDappsRequest())
    rows = [(row.instance_id, row.xapp_version, row.deciding) for row in told.dapps]
    assert rows == [("old", "1.0.0", False), ("new", "1.1.0", True)]
    assert told.dus[0].handovers_total == 1
    await new.kill()
    await decided_by(radio, "old")
    assert radio.network.record.controls["missing"][0] - missing <= 1  # the frame it died in
    assert radio.network.record.controls["refused"][0] == 0


async def test_the_preferred_version_decides_while_it_answers(stack, radio, admin):
    await stack.enter_async_context(dapp(0, radio, 0, instance_id="old", xapp_version="1.0.0"))
    await decided_by(radio, "old")
    await admin.PreferVersion(radio_pb2.PreferVersionRequest(du=0, xapp_version="1.0.0"))
    await stack.enter_async_context(dapp(0, radio, 0, instance_id="new", xapp_version="1.1.0"))
    await eventually(lambda: any(s.proofs >= 10 for s in radio.network.dapps.standing_by(0)), within_s=WITHIN_S)
    assert radio.network.instances[0] == "old"
    missing = radio.network.record.controls["missing"][0]
    for version, instance in (("1.1.0", "new"), ("1.0.0", "old"), ("", "new")):
        await admin.PreferVersion(radio_pb2.PreferVersionRequest(du=0, xapp_version=version))
        await decided_by(radio, instance)
    assert radio.network.record.controls["missing"][0] == missing
    with pytest.raises(grpc.aio.AioRpcError, match="O-DU 9"):
        await admin.PreferVersion(radio_pb2.PreferVersionRequest(du=9, xapp_version="1.0.0"))


async def standing_by(stack, radio, instance_id):
    """A stream that is admitted beside another dApp's."""
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{radio.grpc_port}"))
    stream = Stream(radio_pb2_grpc.RadioServiceStub(channel).Attach())
    register = radio_pb2.RegisterRequest(protocol_version=1, du=0, instance_id=instance_id, xapp_version="2.0.0")
    await stream.send(radio_pb2.AttachRequest(register=register))
    return stream, await stream.receive("register_result")


async def test_one_that_answers_nonsense_or_nothing_never_gets_the_o_du(stack, radio, admin):
    await stack.enter_async_context(dapp(0, radio, 0, instance_id="old"))
    await decided_by(radio, "old")
    await admin.PreferVersion(radio_pb2.PreferVersionRequest(du=0, xapp_version="2.0.0"))
    await standing_by(stack, radio, "mute")
    stream, result = await standing_by(stack, radio, "mad")
    assert result.standby
    for _ in range(10):
        report = await stream.receive("report")
        assert report.standby
        control = radio_pb2.Control(epoch=report.epoch, frame=report.frame, quota_rbs=[1], beta=[0.5, 0.5])
        await stream.send(radio_pb2.AttachRequest(control=control))
    await decided_by(radio, "old")
    told = await admin.ListDapps(radio_pb2.ListDappsRequest())
    assert [row.proven for row in told.dapps] == [True, False, False]
    assert told.dus[0].handovers_total == 0


@pytest.mark.parametrize("radio", [400.0], indirect=True)
async def test_one_that_falls_silent_gives_way_and_has_it_back_when_it_answers_again(stack, radio):
    await stack.enter_async_context(dapp(0, radio, 0, instance_id="old"))
    await decided_by(radio, "old")
    stream, _ = await standing_by(stack, radio, "moody")
    report = await stream.receive("report")
    while report.standby:
        control = radio_pb2.Control(epoch=report.epoch, frame=report.frame, quota_rbs=[50, 20, 30], beta=[0.5, 0.5])
        await stream.send(radio_pb2.AttachRequest(control=control))
        report = await stream.receive("report")
    await eventually(lambda: radio.network.instances[0] == "moody", within_s=WITHIN_S)
    await decided_by(radio, "old")
    assert radio.network.record.controls["missing"][0] >= 5
    assert radio.network.dapps.handovers[0] == 2


async def test_an_o_du_takes_a_few_dapps_and_the_same_instance_once(stack, radio):
    await stack.enter_async_context(dapp(0, radio, 0, instance_id="old"))
    await decided_by(radio, "old")
    for name in ("a", "b", "c", "c"):
        assert (await standing_by(stack, radio, name))[1].accepted
    refused = (await standing_by(stack, radio, "d"))[1]
    assert (refused.accepted, refused.detail.startswith("as many dApps")) == (False, True)
    assert len(radio.network.dapps.attached(0)) == 4
