"""Setup, keep-alive, loss and reconnect of the association."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from ric_sim.domain.errors import RefusedByRic, UnsupportedVersion
from ric_sim.e2 import PROTOCOL_VERSION
from ric_sim.e2.node.association import LONGEST_PAUSE_S
from ric_sim.e2.node.ledger import Outcome
from tests.contract.nodes.scripted_ric import applied, rejected
from tests.harness import eventually
from tests.unit.e2.node.two_sites import route_of, two_sites, uniform_day

CITY = two_sites()


async def test_setup_names_the_agent_its_city_and_its_nodes(ric, play):
    nodes = play(uniform_day(0))
    await eventually(lambda: nodes.association.is_up)
    (setup,) = ric.setups
    assert (setup.protocol_version, setup.agent_id) == (PROTOCOL_VERSION, "agent-0")
    assert setup.city_fingerprint == CITY.fingerprint
    assert [node.node_name for node in setup.nodes] == ["du-west", "du-east", "cu-west", "cu-east"]


async def test_a_ric_of_another_version_is_an_error_that_names_both(ric, play):
    ric.accepts, ric.version = False, PROTOCOL_VERSION + 41
    nodes = play(uniform_day(1))
    with pytest.raises(UnsupportedVersion, match=f"version {PROTOCOL_VERSION + 41}, these nodes {PROTOCOL_VERSION}: .*not today"):
        await asyncio.wait_for(nodes.task, 10)


async def test_a_refusal_ends_the_agent_with_the_rics_words(ric, play):
    ric.accepts = False
    nodes = play(uniform_day(1))
    with pytest.raises(RefusedByRic, match="not today"):
        await asyncio.wait_for(nodes.task, 10)
    assert nodes.player.started_s is None


async def test_the_day_is_answered_to_its_end(ric, play):
    ric.answer = lambda request: applied(request, route_of(CITY, request.service)) if request.service else rejected(request)
    nodes = play(uniform_day(40))
    await eventually(lambda: nodes.player.done)
    assert nodes.player.ledger.outcome.tolist() == [Outcome.REJECTED, Outcome.APPLIED] * 20
    assert nodes.player.ledger.instances == ("routing/1.0.0/a",)
    assert (nodes.player.ledger.decision_us() > 0).all()
    assert [request.flow_id for request in ric.received] == [f"day-{index:06d}" for index in range(40)]


async def test_at_the_end_of_a_day_the_ric_is_told_the_time_at_which_the_last_flow_ends(ric, play):
    ric.answer = lambda request: applied(request, route_of(CITY, request.service))
    nodes = play(uniform_day(10, spacing_ms=1000, holding_ms=5000))
    await eventually(lambda: nodes.player.done and ric.batches[-1].now_ms == 14_000)
    assert len(ric.batches[-1].requests) == 0
    times = [batch.now_ms for batch in ric.batches]
    assert times == sorted(times)


async def test_after_a_kill_exactly_the_unanswered_are_sent_again(ric, play):
    ric.answer = lambda request: rejected(request) if request.flow_id < "day-000010" else None
    nodes = play(uniform_day(40))
    await eventually(lambda: len(ric.received) == 18)
    await eventually(lambda: nodes.player.ledger.n_settled == 10)
    await ric.kill()
    await eventually(lambda: not nodes.association.is_up)
    first, ric.received, ric.answer = ric.received, [], rejected
    await ric.start()
    await eventually(lambda: nodes.player.done)
    again = [request.flow_id for request in ric.received if request.resent]
    assert again == [request.flow_id for request in first[10:]]
    assert [request.flow_id for request in ric.received[:8]] == again
    assert len({request.flow_id for request in ric.received}) == len(ric.received) == 30
    assert nodes.player.ledger.resent.sum() == 8
    assert nodes.player.ledger.answered_twice == 0


async def test_a_ric_that_comes_back_is_found_within_the_longest_pause(ric, play, record_property):
    ric.answer = lambda _request: None
    nodes = play(uniform_day(8))
    await eventually(lambda: len(ric.received) == 8)
    await ric.kill()
    await eventually(lambda: not nodes.association.is_up)
    ric.answer = rejected
    await ric.start()
    await eventually(lambda: nodes.player.done)
    (outage,) = (outage for outage in nodes.player.outages.outages if outage.what == "association")
    record_property("heal_s", outage.heal_s)
    assert outage.heal_s < LONGEST_PAUSE_S + 8.0


async def test_an_agent_started_before_its_ric_waits_for_it(ric, play):
    await ric.kill()
    with structlog.testing.capture_logs() as logs:
        nodes = play(uniform_day(4))
        await eventually(lambda: sum(entry["event"] == "association.lost" for entry in logs) >= 2)
    await ric.start()
    await eventually(lambda: nodes.player.done)


async def test_keep_alives_go_out_and_a_silent_ric_is_left(ric, play):
    ric.keep_alive_ms = 50
    nodes = play(uniform_day(0))
    await eventually(lambda: len(ric.setups) >= 2 and ric.keep_alives >= 2)
    assert not nodes.task.done()


async def test_a_ric_that_keeps_talking_is_kept(ric, play):
    ric.keep_alive_ms = 200
    nodes = play(uniform_day(0))
    await eventually(lambda: nodes.association.is_up)
    for _ in range(5):
        await ric.say(keep_alive={"sequence": 1})
        seen = ric.keep_alives
        await eventually(lambda seen=seen: ric.keep_alives > seen)
    assert len(ric.setups) == 1


async def test_closing_says_what_is_left_and_ends(ric, play):
    ric.answer = lambda _request: None
    nodes = play(uniform_day(8))
    await eventually(lambda: len(ric.received) == 8)
    nodes.player.give_up_all(0.0)
    nodes.association.close()
    await asyncio.wait_for(nodes.task, 10)
    assert ric.defaulted == [f"day-{index:06d}" for index in range(8)]
