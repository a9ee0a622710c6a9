"""The day under contention rules: off changes nothing, on the accounts add up."""

from __future__ import annotations

import json

import pytest

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.envs.contended import Contention, evaluate_contended
from ric_sim.envs.evaluate import Staleness, evaluate
from ric_sim.network.scenario import load_scenario


@pytest.fixture(scope="module")
def smoke():
    return load_scenario(profile="smoke", day="test")


def test_all_off_is_the_plain_day(smoke):
    age = Staleness(refresh_every=10, replans=1)
    plain = evaluate(smoke, "cspf", staleness=age).to_dict()
    ours = evaluate_contended(smoke, "cspf", Contention(staleness=age)).to_dict()
    clocks = {"wall_s", "decisions_per_s"}
    assert {key: ours[key] for key in plain if key not in clocks} == {key: plain[key] for key in plain if key not in clocks}
    assert (ours["displaced"], ours["pressure_peak"]) == (0, None)


def test_signals_alone_change_no_decision(smoke):
    plain, ours = evaluate(smoke, "cspf"), evaluate_contended(smoke, "cspf", Contention(congestion_signals=True))
    assert (ours.accepted, ours.gos_by_service) == (plain.accepted, plain.gos_by_service)
    assert ours.pressure_peak > 0


def test_preemption_serves_the_critical_at_the_cost_of_the_others(smoke):
    plain, ours = evaluate_contended(smoke, "cspf", Contention()), evaluate_contended(smoke, "cspf", Contention(preemption=True))
    assert ours.gos_by_service["iot"] > plain.gos_by_service["iot"] + 0.3
    assert ours.gos_by_priority["2"] > plain.gos_by_priority["2"]
    assert ours.gos_by_priority["0"] < plain.gos_by_priority["0"]
    assert list(ours.gos_by_priority) == ["2", "1", "0"]
    assert ours.displaced == sum(ours.displaced_by_service.values()) > ours.displacing > 0
    assert {key for key, count in ours.displaced_by_service.items() if count} <= {"ar", "gaming", "video"}
    assert ours.gos_ratio == pytest.approx((ours.accepted - ours.displaced) / ours.requests)
    assert ours.accepted + sum(ours.rejects_by_cause.values()) == ours.requests


def test_rerouting_serves_most_of_the_displaced_again(smoke):
    lost = evaluate_contended(smoke, "cspf", Contention(preemption=True))
    ours = evaluate_contended(smoke, "cspf", Contention(preemption=True, rerouting=True))
    assert 0 < ours.rerouted <= ours.displaced
    assert ours.gos_ratio == pytest.approx((ours.accepted - ours.displaced + ours.rerouted) / ours.requests)
    assert ours.gos_ratio > lost.gos_ratio + 0.05
    told = json.loads(json.dumps(ours.to_dict(), allow_nan=False))
    assert (told["preemption"], told["rerouting"], told["rerouted"]) == (True, True, ours.rerouted)


def test_the_priorities_are_configurable(smoke):
    flat = evaluate_contended(smoke, "cspf", Contention(preemption=True, priorities={}))
    assert (flat.displaced, list(flat.gos_by_priority)) == (0, ["0"])
    with pytest.raises(UnknownKey):
        evaluate_contended(smoke, "cspf", Contention(preemption=True, priorities={"fax": 1}))
    with pytest.raises(OutOfRange):
        evaluate_contended(smoke, "cspf", Contention(preemption=True, priorities={"iot": 9}))
    with pytest.raises(OutOfRange):
        evaluate_contended(smoke, "cspf", Contention(), max_flows=0)


def test_progress_ends_with_the_last_request(smoke):
    told = []
    evaluate_contended(smoke, "cspf", Contention(), max_flows=70, progress=told.append)
    assert told == [70]
