"""`ConfigureXapp`: who is told, what each answered, and what the RIC shows of it."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from ric_sim.e2 import config_pushes
from ricity.e2.v1 import admin_pb2, admin_pb2_grpc, xapp_pb2
from tests.harness import PATIENCE_S, open_xapp

NAME = "routing-voip"
SETTINGS = {"RICITY_REPLANS": "2"}


@pytest.fixture
def admin(channel):
    return admin_pb2_grpc.E2AdminServiceStub(channel)


@pytest.fixture
async def pair(channel):
    """Two instances of different versions."""
    attached = [open_xapp(channel) for _ in range(2)]
    for number, xapp in enumerate(attached):
        told = {"xapp_version": f"{number}.0.0", "config_generation": number, "live_settings": ["RICITY_REPLANS"]}
        assert (await xapp.register(NAME, f"i{number}", **told)).accepted
    return attached


def ask(admin, **changed):
    return admin.ConfigureXapp(
        admin_pb2.ConfigureXappRequest(**({"xapp_name": NAME, "generation": 5, "settings": SETTINGS} | changed))
    )


async def answer(xapp, *, generation=5, reason="", notice_id=0):
    notice = await xapp.receive("config")
    told = xapp_pb2.ConfigAnswer(
        notice_id=notice_id or notice.notice_id, generation=generation, accepted=not reason, reason=reason
    )
    await xapp.send(xapp_pb2.AttachRequest(config_answer=told))
    return notice


async def shown(admin):
    rows = (await admin.ListXapps(admin_pb2.ListXappsRequest())).xapps
    return {row.instance_id: (row.config_generation, list(row.live_settings)) for row in rows}


async def test_each_instance_says_for_itself(admin, pair):
    assert await shown(admin) == {"i0": (0, ["RICITY_REPLANS"]), "i1": (1, ["RICITY_REPLANS"])}
    asked = asyncio.ensure_future(ask(admin))
    notice = await answer(pair[0])
    assert (notice.generation, dict(notice.settings), notice.check_only) == (5, SETTINGS, False)
    await answer(pair[1], generation=1, reason="too deep")
    results = {row.instance_id: row for row in (await asked).instances}
    assert (results["i0"].xapp_version, results["i0"].outcome) == ("0.0.0", admin_pb2.CONFIG_OUTCOME_ACCEPTED)
    assert (results["i1"].outcome, results["i1"].reason) == (admin_pb2.CONFIG_OUTCOME_REFUSED, "too deep")
    assert {name: generation for name, (generation, _) in (await shown(admin)).items()} == {"i0": 5, "i1": 1}


async def test_one_instance_is_named(admin, pair):
    asked = asyncio.ensure_future(ask(admin, instance_ids=["i1"], check_only=True))
    assert (await answer(pair[1], generation=1)).check_only
    assert [row.instance_id for row in (await asked).instances] == ["i1"]
    assert not (await ask(admin, instance_ids=["nobody"])).instances
    assert not (await ask(admin, xapp_name="nobody")).instances


async def test_who_says_nothing_or_goes_has_not_answered(admin, pair, monkeypatch):
    monkeypatch.setattr(config_pushes, "ANSWER_WITHIN_S", 0.2)
    asked = asyncio.ensure_future(ask(admin))
    await pair[0].receive("config")
    await answer(pair[1], notice_id=999)
    pair[0].cancel()
    assert {row.outcome for row in (await asked).instances} == {admin_pb2.CONFIG_OUTCOME_UNANSWERED}
    async with asyncio.timeout(PATIENCE_S):  # what it says it runs counts all the same
        while (await shown(admin))["i1"][0] != 5:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"generation": 0}, "expected 1 to"),
        ({"generation": 2**60}, "expected 1 to"),
        ({"settings": {"PATH": "/"}}, "setting 'PATH'"),
        ({"settings": {"RICITY_A": "x" * 5000}}, "send at most 4096"),
        ({"settings": {f"RICITY_A{number}": "" for number in range(101)}}, "send at most 100"),
    ],
)
async def test_what_nobody_is_told_of(admin, pair, changed, message):
    with pytest.raises(grpc.aio.AioRpcError, match=message) as refused:
        await ask(admin, **changed)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "told", [{"config_generation": 2**60}, {"live_settings": ["PATH"]}, {"live_settings": ["RICITY_A"] * 101}]
)
async def test_a_registration_with_an_odd_configuration(channel, told):
    result = await open_xapp(channel).register(NAME, "odd", **told)
    assert not result.accepted


async def test_an_answer_that_cannot_be_ends_the_stream(admin, pair):
    told = xapp_pb2.ConfigAnswer(notice_id=1, generation=2**60)
    await pair[0].send(xapp_pb2.AttachRequest(config_answer=told))
    assert await pair[0].ended() == grpc.StatusCode.INVALID_ARGUMENT
    assert set(await shown(admin)) == {"i1"}
