"""Disturbed days: extra demand has the service's statistics, outages drop and close exactly what they should."""

import json

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange, UnknownKey
from ric_sim.domain.flow import Cause
from ric_sim.envs.disturbances import Disturbance, Outage, demand_scaled, disturbances, link_failed, upf_failed
from ric_sim.envs.disturbed import BIN_MS, DisturbedReplay, evaluate_disturbed
from ric_sim.envs.evaluate import FRESH, evaluate
from ric_sim.network.city import NodeKind
from ric_sim.network.policies import make_policy
from ric_sim.network.scenario import load_scenario

MINUTE_MS = 60_000
SIX_PAST_FOUR = 16 * 60 * MINUTE_MS + 2 * MINUTE_MS
TO_MS = SIX_PAST_FOUR + 2 * MINUTE_MS


@pytest.fixture(scope="module")
def smoke():
    return load_scenario(profile="smoke", day="test")


@pytest.fixture(scope="module")
def whole():
    return load_scenario(profile="paper", day="test")


def _with(scenario, *outages, from_ms=SIX_PAST_FOUR, to_ms=TO_MS):
    return Disturbance("test", scenario, from_ms, to_ms, outages)


def _same_but_for_times(ours, plain):
    different = {"wall_s", "decisions_per_s"}
    return {key: value for key, value in plain.to_dict().items() if key not in different and ours.to_dict()[key] != value}


def test_without_an_outage_the_day_is_the_plain_one(smoke):
    assert _same_but_for_times(evaluate_disturbed(_with(smoke), "cspf"), evaluate(smoke, "cspf")) == {}


