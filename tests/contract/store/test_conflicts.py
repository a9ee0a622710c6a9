"""The conflict guard on a real server: parameters are set or refused in one step, and every refusal is logged."""

from __future__ import annotations

import asyncio

import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange
from ric_sim.domain.reservation import CommitStatus
from ric_sim.store.codec import UNPLANNED
from ric_sim.store.conflicts import Holding, ParameterControl, ParameterSetting, StoredConflicts
from ric_sim.store.redis_store import RedisStore
from tests.contract.store.stores import LAYOUT, new_namespace, request

GAIN, LOSS = (("throughput", 1),), (("throughput", -1),)


def control(xapp, *settings, node="du_1", priority=0, hold_ms=5000):
    return ParameterControl(node, xapp, priority, hold_ms, settings or (ratio(),))


def ratio(part="embb.min", value=40, effects=()):
    return ParameterSetting(part, value, initial=0, effects=effects)


@pytest.fixture
async def guard(server):
    stored = StoredConflicts(server.url, new_namespace())
    yield stored
    await stored.aclose()


@pytest.fixture
async def committing(server, redis_store):
    """A store and the log of its namespace."""
    stored = StoredConflicts(server.url, redis_store.namespace)
    yield redis_store, stored
    await stored.aclose()


# --- parameters ------------------------------------------------------------------------------------------------------


async def test_the_holder_keeps_a_parameter_until_its_time_is_over(guard):
    assert (await guard.control(control("one", hold_ms=1000), now_ms=100)).applied
    refused = await guard.control(control("two", ratio(value=30)), now_ms=1099)
    assert not refused.applied
    assert (refused.conflict["kind"], refused.conflict["winner"], refused.conflict["loser"]) == ("direct", "one", "two")
    assert refused.conflict["parameter"] == "du_1/embb.min"
    assert "for another 1 ms" in refused.conflict["reason"]
    held = (await guard.nodes())["du_1"]
    assert (held.values, held.holdings) == ({"embb.min": 40}, {"embb.min": Holding("one", 0, 1100)})
    assert (await guard.control(control("two", ratio(value=30)), now_ms=1100)).conflict is None
    assert (await guard.nodes())["du_1"].values == {"embb.min": 30}


async def test_a_higher_priority_takes_over_and_that_is_logged_too(guard):
    await guard.control(control("one"), now_ms=0)
    won = await guard.control(control("two", ratio(value=30), priority=1), now_ms=1)
    assert won.applied
    assert (won.conflict["winner"], won.conflict["loser"]) == ("two", "one")
    assert not (await guard.control(control("one"), now_ms=2)).applied
    assert [entry.details["winner"] for entry in await guard.recent(10)] == ["two", "two"]
    assert (await guard.counts())["direct"] == 2


async def test_the_same_value_is_no_conflict_and_takes_nothing_from_the_holder(guard):
    await guard.control(control("one", priority=3, hold_ms=1000), now_ms=0)
    same = await guard.control(control("two", hold_ms=9000), now_ms=1)
    assert (same.applied, same.conflict) == (True, None)
    assert (await guard.control(control("one", ratio(value=10), priority=3), now_ms=2)).conflict is None
    assert not (await guard.control(control("two", ratio(value=11)), now_ms=3)).applied


async def test_other_nodes_and_other_parameters_are_free(guard):
    await guard.control(control("one"), now_ms=0)
    assert (await guard.control(control("two", ratio(value=1), node="du_2"), now_ms=0)).applied
    assert (await guard.control(control("two", ratio("mmtc.min", 1)), now_ms=0)).applied
    assert await guard.recent(10) == []


async def test_all_is_set_or_nothing(guard):
    await guard.control(control("one"), now_ms=0)
    before = await guard.nodes()
    assert not (await guard.control(control("two", ratio("mmtc.min", 1), ratio(value=1)), now_ms=0)).applied
    assert await guard.nodes() == before


