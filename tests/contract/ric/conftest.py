"""A RIC per test, an agent that is set up and an xApp that serves VoIP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ric_sim.domain.flow import FlowRequest
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from tests.harness import ScriptedAgent, ScriptedXapp, channel_to, open_agent, open_xapp, ric_on_embedded_store


@pytest.fixture
async def ric():
    async with ric_on_embedded_store(absent_grace_ms=300) as running:
        yield running


@pytest.fixture
async def channel(ric):
    async with channel_to(ric) as opened:
        yield opened


@pytest.fixture
async def agent(ric, channel) -> AsyncIterator[ScriptedAgent]:
    opened = open_agent(channel)
    assert (await opened.setup(ric.city)).accepted
    async with opened.kept_alive():
        yield opened


@pytest.fixture
async def xapp(channel) -> AsyncIterator[ScriptedXapp]:
    opened = open_xapp(channel)
    assert (await opened.register("routing-voip", "a")).accepted
    assert (await opened.subscribe_inserts("voip")).admitted
    async with opened.kept_alive():
        yield opened


@pytest.fixture(scope="session")
def flows() -> list[FlowRequest]:
    """200 VoIP flows of the test day."""
    city = build_city("paper")
    day = generate_day(city, "test")
    voip = city.service_index["voip"]
    return [day.flow(i) for i in range(4000) if day.service[i] == voip][:200]
