"""From a learner's critics to a weight file, and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ric_sim.domain.errors import WeightsMismatch
from ric_sim.radio.learned.critic_weights import CriticNetworks, CriticSpec
from xapps.learning.slicing.config import SlicingConfig
from xapps.learning.slicing.sac import SacLearner

_TENSORS = ("critics", "targets", "log_temperature")


def critic_networks(
    learner: SacLearner, config: SlicingConfig, *, agents: Sequence[str], version: int, seed: int, steps: int
) -> CriticNetworks:
    """The present critics, their slow copies and the temperatures, as copies.

    Args:
        agents: names of the actors they judge, by index.
        version: of the newest weights that were pushed.
    """
    tensors = {name: getattr(learner, name).detach().clone().numpy() for name in _TENSORS}
    spec = CriticSpec(
        tuple(agents),
        n_dus=config.world.n_dus,
        observation=config.world.observation,
        decoding=config.world.decoding,
        tensor_shapes={name: values.shape for name, values in tensors.items()},
        version=version,
        variant=config.variant,
        config_hash=config.digest,
        seed=seed,
        steps=steps,
        n_updates=learner.n_updates,
    )
    return CriticNetworks(spec, tensors)


def adopt_critic(learner: SacLearner, agents: Sequence[str], networks: CriticNetworks) -> None:
    """The learner judges from now on as these networks do; its optimisers begin anew.

    Raises:
        WeightsMismatch: of other actors or another shape; nothing has changed then.
    """
    expected = {name: tuple(getattr(learner, name).shape) for name in _TENSORS}
    given = {name: tuple(shape) for name, shape in networks.spec.tensor_shapes.items()}
    if (networks.spec.agents, given) != (tuple(agents), expected):
        raise WeightsMismatch(
            f"a critic of {', '.join(networks.spec.agents)} with tensors {given}, this one teaches {', '.join(agents)} with "
            f"{expected}: learn with the configuration it is from"
        )
    for name in _TENSORS:
        getattr(learner, name).copy_(torch.from_numpy(networks.tensors[name].copy()))
