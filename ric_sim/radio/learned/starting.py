"""What an actor, or a critic, starts with: the weights that come with Ricity, those of a folder, or none."""

from __future__ import annotations

from pathlib import Path

from ric_sim.domain.errors import WeightsMissing
from ric_sim.domain.weight_file import SUFFIX
from ric_sim.radio.learned.critic_weights import CRITIC, CRITIC_WEIGHTS, CriticNetworks
from ric_sim.radio.learned.weights import ActorWeights, actor_file, load_actor

NONE, SHIPPED = "none", "shipped"
SHIPPED_FOLDER = Path(__file__).parent / "shipped" / "ta-sam"
"""Six O-DUs, `ricity train slicing --variant ta-sam --config ci --seed 1`; version 1."""


def starting_weights(choice: str, agent: str) -> ActorWeights | None:
    """The weights that `agent` is to start with.

    Args:
        choice: `none`, `shipped`, or a folder of weights.
    Raises:
        WeightsMissing: the folder has none for this agent. WeightsCorrupt, WeightsMismatch: see `load_actor`.
    """
    if choice == NONE:
        return None
    path = actor_file(SHIPPED_FOLDER if choice == SHIPPED else Path(choice), agent)
    if not path.exists():
        raise WeightsMissing(
            f"{path}: {choice!r} has no weights for {agent}; start with {NONE!r}, or name a folder that has them"
        )
    return load_actor(path)


def starting_networks(choice: str) -> CriticNetworks | None:
    """The networks a critic is to go on from; None where the choice has actors only.

    Args:
        choice: as of `starting_weights`.
    Raises:
        WeightsCorrupt, WeightsMismatch: see `WeightKind.read`.
    """
    if choice in (NONE, SHIPPED) or not (path := Path(choice) / f"{CRITIC}{SUFFIX}").exists():
        return None
    return CriticNetworks(*CRITIC_WEIGHTS.read(path))
