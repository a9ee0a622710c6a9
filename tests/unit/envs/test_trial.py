"""A candidate against production on real days: planted worse and better versions, the guard, and no verdict without evidence."""

import hashlib
import json

import pytest

from ric_sim.domain.errors import InvalidInput, OutOfRange
from ric_sim.envs.trial import TrialRules, Verdict, run_trial
from ric_sim.network.policies import make_policy
from ric_sim.network.policies.base import DECLINED
from ric_sim.network.scenario import load_scenario


class Declining:
    """A policy that also declines a share of the requests (of one service), the same ones whenever it is asked."""

    name = "declining"

    def __init__(self, inner, ratio, service=None):
        self._inner, self._ratio, self._service = inner, ratio, service

    def plan(self, used, flow):
        drawn = int.from_bytes(hashlib.blake2b(flow.flow_id.encode(), digest_size=4).digest(), "big") / 2**32
        if drawn < self._ratio and self._service in (None, flow.service):
            return DECLINED
        return self._inner.plan(used, flow)


def _declining(ratio, service=None):
    return lambda city: Declining(make_policy("cspf", city), ratio, service)


@pytest.fixture(scope="module")
def rounds():
    return [[load_scenario(profile="paper", day="train", seed=seed)] for seed in (20_280_000, 20_280_001)]


def _trial(rounds, production, candidate, **rules):
    return run_trial(rounds, production, candidate, TrialRules(max_requests=6_000, block_requests=300, **rules))


def test_three_points_less_are_caught_within_six_thousand_requests(rounds, record_property):
    looks = []
    rules = TrialRules(max_requests=6_000, block_requests=300)
    trial = run_trial(rounds, _declining(0.0), _declining(0.03), rules, watch=lambda trial: looks.append(len(trial.track)))
    assert trial.verdict in (Verdict.WORSE, Verdict.GUARD)
    assert trial.requests.sum() <= 6_000
    assert looks == list(range(1, len(trial.track) + 1))
    record_property("requests", int(trial.requests.sum()))
    told = json.loads(json.dumps(trial.to_dict(), allow_nan=False))
    assert told["requests"] == trial.requests.sum()
    assert told["gain"] == pytest.approx(told["gos"]["candidate"] - told["gos"]["production"])
    assert told["gain_interval"][1] < 0.01


def test_three_points_more_are_better_at_the_end_of_a_round(rounds):
    trial = _trial(rounds, _declining(0.03), _declining(0.0))
    assert trial.verdict is Verdict.BETTER
    assert trial.requests.sum() == 6_000
    assert trial.overall.interval()[0] > 0


def test_a_policy_against_itself_stays_undecided(rounds):
    trial = run_trial(rounds, _declining(0.02), _declining(0.02), TrialRules(max_requests=600))
    assert trial.verdict is Verdict.UNDECIDED
    assert (trial.requests.sum(), trial.overall.gain) == (1_200, 0.0)


def test_a_service_that_falls_through_the_guard_ends_it(rounds):
    """All of AR declined is found at once, though the candidate is the better one elsewhere."""
    ar = rounds[0][0].city.service_index["ar"]
    trial = _trial(rounds, _declining(0.03), _declining(1.0, ar))
    assert trial.verdict is Verdict.GUARD
    assert "GoS of ar fell by" in trial.reason
    assert trial.requests.sum() < 6_000


def test_rules_and_days_that_make_no_sense_are_refused(rounds):
    for unusable in ({"alpha": 0.0}, {"guard_ratio": 1.5}, {"block_requests": 0}, {"max_requests": 0}):
        with pytest.raises(OutOfRange):
            TrialRules(**unusable)
    with pytest.raises(InvalidInput, match="0 sets of services"):
        run_trial([], _declining(0.0), _declining(0.0), TrialRules())
    seven = load_scenario(profile="paper-7", day="train", seed=1)
    with pytest.raises(InvalidInput, match="2 sets of services"):
        run_trial([[*rounds[0], seven]], _declining(0.0), _declining(0.0), TrialRules())
