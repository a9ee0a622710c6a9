"""What an evaluation reports is what was played."""

import json

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.slicing_evaluate import evaluate_slicing
from ric_sim.envs.statistics import paired_difference
from ric_sim.radio.config import SLICES
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World


@pytest.fixture(scope="module")
def world():
    return World(n_replicas=2)


def test_figures_are_those_of_the_frames(world):
    policy = make_slicing_policy("need")
    evaluation = evaluate_slicing(policy, world, profile="overload", seeds=(3, 4), decisions=10)
    frames = []
    for seed in (3, 4):
        world.reset(seed, "overload")
        frames += [world.apply(policy.allocate(world)) for _ in range(10)]
    rewards = np.array([frame.reward for frame in frames])
    assert evaluation.reward.mean == pytest.approx(rewards.mean(), rel=1e-6)
    assert evaluation.reward.n == 4
    assert evaluation.reward_low == pytest.approx(np.quantile(rewards, 0.05), rel=1e-5)
    assert evaluation.by_replica[4, 1] == pytest.approx(rewards[10:, 1].mean(), rel=1e-6)
    assert evaluation.all3.mean == pytest.approx(np.mean([frame.all3 for frame in frames]))
    for index, name in enumerate(SLICES):
        assert evaluation.satisfied[name].mean == pytest.approx(np.mean([frame.satisfied[..., index] for frame in frames]))
        active = np.concatenate([frame.qos[..., index][frame.active_ues[..., index] > 0] for frame in frames])
        assert evaluation.qos[name] == pytest.approx(active.mean(), rel=1e-5)
        assert evaluation.quota_ratio[name] == pytest.approx(np.mean([frame.quota_rbs[..., index] for frame in frames]) / 100)
    assert sum(evaluation.quota_ratio.values()) == pytest.approx(1.0)
    assert evaluation.over_ratio == 0.0


def test_policies_meet_the_same_episodes(world):
    played = []
    ours, theirs = (
        evaluate_slicing(make_slicing_policy(name), world, seeds=(7,), decisions=20, progress=played.append)
        for name in ("need-tuned", "equal-rr")
    )
    assert paired_difference(ours.by_replica, theirs.by_replica).mean > 0.3
    assert played == [*range(1, 21), *range(1, 21)]


def test_it_fits_json(world):
    document = evaluate_slicing(make_slicing_policy("equal-pf"), world, decisions=2).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False))["by_replica"][0][:2] == [901, 0]


def test_nothing_to_play_is_refused(world):
    policy = make_slicing_policy("need")
    for wrong in ({"seeds": ()}, {"decisions": 0}):
        with pytest.raises(OutOfRange, match="expected 1 or more"):
            evaluate_slicing(policy, world, **wrong)
