from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ric_sim.domain.errors import Conflict, InvalidInput, UnknownKey, WeightsMismatch, WeightsMissing
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.episodes.space import episode_arrays
from ric_sim.network.montreal import build_city
from ric_sim.network.policies.learned.weights import load_weights, save_weights, weight_files
from tests.unit.xapps.learning.tiny import tiny_config
from tests.untrained import untrained_folder, untrained_weights
from xapps.learning.networks import RoutingNetwork
from xapps.learning.onboarding import OnboardingTrainer, onboarding_of
from xapps.learning.ppo import samples_of
from xapps.learning.rollout import Decisions

SIX = list(build_city("paper").service_index)
SEVEN = list(build_city("paper-7").service_index)
CONFIG = tiny_config(traffic={"profiles": ["paper-7"], "lanes": 24, "stretch": 500, "filled": 6, "validation_flows": 96})


def _trainer(folder: Path, *, seed: int = 0, parent: str | None = None) -> OnboardingTrainer:
    there = folder / "there"
    if not there.exists():
        untrained_folder(there, SIX, seed=seed)
    onboarding, config = onboarding_of(CONFIG, ("surgery",), there, parent)
    return OnboardingTrainer(config, onboarding, seed=3, weights=folder / "weights")


def _values(network: RoutingNetwork) -> list[torch.Tensor]:
    return [values.detach().clone() for values in network.parameters()]


def test_a_seventh_service_changes_no_policys_input() -> None:
    paper, seven = build_city("paper"), build_city("paper-7")
    shapes = [{name: values.shape for name, values in RoutingNetwork(city).state_dict().items()} for city in (paper, seven)]
    assert shapes[0] == shapes[1]
    np.testing.assert_array_equal(episode_arrays(paper).static, episode_arrays(seven).static)
    assert SEVEN[: len(SIX)] == SIX


def test_only_the_newcomer_learns_and_the_others_files_stay_as_they_are(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    trainer.prepare()
    before = [_values(network) for network in trainer.networks]
    newcomer = trainer.learners[SEVEN.index("surgery")]
    while newcomer.n_updates == 0:
        trainer.advance()
    changed = [
        key
        for key, old, network in zip(SEVEN, before, trainer.networks, strict=True)
        if not all(torch.equal(a, b) for a, b in zip(old, network.parameters(), strict=True))
    ]
    assert changed == ["surgery"]
    trainer.save_weights()
    sources, targets = (weight_files("amarl", SEVEN, folder) for folder in (tmp_path / "there", tmp_path / "weights"))
    assert all(targets[key].read_bytes() == sources[key].read_bytes() for key in SIX)
    own = load_weights(targets["surgery"], algorithm="amarl", service="surgery")
    np.testing.assert_array_equal(own.tensors["value.bias"], newcomer.network.value.bias.detach().numpy())
    assert own.spec.mask == load_weights(targets["voip"], algorithm="amarl", service="voip").spec.mask


def test_the_others_decide_greedily(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    decisions = trainer._collector.collect(3)
    others = (decisions.service >= 0) & (decisions.service != SEVEN.index("surgery"))
    lanes = np.flatnonzero(others[0])
    network_of_lane = [trainer.networks[decisions.service[0, lane]] for lane in lanes]
    assert len(lanes) > 3
    for lane, network in zip(lanes.tolist(), network_of_lane, strict=True):
        assert int(decisions.action[0, lane]) == _best(decisions, lane, network)


def _best(decisions: Decisions, lane: int, network: RoutingNetwork) -> int:
    """The action a network scores highest in the first tick of a lane."""
    service = np.full_like(decisions.service, -1)
    service[0, lane] = 0
    alone = Decisions(**{**vars(decisions), "service": service})
    samples = samples_of(alone, decisions.reward, [0])
    with torch.no_grad():
        return int(network(*samples.batch(np.array([0])))[0].argmax())


def test_a_newcomer_begins_as_its_parent(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path, parent="industry")
    child, parent = (_values(trainer.networks[SEVEN.index(key)]) for key in ("surgery", "industry"))
    assert all(torch.equal(a, b) for a, b in zip(child, parent, strict=True))


def test_a_run_goes_on_beside_the_same_agents_only(tmp_path: Path) -> None:
    state = _trainer(tmp_path / "one").state_dict()
    _trainer(tmp_path / "two").load_state_dict(state)
    with pytest.raises(Conflict, match="other agents"):
        _trainer(tmp_path / "three", seed=1).load_state_dict(state)


def test_what_cannot_be_onboarded_is_named(tmp_path: Path) -> None:
    untrained_folder(tmp_path, SIX)
    with pytest.raises(UnknownKey, match="teleport"):
        onboarding_of(CONFIG, ("teleport",), tmp_path)
    with pytest.raises(UnknownKey, match="parent"):
        onboarding_of(CONFIG, ("surgery",), tmp_path, "surgery")
    with pytest.raises(InvalidInput, match="nobody"):
        onboarding_of(CONFIG, (), tmp_path)
    with pytest.raises(InvalidInput, match="no agent to take"):
        onboarding_of(CONFIG, tuple(SEVEN), tmp_path)
    with pytest.raises(WeightsMissing, match="nowhere"):
        onboarding_of(CONFIG, ("surgery",), tmp_path / "nowhere")


def test_agents_of_different_masks_do_not_play_in_the_same_lanes(tmp_path: Path) -> None:
    untrained_folder(tmp_path, SIX)
    odd = untrained_weights("iot", seed=1, mask=MaskRules(revisits=False))
    save_weights(weight_files("amarl", ["iot"], tmp_path)["iot"], odd)
    with pytest.raises(WeightsMismatch, match="iot"):
        onboarding_of(CONFIG, ("surgery",), tmp_path)
