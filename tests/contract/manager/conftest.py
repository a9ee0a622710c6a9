"""A RIC per test, a client of a manager that follows it, and an agent that is set up."""

from __future__ import annotations

import pytest

from ric_sim.domain.flow import FlowRequest
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from tests.contract.manager.a1_client import agent_of, manager_of, routing_agent, until_known
from tests.harness import ric_on_embedded_store


@pytest.fixture(scope="session", autouse=True)
def agents():
    for policy in ("cspf", "learned", "shortest"):
        routing_agent(policy)


@pytest.fixture
async def ric():
    async with ric_on_embedded_store() as running:
        yield running


@pytest.fixture
async def client(ric):
    async with manager_of(ric.grpc_port) as opened:
        yield await until_known(opened)


@pytest.fixture
async def agent(ric):
    async with agent_of(ric) as opened:
        yield opened


@pytest.fixture(scope="session")
def flows() -> list[FlowRequest]:
    """VoIP flows of the test day."""
    city = build_city("paper")
    day = generate_day(city, "test")
    voip = city.service_index["voip"]
    return [day.flow(i) for i in range(2000) if day.service[i] == voip][:50]