async def test_a_kpi_is_not_moved_back_through_another_parameter(guard):
    await guard.control(control("one", ratio("embb.max", 60, GAIN)), now_ms=0)
    against = control("two", ratio("urllc.min", 20, LOSS))
    refused = await guard.control(against, now_ms=1)
    assert (refused.applied, refused.conflict["kind"], refused.conflict["winner"]) == (False, "indirect", "one")
    assert refused.conflict["reason"].startswith("throughput is raised by one through embb.max")
    assert (await guard.control(control("two", ratio("urllc.min", 20, GAIN)), now_ms=1)).applied, "the same way is no conflict"
    assert (await guard.control(control("two", ratio("mmtc.min", 9, LOSS), priority=1), now_ms=1)).conflict["loser"] == "one"


async def test_a_kpi_is_free_again_when_its_time_is_over(guard):
    await guard.control(control("one", ratio("embb.max", 60, GAIN), hold_ms=10), now_ms=0)
    assert (await guard.control(control("two", ratio("urllc.min", 20, LOSS)), now_ms=10)).conflict is None


async def test_a_control_that_pulls_a_kpi_both_ways_claims_nothing_of_it(guard):
    await guard.control(control("one", ratio("embb.max", 60, GAIN), ratio("mmtc.max", 60, LOSS)), now_ms=0)
    assert (await guard.control(control("two", ratio("urllc.min", 20, LOSS)), now_ms=1)).conflict is None


async def test_minima_beyond_the_cell_lose_against_whoever_holds_most_of_it(guard):
    await guard.control(control("one", ratio("embb.min", 60)), now_ms=0)
    await guard.control(control("three", ratio("mmtc.min", 10)), now_ms=0)
    refused = await guard.control(control("two", ratio("urllc.min", 31)), now_ms=1)
    assert (refused.conflict["kind"], refused.conflict["winner"], refused.conflict["loser"]) == ("capacity", "one", "two")
    assert "add up to 101 %" in refused.conflict["reason"]
    assert (await guard.control(control("two", ratio("urllc.min", 30)), now_ms=1)).applied
    alone = await guard.control(control("one", ratio("embb.min", 101), node="du_2"), now_ms=1)
    assert alone.conflict["kind"] == "rule"


@pytest.mark.parametrize("values", [(30, 20, 90), (0, 60, 50), (0, 0, 101)])
async def test_ratios_out_of_order_are_refused(guard, values):
    settings = [ratio(f"urllc.{part}", value) for part, value in zip(("dedicated", "min", "max"), values, strict=True)]
    refused = await guard.control(control("one", *settings), now_ms=0)
    assert (refused.applied, refused.conflict["kind"], refused.conflict["loser"]) == (False, "rule", "one")
    assert await guard.nodes() == {}


async def test_of_many_who_want_the_same_at_once_one_wins_and_the_rest_is_logged(guard):
    verdicts = await asyncio.gather(*(guard.control(control(f"x{i}", ratio(value=i)), now_ms=0) for i in range(1, 21)))
    assert sum(verdict.applied for verdict in verdicts) == 1
    winner = f"x{next(iter((await guard.nodes())['du_1'].values.values()))}"
    logged = await guard.recent(100)
    assert {entry.details["winner"] for entry in logged} == {winner}
    assert len({entry.details["loser"] for entry in logged}) == (await guard.counts())["direct"] == 19


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"priority": -1}, OutOfRange), ({"hold_ms": 10**9}, OutOfRange), ({"node": ""}, InvalidInput)],
)
def test_an_impossible_control_is_refused(changes, error):
    with pytest.raises(error):
        control("one", **changes)


# --- commits ---------------------------------------------------------------------------------------------------------


async def test_a_commit_that_comes_too_late_is_logged_with_who_was_first(committing):
    store, log = committing
    store.commit([request("first", service=1, entries=((0, 80),))], now_ms=0, planned=[0])
    (late,) = store.commit([request("late", service=2, entries=((0, 30),))], now_ms=0, planned=[0])
    assert late.status == CommitStatus.ABORTED
    (entry,) = await log.recent(10)
    said = {
        key: entry.details[key] for key in ("kind", "resource", "winner_flow", "winner_service", "loser_flow", "loser_service")
    }
    assert said == {
        "kind": "capacity",
        "resource": 0,
        "winner_flow": "first",
        "winner_service": 1,
        "loser_flow": "late",
        "loser_service": 2,
    }
    assert (entry.details["used"], entry.details["limit"], entry.details["winner_version"]) == (80, 100, 1)
    assert (await log.counts())["capacity"] == 1


