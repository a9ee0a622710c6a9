"""The training benchmark's own loop still fits the learner it measures; the references are other people's."""

import pytest

from benchmarks import train_routing_loops
from ric_sim.network.scenario import load_scenario


@pytest.mark.long
def test_our_loop_learns_from_a_whole_rollout():
    iterate = train_routing_loops.ours(load_scenario(profile="smoke", day="train"))
    assert iterate() == train_routing_loops.ROLLOUT
