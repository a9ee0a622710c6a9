"""From learned actors to weights that serve."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ric_sim.domain.errors import WeightsMismatch
from ric_sim.radio.learned.policy import CENTRAL
from ric_sim.radio.learned.weights import ActorSpec, ActorWeights
from xapps.learning.slicing.config import SlicingConfig
from xapps.learning.slicing.sac import SacLearner


def agent_names(config: SlicingConfig) -> list[str]:
    """Of the actors, by index."""
    return [CENTRAL] if config.world.central else [f"du_{index}" for index in range(config.world.n_dus)]


def actor_weights(
    learner: SacLearner, config: SlicingConfig, *, seed: int, steps: int, agents: Sequence[str] | None = None
) -> list[ActorWeights]:
    """The present actors, as copies; the version is the number of updates they have had.

    Args:
        agents: their names by index, if they are others than the configuration's.
    """
    weights = []
    for index, agent in enumerate(agents or agent_names(config)):
        spec = ActorSpec(
            agent,
            n_dus=config.world.n_dus,
            observation=config.world.observation,
            decoding=config.world.decoding,
            observation_dim=learner.plan.observation_dim,
            action_dim=learner.plan.action_dim,
            hidden=config.network.hidden,
            activation=config.network.activation,
            layer_norm=config.network.layer_norm,
            version=learner.n_updates,
            variant=config.variant,
            config_hash=config.digest,
            seed=seed,
            steps=steps,
        )
        views = learner.actor_shape.split(learner.actors[index : index + 1].clone())
        names = list(spec.shapes())
        tensors = {name: view.numpy().reshape(spec.shapes()[name]) for name, view in zip(names, views, strict=True)}
        weights.append(ActorWeights(spec, tensors))
    return weights


def adopt_actor(learner: SacLearner, index: int, weights: ActorWeights) -> None:
    """Actor `index` goes on from these weights.

    Raises:
        WeightsMismatch: of another shape than the learner's actors; nothing has changed then.
    """
    shape, spec = learner.actor_shape, weights.spec
    given = (spec.observation_dim, spec.hidden, 2 * spec.action_dim, spec.activation, spec.layer_norm)
    expected = (shape.n_inputs, shape.hidden, shape.n_outputs, shape.activation, shape.layer_norm)
    if given != expected:
        raise WeightsMismatch(
            f"weights of {spec.agent} with network {given}, the learner's is {expected}: learn with that network"
        )
    for rows in (learner.actors, learner.reference):
        for view, name in zip(shape.split(rows[index : index + 1]), spec.shapes(), strict=True):
            view.copy_(torch.from_numpy(weights.tensors[name].copy()).view_as(view))
