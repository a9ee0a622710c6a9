"""What a dApp decides with before its critic has sent anything."""

import shutil

import pytest

from ric_sim.domain.errors import Conflict, WeightsCorrupt, WeightsMismatch, WeightsMissing
from ric_sim.radio.learned import SHIPPED_FOLDER
from xapps.slicing.agent import RadioFacts, SlicingAgent
from xapps.slicing.metrics import SlicingMetrics
from xapps.slicing.start import starting_policy

FACTS = RadioFacts(n_dus=6, n_rbs=100, observation="ext", observation_dim=18)


def test_none_leaves_it_to_the_rule():
    assert starting_policy("none", "du_0", FACTS) is None


def test_shipped_weights_decide_once_the_network_is_known():
    asked = []

    def starting(facts):
        asked.append(facts)
        return starting_policy("shipped", "du_3", facts)

    agent = SlicingAgent(seed=0, metrics=SlicingMetrics("du_3"), starting=starting)
    assert agent.policy is None
    agent.enter(FACTS)
    assert (agent.policy.version, agent.policy.actor.agents) == (1, ("du_3",))
    newer = agent.policy = starting_policy("shipped", "du_3", FACTS)
    agent.enter(FACTS)
    assert agent.policy is newer
    assert asked == [FACTS]
    with pytest.raises(Conflict):
        agent.enter(RadioFacts(n_dus=2, n_rbs=100, observation="ext", observation_dim=18))


def test_weights_of_another_network_or_actor_are_refused(tmp_path):
    with pytest.raises(WeightsMismatch, match="n_dus 6 for 8"):
        starting_policy("shipped", "du_0", RadioFacts(n_dus=8, n_rbs=100, observation="ext", observation_dim=18))
    shutil.copy(SHIPPED_FOLDER / "du_1.safetensors", tmp_path / "du_0.safetensors")
    with pytest.raises(WeightsMismatch, match="agent 'du_1' for 'du_0'"):
        starting_policy(str(tmp_path), "du_0", FACTS)


def test_missing_and_damaged_weights_are_told(tmp_path):
    with pytest.raises(WeightsMissing, match="du_0"):
        starting_policy(str(tmp_path), "du_0", FACTS)
    content = bytearray((SHIPPED_FOLDER / "du_0.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "du_0.safetensors").write_bytes(content)
    with pytest.raises(WeightsCorrupt, match="sha256"):
        starting_policy(str(tmp_path), "du_0", FACTS)
