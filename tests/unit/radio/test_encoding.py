"""A rule's allocation told as an action: what is decoded again is what the rule decided."""

import numpy as np
import pytest

from ric_sim.domain.errors import UnknownKey
from ric_sim.radio.decoding import Allocation, action_dim, decode
from ric_sim.radio.encoding import ENCODABLE, encode, varied
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World


@pytest.mark.parametrize("name", ENCODABLE)
def test_what_a_rule_decides_comes_back(name):
    world, rule = World(n_replicas=4), make_slicing_policy("need-tuned")
    differences = []
    for _ in range(20):
        wanted = rule.allocate(world)
        action = encode(name, wanted, world.need_rbs)
        assert action.shape == (4, 6, action_dim(name))
        read = decode(name, action, world.need_rbs)
        differences.append(np.abs(read.quota_rbs - wanted.quota_rbs).max(axis=-1))
        if name in ("share5", "resid5"):
            np.testing.assert_array_equal(read.beta, wanted.beta)
        world.apply(wanted)
    # Ratios that actions in [0, 1] cannot say come back as near as they can be said.
    assert np.mean(np.asarray(differences) <= 1) > 0.9


def test_known_answer_resid5():
    allocation = Allocation(np.array([60, 20, 20]), np.array([1.0, 0.25]), np.array(0.0))
    needs = np.array([58.0, 18.0, 18.0])  # quota / (need + 2) is the same for all: the middle of the range
    np.testing.assert_allclose(encode("resid5", allocation, needs), [0.5, 0.5, 0.5, 1.0, 0.25])


def test_extreme_quotas_stay_actions():
    allocation = Allocation(np.array([100, 0, 0]), np.array([0.0, 1.0]), np.array(0.0))
    for name in ENCODABLE:
        action = encode(name, allocation, np.array([0.0, 500.0, 500.0]))
        assert ((action >= 0) & (action <= 1)).all()
        assert decode(name, action, np.array([0.0, 500.0, 500.0])).quota_rbs.argmax() in (0, 1, 2)


def test_what_shares_cannot_say_is_refused():
    with pytest.raises(UnknownKey, match="expected one of resid5, share3, share5, soft3"):
        encode("twobit", Allocation.of_wanted([1, 1, 1], 100), np.ones(3))


def test_varied_actions_are_near_and_stay_actions():
    action, rng = np.array([0.0, 0.5, 1.0]), np.random.default_rng(0)
    drawn = np.array([varied(action, 0.25, rng) for _ in range(2000)])
    assert ((drawn > 0) & (drawn < 1)).all()
    np.testing.assert_allclose(np.median(drawn, axis=0), [0.02, 0.5, 0.98], atol=0.01)
    assert 0.04 < drawn[:, 1].std() < 0.08  # 0.25 times the sigmoid's slope of 1/4
