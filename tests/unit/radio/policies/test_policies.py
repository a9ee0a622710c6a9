"""Heuristics: each does what its name says, and they keep their order on nominal traffic."""

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.envs.slicing_evaluate import evaluate_slicing
from ric_sim.radio.policies import SLICING_POLICIES, make_slicing_policy
from ric_sim.radio.policies.needs import in_order
from ric_sim.radio.policies.splits import backlog_bits
from ric_sim.radio.world import World


@pytest.fixture(scope="module")
def world():
    return World(n_replicas=8)


@pytest.fixture(scope="module")
def nominal(world):
    """Evaluations of seed 901 by policy, made when asked for."""
    kept = {}

    def evaluation(name):
        if name not in kept:
            kept[name] = evaluate_slicing(make_slicing_policy(name), world)
        return kept[name]

    return evaluation


@pytest.mark.parametrize(
    ("name", "reward", "all3"),
    [
        ("random", 1.204, 0.140),
        ("equal-rr", 1.200, 0.145),
        ("equal-pf", 1.684, 0.292),
        ("active-pf", 1.539, 0.186),
        ("demand-pf", 1.759, 0.562),
        ("static-pf", 1.873, 0.548),
        ("static", 1.911, 0.585),
        ("need-shared", 1.837, 0.645),
        ("need-embb", 1.616, 0.587),
        ("need", 1.904, 0.663),
        ("need-tuned", 1.954, 0.689),
    ],
)
def test_rewards_are_those_of_the_reference_on_another_random_stream(nominal, name, reward, all3):
    evaluation = nominal(name)
    assert evaluation.reward.mean == pytest.approx(reward, abs=0.03)
    assert evaluation.all3.mean == pytest.approx(all3, abs=0.04)


def test_the_order_of_the_rules_on_nominal_traffic(nominal):
    rewards = [nominal(name).reward.mean for name in ("equal-rr", "equal-pf", "static", "need-tuned")]
    assert rewards == sorted(rewards)
    assert nominal("need-embb").reward.mean < nominal("need").reward.mean < nominal("need-tuned").reward.mean


def test_every_policy_splits_cells_that_it_leaves_alone(world):
    world.reset(12)
    before = {name: np.array(value) for name, value in world.state._asdict().items()}
    for name in SLICING_POLICIES:
        allocation = make_slicing_policy(name, **({"step_rbs": 20} if name == "oracle" else {})).allocate(world)
        assert allocation.quota_rbs.shape == (8, 6, 3)
        np.testing.assert_array_equal(allocation.quota_rbs.sum(axis=-1)[world.active_ues.sum(axis=-1) > 0], 100)
        assert np.all(allocation.over_ratio == 0.0)
        for field, value in world.state._asdict().items():
            np.testing.assert_array_equal(value, before[field])


def test_needs_are_granted_in_order_and_the_rest_in_proportion():
    wanted = np.array([[30, 10, 20], [80, 40, 30], [0, 0, 0], [200, 0, 0]])
    granted = in_order(wanted, (2, 1, 0), 100)
    # 40 left: 20, 6 and 13, the odd one to URLLC.
    assert granted.tolist() == [[50, 16, 34], [30, 40, 30], [0, 0, 100], [100, 0, 0]]
    assert in_order(wanted[1], (2, 0, 1), 100).tolist() == [70, 0, 30]


def test_backlogs_add_up(world):
    world.reset(3)
    assert backlog_bits(world).sum() == pytest.approx(world.state.queue_bits.sum())


def test_curves_choose_no_worse_than_the_need_rule_by_their_own_estimate(world):
    evaluation = evaluate_slicing(make_slicing_policy("curve"), world, decisions=25)
    assert evaluation.reward.mean > 1.88
    assert evaluation.satisfied["urllc"].mean > 0.8


def test_the_oracle_beats_what_it_starts_from():
    world = World(n_replicas=1)
    tuned = evaluate_slicing(make_slicing_policy("need-tuned"), world, decisions=20)
    oracle = evaluate_slicing(make_slicing_policy("oracle", step_rbs=10), world, decisions=20)
    assert oracle.reward.mean > tuned.reward.mean + 0.02


def test_the_random_policy_repeats_with_its_seed(world):
    one, same, other = (make_slicing_policy("random", seed=seed).allocate(world).quota_rbs for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("static", {"shares": (0, 0, 0)}),
        ("static", {"shares": (1, 2)}),
        ("static", {"beta": 1.5}),
        ("need", {"order": ("urllc", "embb")}),
        ("need", {"margins": (1.0, -1.0, 1.0)}),
        ("curve", {"derating": 0.0}),
        ("oracle", {"betas": ()}),
        ("oracle", {"step_rbs": 0}),
    ],
)
def test_parameters_out_of_range_are_refused(name, parameters):
    with pytest.raises(OutOfRange, match="expected"):
        make_slicing_policy(name, **parameters)


def test_unknown_policies_and_parameters_are_refused():
    with pytest.raises(UnknownKey, match="need-tuned"):
        make_slicing_policy("need-tune")
    with pytest.raises(UnknownKey, match="derating"):
        make_slicing_policy("curve", derate=0.5)