def test_bins_add_up_to_the_day(smoke):
    result = evaluate_disturbed(_with(smoke, upf_failed(smoke.city, "upf-ar-0", from_ms=SIX_PAST_FOUR, to_ms=TO_MS)), "cspf")
    assert result.requests_per_bin.sum() == result.requests == len(smoke.day)
    assert result.accepted_per_bin.sum() == result.accepted
    assert (result.accepted_per_bin <= result.requests_per_bin).all()
    assert result.requests_per_bin[16 * 60 * MINUTE_MS // BIN_MS].sum() > 0
    told = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert (told["bin_ms"], len(told["requests_per_bin"])) == (900_000, 96)
    assert told["dropped"] == sum(told["dropped_by_service"].values())


def test_a_failed_upf_carries_nothing_and_drops_its_own_flows_only(smoke):
    ar = smoke.city.service_index["ar"]
    outage = upf_failed(smoke.city, "upf-ar-0", from_ms=SIX_PAST_FOUR, to_ms=TO_MS)
    replay = DisturbedReplay(smoke.city, make_policy("cspf", smoke.city), _with(smoke, outage), FRESH)
    resource, limits = outage.resources[0], smoke.city.limits
    seen = set()
    for index in range(len(smoke.day)):
        flow = smoke.day.flow(index)
        before = int(replay.tally.accepted[ar])
        replay.play(index, flow)
        used = int(replay._store.snapshot().used[resource])
        down = outage.from_ms <= flow.arrival_ms < outage.to_ms
        if flow.service == ar:
            seen.add(down)
            assert not (down and replay.tally.accepted[ar] > before)
        assert (used == limits[resource]) == down
    assert seen == {True, False}
    result = replay.account(replay.tally.evaluation(smoke, "cspf", 0, FRESH, wall_s=1.0))
    assert result.dropped_by_service["ar"] > 0
    assert sum(result.dropped_by_service.values()) == result.dropped_by_service["ar"]
    assert result.rejects_by_service["ar"][Cause.NO_ROUTE_CAPACITY.label] > 0


def test_a_failed_link_is_shunned_both_ways_and_used_again_afterwards(smoke):
    line = ("core-saint-laurent", "agg-saint-laurent")
    outage = link_failed(smoke.city, line, from_ms=SIX_PAST_FOUR, to_ms=TO_MS)
    assert len(outage.resources) == 2
    replay = DisturbedReplay(smoke.city, make_policy("cspf", smoke.city), _with(smoke, outage), FRESH)
    uses = {"before": 0, "during": 0, "after": 0}
    for index in range(len(smoke.day)):
        flow = smoke.day.flow(index)
        replay.play(index, flow)
        outcome = replay._store.lookup(flow.flow_id)
        phase = "before" if flow.arrival_ms < outage.from_ms else "during" if flow.arrival_ms < outage.to_ms else "after"
        uses[phase] += outcome is not None and any(link in outage.resources for link in outcome.route)
    assert uses["before"] > 0
    assert uses["during"] == 0
    assert uses["after"] > 0


def test_resources_are_free_again_when_the_last_flow_has_ended(smoke):
    outage = link_failed(smoke.city, ("core-downtown", "core-anjou"), from_ms=SIX_PAST_FOUR, to_ms=TO_MS)
    replay = DisturbedReplay(smoke.city, make_policy("cspf", smoke.city), _with(smoke, outage), FRESH)
    for index in range(len(smoke.day)):
        replay.play(index, smoke.day.flow(index))
    replay._store.advance(int(max(smoke.day.end_ms.max(), TO_MS)))
    assert not replay._store.snapshot().used.any()


def test_extra_demand_has_the_statistics_of_the_service(whole):
    from_ms, to_ms = 8 * 60 * MINUTE_MS, 20 * 60 * MINUTE_MS
    scaled = demand_scaled(whole, "iot", 1.5, from_ms=from_ms, to_ms=to_ms)
    iot = whole.city.service_index["iot"]
    day, more = whole.day, scaled.day
    inside = (day.arrival_ms >= from_ms) & (day.arrival_ms < to_ms) & (day.service == iot)
    assert len(more) - len(day) == round(inside.sum() * 0.5)
    grown = (more.arrival_ms >= from_ms) & (more.arrival_ms < to_ms) & (more.service == iot)
    for column in ("bandwidth_kbps", "holding_ms", "n_requests"):
        assert getattr(more, column)[grown].mean() == pytest.approx(getattr(day, column)[inside].mean(), rel=0.05)
    per_hour = [np.bincount(d.arrival_ms[at] // 3_600_000, minlength=24) for d, at in ((more, grown), (day, inside))]
    assert per_hour[0][8:20] == pytest.approx(1.5 * per_hour[1][8:20], rel=0.2)
    districts = [np.bincount(d.ru[at] // 30, minlength=10) / at.sum() for d, at in ((more, grown), (day, inside))]
    assert districts[0] == pytest.approx(districts[1], abs=0.03)


def test_every_flow_of_the_day_is_still_there(whole):
    scaled = demand_scaled(whole, "voip", 2.0)
    columns = ("arrival_ms", "service", "ru", "bandwidth_kbps", "holding_ms")
    have, had = (
        {tuple(row) for row in np.stack([getattr(d, c) for c in columns], axis=1).tolist()} for d in (scaled.day, whole.day)
    )
    assert had <= have
    assert scaled.day.name == "test-voip-x2"
    assert scaled.config_hash != whole.config_hash


def test_seeds_give_other_extra_flows_and_the_same_seed_the_same(whole):
    digests = [demand_scaled(whole, "ar", 1.5, seed=seed).day.digest for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]
    assert len(demand_scaled(whole, "ar", 1.0).day) == len(whole.day)


def test_what_does_not_exist_is_refused(smoke):
    with pytest.raises(UnknownKey, match="did you mean 'upf-iot-1'"):
        upf_failed(smoke.city, "upf-iot-2")
    with pytest.raises(UnknownKey, match="UPF"):
        upf_failed(smoke.city, "du-0")
    with pytest.raises(InvalidInput, match="core-downtown is joined to"):
        link_failed(smoke.city, ("core-downtown", "du-4"))
    with pytest.raises(UnknownKey, match="did you mean 'core-downtown'"):
        link_failed(smoke.city, ("core-downtwn", "core-anjou"))
    with pytest.raises(UnknownKey):
        demand_scaled(smoke, "iott", 1.5)
    with pytest.raises(UnknownKey):
        disturbances(smoke, ["flood"])
    for factor in (0.9, float("nan"), float("inf")):
        with pytest.raises(OutOfRange):
            demand_scaled(smoke, "iot", factor)
    with pytest.raises(OutOfRange):
        Outage("backwards", (1,), 5, 5)


def test_the_three_disturbances_hurt(smoke):
    """On the busy minutes of the smoke day, with outages that cover them."""
    plain = evaluate(smoke, "cspf")
    city = smoke.city
    upfs = [upf_failed(city, city.node_names[upf], from_ms=1, to_ms=86_400_000) for upf in city.nodes_of(NodeKind.UPF).tolist()]
    dead = evaluate_disturbed(_with(smoke, *upfs, from_ms=BIN_MS, to_ms=86_400_000), "cspf")
    assert (dead.accepted, dead.gos_by_phase) == (0, {"before": None, "during": 0.0, "after": None})
    assert plain.accepted > 0
    demand, link, upf = disturbances(smoke, ("demand", "link", "upf"))
    assert len(demand.scenario.day) > len(smoke.day)
    assert not demand.outages
    for each in (link, upf):
        assert each.scenario is smoke
        assert evaluate_disturbed(each, "cspf").accepted < plain.accepted
