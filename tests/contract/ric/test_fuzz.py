"""Generated messages at every RPC: a typed refusal or a sensible answer, never a crash, and the store unharmed."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ricity.e2.v1 import admin_pb2, admin_pb2_grpc, termination_pb2, xapp_pb2
from ricity.store.v1 import store_pb2, store_pb2_grpc
from tests.harness import channel_to, open_agent, open_xapp, ric_on_embedded_store

ALLOWED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
}
TEXT = st.one_of(st.text(max_size=20), st.sampled_from(["routing-voip", "voip", "DRB.UEThpDl", "a", "test-000000", "x" * 300]))
SCALARS = {
    FieldDescriptor.CPPTYPE_INT32: st.one_of(st.integers(-2, 400), st.integers(-(2**31), 2**31 - 1)),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.one_of(st.integers(0, 400), st.integers(0, 2**32 - 1)),
    FieldDescriptor.CPPTYPE_UINT64: st.one_of(st.integers(0, 10**6), st.integers(0, 2**64 - 1)),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_STRING: TEXT,
}


def values(field: FieldDescriptor) -> st.SearchStrategy:
    if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        return messages(field.message_type)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=20)
    return SCALARS[field.cpp_type]


def messages(descriptor: Descriptor) -> st.SearchStrategy[Message]:
    """Any message of a type, built from its own description; at most one field of each oneof is set."""
    cls = descriptor._concrete_class

    @st.composite
    def build(draw: st.DrawFn) -> Message:
        message = cls()
        chosen = {oneof.name: draw(st.sampled_from([f.name for f in oneof.fields])) for oneof in descriptor.oneofs}
        for field in descriptor.fields:
            if field.containing_oneof is not None and chosen[field.containing_oneof.name] != field.name:
                continue
            if field.containing_oneof is None and draw(st.booleans()):
                continue
            if field.is_repeated:
                items = draw(st.lists(values(field), max_size=3))
                getattr(message, field.name).extend(items)
            elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                getattr(message, field.name).CopyFrom(draw(values(field)))
            else:
                setattr(message, field.name, draw(values(field)))
        return message

    return build()


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(scope="module")
def against_ric():
    """Runs a coroutine function against one RIC that serves all examples; hypothesis itself stays outside of the loop."""
    loop = asyncio.new_event_loop()
    context = ric_on_embedded_store(absent_grace_ms=50)
    ric = loop.run_until_complete(context.__aenter__())
    yield lambda attack: loop.run_until_complete(attack(ric))
    snapshot = loop.run_until_complete(ric.gate.fresh_snapshot())
    assert (snapshot.used <= ric.city.limits).all()
    loop.run_until_complete(context.__aexit__(None, None, None))
    loop.close()


async def check_end(stream) -> None:
    """The stream ends with a typed status; a client that writes into a stream just refused sees its own library's error."""
    status = await stream.ended()
    assert status in ALLOWED or await stream._call.details() == "Internal error from Core", status


async def still_answers(ric) -> None:
    async with channel_to(ric) as channel:
        await admin_pb2_grpc.E2AdminServiceStub(channel).ListXapps(admin_pb2.ListXappsRequest())


@FUZZ
@given(sequence=st.lists(messages(xapp_pb2.AttachRequest.DESCRIPTOR), min_size=1, max_size=6))
def test_attach(against_ric, sequence):
    async def attack(ric):
        async with channel_to(ric) as channel:
            xapp = open_xapp(channel)
            await xapp.register("fuzz", "f")
            for message in sequence:
                if await quietly(xapp.send(message)):
                    break
            await quietly(xapp._call.done_writing())
            await check_end(xapp)
        await still_answers(ric)

    against_ric(attack)


@FUZZ
@given(sequence=st.lists(messages(termination_pb2.ConnectRequest.DESCRIPTOR), min_size=1, max_size=6))
def test_connect(against_ric, sequence):
    async def attack(ric):
        async with channel_to(ric) as channel:
            agent = open_agent(channel)
            await agent.setup(ric.city)
            for message in sequence:
                if await quietly(agent.send(message)):
                    break
            await quietly(agent._call.done_writing())
            await check_end(agent)
        await still_answers(ric)

    against_ric(attack)


@FUZZ
@given(batch=messages(store_pb2.CommitRequest.DESCRIPTOR))
def test_commit(against_ric, batch):
    async def attack(ric):
        async with channel_to(ric) as channel:
            call = store_pb2_grpc.StoreServiceStub(channel).Commit()
            await call.write(batch)
            await call.done_writing()
            response = await read_or_none(call)
            if await call.code() == grpc.StatusCode.OK:
                assert len(response.outcomes) == len(batch.commits)
            assert await call.code() in ALLOWED
        await still_answers(ric)

    against_ric(attack)


UNARY = [
    (store_pb2_grpc.StoreServiceStub, "Release", store_pb2.ReleaseRequest),
    (store_pb2_grpc.StoreServiceStub, "Lookup", store_pb2.LookupRequest),
    (admin_pb2_grpc.E2AdminServiceStub, "SetWeight", admin_pb2.SetWeightRequest),
    (admin_pb2_grpc.E2AdminServiceStub, "GetReports", admin_pb2.GetReportsRequest),
]


@pytest.mark.parametrize(("stub", "method", "request_type"), UNARY, ids=[row[1] for row in UNARY])
def test_unary(against_ric, stub, method, request_type):
    @FUZZ
    @given(request=messages(request_type.DESCRIPTOR))
    def attack(request):
        async def send(ric):
            async with channel_to(ric) as channel:
                call = getattr(stub(channel), method)(request)
                assert await call.code() in ALLOWED

        against_ric(send)

    attack()


async def read_or_none(call):
    try:
        return await call.read()
    except grpc.aio.AioRpcError:
        return None


async def quietly(awaitable) -> bool:
    """True when the stream is already over."""
    try:
        await awaitable
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
        return True
    return False
