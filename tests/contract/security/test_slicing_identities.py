"""The radio network and the critic by the identity of who calls: a dApp decides for its own O-DU only."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
import pytest
import structlog

from ric_sim.domain.errors import RefusedByRic
from ricity.learning.v1 import learning_pb2, learning_pb2_grpc
from ricity.radio.v1 import radio_pb2, radio_pb2_grpc
from services.common.tls import Transport
from services.radio.main import running_radio
from services.radio.settings import RadioSettings
from xapps.critic.service import running_critic
from xapps.critic.settings import CriticSettings
from xapps.sdk.standalone import ProcessLife
from xapps.slicing.main import serve
from xapps.slicing.settings import SlicingSettings

LOG = structlog.get_logger()


@pytest.fixture
async def radio(certs):
    settings = RadioSettings(grpc_port=0, dus=2, ues=40, tls_dir=certs / "radio")
    async with running_radio(settings, log=LOG, plays=False) as running:
        yield running


@pytest.fixture
async def critic(certs):
    settings = CriticSettings(grpc_port=0, dus=2, rehearsal_steps=0, trial_decisions=0, tls_dir=certs / "critic")
    async with running_critic(settings, log=LOG) as running:
        yield running


@contextlib.asynccontextmanager
async def stream_as(certs, name, port, peer, open_stream):
    async with Transport(certs / name).channel(f"127.0.0.1:{port}", peer=peer) as channel:
        yield open_stream(channel)


async def attach(certs, radio, name: str, du: int):
    register = radio_pb2.RegisterRequest(protocol_version=1, du=du, instance_id="i1")
    said = [radio_pb2.AttachRequest(register=register)]  # not written, because a refusal may be faster
    opened = stream_as(
        certs, name, radio.grpc_port, "radio", lambda channel: radio_pb2_grpc.RadioServiceStub(channel).Attach(said)
    )
    async with opened as call:
        return (await anext(aiter(call))).register_result


async def test_a_dapp_attaches_for_its_own_du(certs, radio):
    assert (await attach(certs, radio, "slicing-du-1", 1)).n_dus == 2


@pytest.mark.parametrize("name", ["slicing-du-0", "routing-video", "console"])
async def test_nobody_else_divides_its_slices(certs, radio, name):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await attach(certs, radio, name, 1)
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert f"/{name} may not" in raised.value.details()
    assert not radio.network.instances


async def test_a_dapp_process_with_anothers_certificate_ends(certs, radio):
    settings = SlicingSettings(du=1, radio=f"127.0.0.1:{radio.grpc_port}", critic="", tls_dir=certs / "slicing-du-0")
    with pytest.raises(RefusedByRic, match=r"PERMISSION_DENIED.*O-DU 1"):
        async with asyncio.timeout(20):
            await serve(settings, ProcessLife(LOG, asyncio.Event()))


async def test_an_actor_speaks_for_itself_to_the_critic(certs, critic):
    async def join(name: str, agent: str):
        message = learning_pb2.LearnRequest(join=learning_pb2.JoinRequest(protocol_version=1, agent=agent, instance_id="i1"))
        opened = stream_as(
            certs,
            name,
            critic.grpc_port,
            "critic",
            lambda channel: learning_pb2_grpc.LearningServiceStub(channel).Learn([message]),
        )
        async with opened as call:
            return (await anext(aiter(call))).join_result

    assert (await join("slicing-du-0", "du_0")).refusal == learning_pb2.REFUSAL_OTHER_WORLD, "let in, and then judged"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await join("slicing-du-1", "du_0")
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert not critic.servicer.sessions
