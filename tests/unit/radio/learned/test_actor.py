from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ric_sim.domain.errors import OutOfRange, PolicyFailed, WeightsCorrupt, WeightsMismatch, WeightsMissing
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.learned import (
    ActorSpec,
    ActorStack,
    ActorWeights,
    LearnedSlicing,
    actor_file,
    decode_actor,
    encode_actor,
    load_actor,
    load_slicing,
    save_actor,
)
from ric_sim.radio.world import World


def _weights(agent: str = "du_0", *, seed: int = 0, **changes: object) -> ActorWeights:
    spec = replace(
        ActorSpec(agent, n_dus=2, observation="ext", decoding="resid5", observation_dim=18, action_dim=5, hidden=(8, 6)),
        **changes,  # type: ignore[arg-type]
    )
    rng = np.random.default_rng(seed)
    return ActorWeights(spec, {name: rng.normal(size=shape).astype(np.float32) for name, shape in spec.shapes().items()})


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    weights = _weights(version=7, seed=3)
    assert decode_actor(encode_actor(weights), source="message").sha256 == weights.sha256
    save_actor(tmp_path / "a" / "du_0.safetensors", weights)
    again = load_actor(tmp_path / "a" / "du_0.safetensors")
    assert again.spec == weights.spec
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["du_0.safetensors"]


@pytest.mark.parametrize("where", [0.1, 0.5, 0.99])
def test_a_changed_byte_is_found(where: float) -> None:
    content = bytearray(encode_actor(_weights()))
    content[int(where * len(content))] ^= 1
    with pytest.raises((WeightsCorrupt, WeightsMismatch)):
        decode_actor(bytes(content), source="message")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 64])
def test_what_is_no_weights_is_corrupt(content: bytes) -> None:
    with pytest.raises(WeightsCorrupt, match="message"):
        decode_actor(content, source="message")


def test_unusable_tensors_are_not_written() -> None:
    weights = _weights()
    broken = dict(weights.tensors)
    broken["layers.0.bias"] = np.full(8, np.nan, dtype=np.float32)
    with pytest.raises(WeightsCorrupt, match="not finite"):
        encode_actor(ActorWeights(weights.spec, broken))
    broken["layers.0.bias"] = np.zeros(7, dtype=np.float32)
    with pytest.raises(WeightsMismatch, match=r"layers\.0\.bias"):
        encode_actor(ActorWeights(weights.spec, broken))
    del broken["layers.0.bias"]
    with pytest.raises(WeightsMismatch, match="missing or unknown"):
        encode_actor(ActorWeights(weights.spec, broken))


def test_observations_of_another_version_are_refused() -> None:
    content = encode_actor(_weights(observation_version=2))
    with pytest.raises(WeightsMismatch, match="train again"):
        decode_actor(content, source="message")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="du_0"):
        load_actor(tmp_path / "du_0.safetensors")
    with pytest.raises(WeightsMissing, match="ricity train slicing"):
        load_slicing(tmp_path)


def test_a_stack_decides_like_its_actors_alone() -> None:
    weights = [_weights("du_0"), _weights("du_1", seed=1)]
    observation = np.random.default_rng(2).normal(size=(3, 2, 18)).astype(np.float32)
    together = ActorStack(weights).greedy(observation)
    assert together.shape == (3, 2, 5)
    for index, each in enumerate(weights):
        np.testing.assert_allclose(ActorStack([each]).greedy(observation[:, index : index + 1]), together[:, index : index + 1])
    assert ((together >= 0) & (together <= 1)).all()


def test_samples_have_the_mean_and_spread_of_the_policy() -> None:
    weights = _weights()
    still = {name: np.zeros_like(values) for name, values in weights.tensors.items()}
    still["layers.2.bias"][:5] = 0.7  # mu; log sigma is -5 + 3.5
    actors, rng = ActorStack([ActorWeights(weights.spec, still)]), np.random.default_rng(0)
    drawn = actors.sample(np.zeros((4000, 1, 18), dtype=np.float32), rng)
    latent = np.log(drawn / (1 - drawn))
    np.testing.assert_allclose(latent.mean(axis=0), 0.7, atol=0.015)
    np.testing.assert_allclose(latent.std(axis=0), np.exp(-1.5), rtol=0.05)
    np.testing.assert_allclose(actors.greedy(np.zeros((1, 18), dtype=np.float32)), 1 / (1 + np.exp(-0.7)), rtol=1e-6)


def test_reports_that_cannot_be_used_are_refused() -> None:
    actors = ActorStack([_weights()])
    with pytest.raises(OutOfRange, match="one row per actor"):
        actors.greedy(np.zeros((2, 18), dtype=np.float32))
    with pytest.raises(OutOfRange, match="not finite"):
        actors.greedy(np.full((1, 18), np.nan, dtype=np.float32))


def test_overflow_is_no_decision() -> None:
    weights = _weights()
    huge = {name: np.full_like(values, 3e38) for name, values in weights.tensors.items()}
    with pytest.raises(PolicyFailed, match="du_0"):
        ActorStack([ActorWeights(weights.spec, huge)]).greedy(np.ones((1, 18), dtype=np.float32))


def test_actors_of_two_trainings_make_no_stack() -> None:
    with pytest.raises(WeightsMismatch, match="decoding"):
        ActorStack([_weights(), _weights("du_1", decoding="share5")])
    with pytest.raises(WeightsMismatch, match="no actors"):
        ActorStack([])


def test_a_folder_of_weights_is_a_policy(tmp_path: Path) -> None:
    for index in range(2):
        save_actor(actor_file(tmp_path, f"du_{index}"), _weights(f"du_{index}", seed=index))
    world = World(RadioConfig(n_dus=2, n_ues=12), n_replicas=3)
    policy = load_slicing(tmp_path, name="mine")
    allocation = policy.allocate(world)
    assert policy.name == "mine"
    assert (allocation.quota_rbs.sum(axis=-1) <= 100).all()
    np.testing.assert_array_equal(allocation.quota_rbs, world.decode(policy.actors.greedy(world.observe())).quota_rbs)
    drawn = load_slicing(tmp_path, stochastic=True).allocate(world)
    assert not np.array_equal(drawn.beta, allocation.beta)


def test_a_world_of_another_kind_is_refused(tmp_path: Path) -> None:
    policy = LearnedSlicing(ActorStack([_weights("du_0"), _weights("du_1")]))
    for world in (World(RadioConfig(n_dus=3, n_ues=12), n_replicas=1), World(RadioConfig(n_dus=2, n_ues=12), decoding="share5")):
        with pytest.raises(WeightsMismatch, match="make the world with the actors' values"):
            policy.allocate(world)


def test_one_central_actor_decides_for_all() -> None:
    world = World(RadioConfig(n_dus=2, n_ues=12), n_replicas=3)
    central = _weights("central", observation_dim=36, action_dim=10)
    assert LearnedSlicing(ActorStack([central])).allocate(world).quota_rbs.shape == (3, 2, 3)
