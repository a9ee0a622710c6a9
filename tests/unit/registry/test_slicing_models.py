"""Models beside routing: teams of slicing actors, and critics with the actors they teach."""

from dataclasses import replace

import numpy as np
import pytest

from ric_sim.domain.errors import InvalidInput, NotFound, StageRefused, WeightsCorrupt, WeightsMismatch, WeightsMissing
from ric_sim.domain.weight_file import write_whole
from ric_sim.radio.learned import SHIPPED_FOLDER, ActorWeights, actor_file, load_actor, load_slicing, save_actor, starting_weights
from ric_sim.radio.learned.critic_weights import CRITIC_WEIGHTS, CriticSpec
from ric_sim.radio.learned.weights import OBSERVATION_VERSION
from services.registry.model import ModelName, Stage

TEAM, CRITIC = "slicing-ta-sam", "critic-live"
SHIPPED = {f"du_{index}": load_actor(actor_file(SHIPPED_FOLDER, f"du_{index}")) for index in range(6)}


@pytest.fixture
def actors(tmp_path):
    """Makes a folder of the shipped actors, with fields of some agents' specs changed, or of all."""

    def make(name="actors", *, only=tuple(SHIPPED), **changes):
        folder = tmp_path / name
        for agent, weights in SHIPPED.items():
            spec = replace(weights.spec, **changes) if agent in only else weights.spec
            save_actor(actor_file(folder, agent), ActorWeights(spec, weights.tensors))
        return folder

    return make


@pytest.fixture
def critic(actors):
    """Makes a folder of a critic and its actors."""

    def make(name="critic", *, n_updates=0, **changes):
        folder = actors(name, steps=n_updates)
        tensors = {"critics": np.full((2, 3), n_updates, dtype=np.float32)}
        spec = CriticSpec(tuple(SHIPPED), 6, "ext", "resid5", {"critics": (2, 3)}, n_updates=n_updates)
        write_whole(folder / "critic.safetensors", CRITIC_WEIGHTS.encode(replace(spec, **changes), tensors))
        return folder

    return make


def test_a_team_of_actors_is_one_version_that_a_dapp_starts_with(registry, actors):
    published = registry.publish(TEAM, actors(), metrics={"reward": 0.7}).version
    assert {file.agent: file.sha256 for file in published.files} == {agent: each.sha256 for agent, each in SHIPPED.items()}
    assert published.fits == {"n_dus": 6, "observation": "ext", "decoding": "resid5"}
    assert published.feature_version == OBSERVATION_VERSION
    assert published.files[0].lineage.steps == SHIPPED["du_0"].spec.steps
    assert registry.publish(TEAM, SHIPPED_FOLDER).created is False
    registry.promote(TEAM, 1)
    serving = registry.serving(TEAM)
    assert starting_weights(str(serving), "du_3").sha256 == SHIPPED["du_3"].sha256
    assert len(load_slicing(serving).actors.agents) == 6
    assert registry.verify() == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variant": "sac"}, "publish them as slicing-sac"),
        ({"only": ("du_2",), "agent": "du_4"}, "the file has the wrong name"),
        ({"only": ("du_5",), "n_dus": 7}, "publish files of one training"),
        ({"only": ("du_1",), "decoding": "share5"}, "publish files of one training"),
        ({"decoding": "twobit"}, "controls carry quotas"),
        ({"observation": "paper"}, "18 inputs and 5 outputs"),
        ({"decoding": "share3"}, "18 inputs and 5 outputs"),
    ],
)
def test_weights_that_no_dapp_could_take_are_refused(registry, actors, changes, said):
    with pytest.raises(WeightsMismatch, match=said):
        registry.publish(TEAM, actors(**changes))
    assert registry.models() == {}


def test_a_missing_and_a_damaged_actor_are_refused(registry, actors):
    folder = actors()
    actor_file(folder, "du_5").unlink()
    with pytest.raises(WeightsMissing, match="du_5"):
        registry.publish(TEAM, folder)
    actor_file(folder, "du_5").write_bytes(actor_file(folder, "du_4").read_bytes()[:-1])
    with pytest.raises(WeightsCorrupt, match="du_5"):
        registry.publish(TEAM, folder)
    with pytest.raises(WeightsMissing):
        registry.publish(TEAM, folder / "nowhere")


def test_a_team_for_another_network_does_not_replace_the_one_that_serves(registry, actors):
    registry.publish(TEAM, actors())
    registry.publish(TEAM, actors("other", decoding="share5"))
    registry.promote(TEAM, 1)
    with pytest.raises(StageRefused, match="share5"):
        registry.promote(TEAM, 2)
    assert registry.model(TEAM).at(Stage.PRODUCTION).version == 1
    assert registry.promote(TEAM, 2, Stage.CANARY).stage is Stage.CANARY


def test_a_critic_is_kept_with_the_actors_it_teaches(registry, critic):
    published = registry.publish(CRITIC, critic(n_updates=7)).version
    assert [file.agent for file in published.files] == ["critic", *SHIPPED]
    registry.promote(CRITIC, 1)
    spec, tensors = CRITIC_WEIGHTS.read(registry.serving(CRITIC) / "critic.safetensors")
    assert (spec.n_updates, float(tensors["critics"].sum())) == (7, 42.0)
    assert registry.verify() == []
    with pytest.raises(WeightsMismatch, match="publish files of one training"):
        registry.publish(CRITIC, critic("other", decoding="share5"))


def test_old_versions_of_one_model_are_dropped_and_the_others_kept(registry, actors, critic):
    registry.publish(TEAM, actors("one", seed=1))
    registry.retire(TEAM, 1)
    for n_updates in (1, 2, 3):
        registry.publish(CRITIC, critic(f"critic-{n_updates}", n_updates=n_updates))
    registry.retire(CRITIC, 1)
    registry.retire(CRITIC, 2)
    assert registry.collect(keep_retired=1, only=CRITIC).collected == (f"{CRITIC} version 1",)
    assert not registry.model(TEAM).version(1).collected
    with pytest.raises(NotFound, match="critic-none"):
        registry.collect(keep_retired=0, only="critic-none")


@pytest.mark.parametrize("name", ["slicing", "slicing-", "slicing-TA", "critic", "coffee-ta-sam", "slicing-ta-sam/..", ""])
def test_other_names_are_refused(name):
    with pytest.raises(InvalidInput, match="expected routing-<algorithm>"):
        ModelName.parse(name)


def test_an_index_of_the_release_before_is_read(registry, team):
    registry.publish("routing-amarl", team(0))
    index = registry.root / "index.json"
    former = index.read_text().replace('"agent"', '"service"').replace(',\n     "fits": {}', "")
    assert '"fits"' not in former
    before = registry.model("routing-amarl")
    index.write_text(former)
    assert registry.model("routing-amarl") == before
