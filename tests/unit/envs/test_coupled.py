from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange
from ric_sim.envs.coupled import SETTLING_DECISIONS, coupled_world, evaluate_coupled
from ric_sim.envs.coupled_traffic import AdmittedTraffic, TimeBins
from ric_sim.radio.learned import SHIPPED_FOLDER, load_slicing
from ric_sim.radio.policies import make_slicing_policy

N_DUS = 3


def traffic(factor):
    """Two bins of an even load on three O-DUs, the third of which is twice as large as the others."""
    size, nominal_mbps = np.array([0.75, 0.75, 1.5]), np.array([400.0, 100.0, 90.0])
    rate_mbps = np.broadcast_to(factor * nominal_mbps * size[:, None], (2, N_DUS, 3))
    return AdmittedTraffic(
        policy="by-hand",
        bins=TimeBins(0, 3_600_000),
        gos_ratio=1.0,
        flows=np.ones((2, N_DUS, 3)),
        rate_mbps=rate_mbps,
        requested_mbps=rate_mbps.sum(axis=1),
        nominal_mbps=nominal_mbps,
        size=size,
    )


@pytest.fixture(scope="module")
def world():
    return coupled_world(N_DUS, n_replicas=2)


def test_more_traffic_leaves_fewer_slices_satisfied(world):
    policy = make_slicing_policy("need-tuned")
    light, heavy = (evaluate_coupled(traffic(factor), policy, world, seed=5) for factor in (0.3, 3.0))
    assert light.reward.mean() > heavy.reward.mean() + 0.3
    assert light.served_ratio.min() > heavy.served_ratio.max()
    assert heavy.to_dict()["satisfied"]["urllc"] < light.to_dict()["satisfied"]["urllc"]


def test_what_is_not_admitted_is_not_served(world):
    """Half of the requests refused: the rest is served no worse, and at most half of all is."""
    policy = make_slicing_policy("need-tuned")
    asked = traffic(0.6)
    admitted = replace(asked, rate_mbps=0.5 * asked.rate_mbps)
    assert evaluate_coupled(admitted, policy, world, seed=5).served_ratio.max() <= 0.5
    assert evaluate_coupled(asked, policy, world, seed=5).served_ratio.min() > 0.5


def test_a_cell_counts_as_often_as_its_o_du_has_cells(world):
    """An O-DU that alone has traffic, and twice the size: its share of the mean is a half, not a third."""
    busy = traffic(4.0)
    alone = replace(busy, rate_mbps=busy.rate_mbps * np.array([0.0, 0.0, 1.0])[:, None])
    policy = make_slicing_policy("equal-rr")
    by_size = evaluate_coupled(alone, policy, world, seed=5).reward
    size = np.ones(N_DUS)
    evenly = replace(alone, size=size, rate_mbps=alone.rate_mbps / alone.size[:, None])
    assert np.all(by_size < evaluate_coupled(evenly, policy, world, seed=5).reward)


def test_equal_arguments_give_equal_evaluations(world):
    learned = load_slicing(SHIPPED_FOLDER, n_dus=N_DUS)
    first, second = (evaluate_coupled(traffic(1.0), learned, world, seed=5).to_dict() for _ in range(2))
    assert first == second
    assert first["slicing"] == "learned"


def test_the_learned_policy_stretches_to_more_o_dus_than_it_was_trained_for():
    actors = load_slicing(SHIPPED_FOLDER, n_dus=8).actors
    assert actors.agents == ("du_0", "du_1", "du_2", "du_3", "du_4", "du_5", "du_0", "du_1")


def test_frames_that_only_settle_are_not_enough(world):
    with pytest.raises(OutOfRange, match=f"more than {SETTLING_DECISIONS}"):
        evaluate_coupled(traffic(1.0), make_slicing_policy("need"), world, seed=5, decisions=SETTLING_DECISIONS)


def test_a_load_replaces_the_profiles_and_is_checked(world):
    world.reset(5)
    world.set_load(np.zeros((N_DUS, 3)))
    policy = make_slicing_policy("need")
    for _ in range(60):
        frame = world.apply(policy.allocate(world))
    assert frame.active_ues[..., 2].sum() == 0
    with pytest.raises(OutOfRange, match=r"finite factors of 0 or more"):
        world.set_load(np.ones((N_DUS, 2)))
    with pytest.raises(OutOfRange, match=r"finite factors of 0 or more"):
        world.set_load(-np.ones((N_DUS, 3)))
    world.reset(5)
    assert world.state.load.all()
