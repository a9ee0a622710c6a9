"""The weights that come with Ricity, and what an actor starts with."""

from __future__ import annotations

from pathlib import Path

import pytest

from ric_sim.domain.errors import WeightsMissing
from ric_sim.envs.slicing_evaluate import evaluate_slicing
from ric_sim.radio.learned import SHIPPED_FOLDER, load_slicing, starting_weights
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World


def test_none_is_no_weights() -> None:
    assert starting_weights("none", "du_0") is None


def test_every_cell_of_the_city_has_weights_of_its_own() -> None:
    made = [starting_weights("shipped", f"du_{du}") for du in range(6)]
    specs = [weights.spec for weights in made if weights is not None]
    assert [spec.agent for spec in specs] == [f"du_{du}" for du in range(6)]
    assert {(spec.n_dus, spec.observation, spec.decoding, spec.version) for spec in specs} == {(6, "ext", "resid5", 1)}
    assert len({weights.sha256 for weights in made if weights is not None}) == 6


def test_a_folder_that_has_none_for_an_actor_is_named(tmp_path: Path) -> None:
    for choice in ("shipped", str(tmp_path)):
        with pytest.raises(WeightsMissing, match="no weights for du_9"):
            starting_weights(choice, "du_9")


@pytest.mark.parametrize("profile", ["nominal", "urllc_burst"])
def test_what_is_shipped_is_better_than_the_best_rule_on_the_same_arrivals(profile: str) -> None:
    world = World(n_replicas=4)
    learned, rule = (
        evaluate_slicing(policy, world, profile=profile, seeds=(931,), decisions=60)
        for policy in (load_slicing(SHIPPED_FOLDER), make_slicing_policy("need-tuned"))
    )
    assert learned.reward.mean > rule.reward.mean + 0.02
    assert learned.all3.mean > rule.all3.mean