async def test_within_one_batch_the_earlier_one_wins(committing):
    store, log = committing
    batch = [request("a", service=1, entries=((0, 80),)), request("b", service=2, entries=((0, 30),))]
    store.commit(batch, now_ms=0, planned=[0, 0])
    assert [entry.details["winner_flow"] for entry in await log.recent(10)] == ["a"]


@pytest.mark.parametrize(
    ("service", "planned"), [(2, 1), (1, 0), (2, UNPLANNED)], ids=["known when planned", "own service", "plan unknown"]
)
async def test_a_refusal_that_nobody_else_caused_is_no_conflict(committing, service, planned):
    store, log = committing
    store.commit([request("first", service=1, entries=((0, 80),))], now_ms=0, planned=[0])
    (late,) = store.commit([request("late", service=service, entries=((0, 30),))], now_ms=0, planned=[planned])
    assert late.status == CommitStatus.ABORTED
    assert await log.recent(10) == []


async def test_a_commit_that_is_not_told_its_plan_logs_nothing(committing):
    store, log = committing
    store.commit([request("a", service=1, entries=((0, 80),)), request("b", entries=((0, 30),))], now_ms=0)
    assert await log.recent(10) == []


async def test_who_is_displaced_is_logged_with_both_priorities(committing):
    store, log = committing
    store.commit([request("low", service=1, entries=((0, 80),))], now_ms=0, planned=[0])
    store.commit([request("high", service=2, entries=((0, 30),), priority=2)], now_ms=0, planned=[1])
    (entry,) = await log.recent(10, kind="preemption")
    assert (entry.details["winner_flow"], entry.details["loser_flow"]) == ("high", "low")
    assert (entry.details["winner_priority"], entry.details["loser_priority"]) == (2, 0)


async def test_versions_that_do_not_fit_the_batch_are_refused(committing):
    store, _ = committing
    with pytest.raises(OutOfRange, match="versions planned on"):
        store.commit([request()], now_ms=0, planned=[0, 0])
    assert store.snapshot().version == 0


async def test_a_log_that_cannot_be_written_stops_no_commit(committing):
    store, log = committing
    store._client.execute_command("SET", log._keys.conflicts, "spoilt")
    outcomes = store.commit(
        [request("a", service=1, entries=((0, 80),)), request("b", entries=((0, 30),))], now_ms=0, planned=[0, 0]
    )
    assert [outcome.status for outcome in outcomes] == [CommitStatus.COMMITTED, CommitStatus.ABORTED]


# --- the log ---------------------------------------------------------------------------------------------------------


async def test_the_log_is_followed_and_filtered(guard):
    start = await guard.newest_id()
    assert start == "0-0"
    await guard.control(control("one"), now_ms=0)
    for i in range(3):
        await guard.control(control(f"x{i}", ratio(value=i)), now_ms=1)
    await guard.control(control("one", ratio("mmtc.min", 101), node="du_2"), now_ms=1)
    followed = await guard.after(start)
    assert [entry.details["loser"] for entry in followed] == ["x0", "x1", "x2", "one"]
    assert [entry.entry_id for entry in await guard.recent(2)] == [entry.entry_id for entry in followed[:1:-1]]
    assert [entry.details["kind"] for entry in await guard.recent(10, kind="rule")] == ["rule"]
    with pytest.raises(OutOfRange):
        await guard.recent(0)


async def test_the_log_keeps_the_newest_ten_thousand(server):
    with RedisStore(server.url, new_namespace()) as store:
        store.create(LAYOUT)
        tag = f"{{{store.namespace}}}"
        filler = "for i = 1, 11000 do redis.call('XADD', KEYS[1], '*', 'c', '{\"kind\":\"direct\"}') end"
        store._client.execute_command("EVAL", filler, 1, f"ricity:{tag}:conflicts")
    stored = StoredConflicts(server.url, store.namespace)
    await stored.control(control("one"), now_ms=0)
    await stored.control(control("two", ratio(value=1)), now_ms=0)
    length = await stored._ask("XLEN", stored._keys.conflicts)
    await stored.aclose()
    assert 10_000 <= length <= 10_200
