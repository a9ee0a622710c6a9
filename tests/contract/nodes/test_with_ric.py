"""The nodes against the real RIC on a real store, with one scripted xApp."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

import numpy as np
import pytest
import structlog

from ric_sim.e2.codec import flow_from_proto
from ric_sim.e2.node.agent import AgentOptions, NodeAgent
from ric_sim.e2.node.association import Association
from ric_sim.e2.node.pacing import MaxPace
from ric_sim.e2.node.summary import summarise
from ric_sim.network.scenario import load_scenario
from ric_sim.network.traffic import selection
from services.common.tls import LOOPBACK
from tests.harness import channel_to, eventually, open_xapp, ric_on_embedded_store, route_on_empty_network

SCENARIO = load_scenario(profile="paper", day="test")
VOIP = SCENARIO.city.service_index["voip"]
DAY = selection(SCENARIO.day, "morning", np.flatnonzero(SCENARIO.day.service == VOIP)[5000:5100])
"""Flows so small that none is refused."""


@pytest.fixture
async def ric():
    async with ric_on_embedded_store(absent_grace_ms=300) as running:
        yield running


@contextlib.asynccontextmanager
async def xapp(ric):
    """Answers every request with a route that is blind to load."""
    async with channel_to(ric) as channel:
        instance = open_xapp(channel)
        assert (await instance.register("routing-voip", "a")).accepted
        assert (await instance.subscribe_inserts("voip")).admitted

        async def route_everything() -> None:
            while True:
                for request in (await instance.receive("inserts", within_s=60)).requests:
                    flow = flow_from_proto(SCENARIO.city, request)
                    await instance.route(flow.flow_id, route_on_empty_network(SCENARIO.city, flow))

        routing = asyncio.create_task(route_everything())
        async with instance.kept_alive():
            yield
        routing.cancel()
        await asyncio.gather(routing, return_exceptions=True)


@contextlib.asynccontextmanager
async def nodes_on(ric, **options):
    log = structlog.get_logger()
    pace = MaxPace(DAY, in_flight=8)
    agent = NodeAgent(SCENARIO.city, DAY, pace=pace, options=AgentOptions(agent_id="nodes", **options), log=log)
    association = Association(agent, f"127.0.0.1:{ric.grpc_port}", open_channel=partial(LOOPBACK.channel, peer="ric"), log=log)
    running = asyncio.create_task(association.run())
    yield agent.player
    association.close()
    await asyncio.wait_for(running, 10)


def emulated_end_ms(player) -> int:
    return max(int(end) for end, outcome in zip(DAY.end_ms, player.ledger.outcome, strict=True) if outcome == 1)


async def test_a_morning_is_committed_answered_and_expired(ric):
    async with xapp(ric), nodes_on(ric, wait_for_services=True) as player:
        await eventually(lambda: ric.termination.inventory.all())
        assert len(ric.termination.inventory.all()) == 16
        await eventually(lambda: player.done)
        await eventually(lambda: ric.gate.now_ms >= emulated_end_ms(player))
        summary = summarise(player, began_unix_s=None)
        assert (summary["requests"], summary["forgotten"], summary["answered_twice"]) == (len(DAY), 0, 0)
        assert summary["accepted"] == len(DAY)
        assert (player.ledger.latency_us > 0).all()
        assert set(summary["decided_by"]) == {"routing-voip/1.0.0/a"}
        assert not (await ric.gate.fresh_snapshot()).used.any()


async def test_without_an_xapp_every_request_gets_its_default(ric):
    async with nodes_on(ric) as player:
        await eventually(lambda: player.done)
        assert summarise(player, began_unix_s=None)["by_cause"] == {"no_subscriber": len(DAY)}


async def test_a_repeated_start_of_the_agent_takes_the_place_of_the_first(ric):
    async with nodes_on(ric, wait_for_services=True) as first:
        await eventually(lambda: first.connected)
        async with nodes_on(ric, wait_for_services=True):
            await eventually(lambda: not first.connected)
