"""Learned actors as a slicing policy, for evaluation beside the heuristics."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ric_sim.domain.errors import WeightsMismatch, WeightsMissing
from ric_sim.radio.decoding import Allocation
from ric_sim.radio.learned.actor import ActorStack
from ric_sim.radio.learned.weights import actor_file, load_actor
from ric_sim.radio.world import World

CENTRAL = "central"


class LearnedSlicing:
    """One actor per O-DU, or one for all of them.

    Attributes:
        name: in tables.
        stochastic: actions are drawn, not the most likely ones.
    """

    def __init__(self, actors: ActorStack, *, name: str = "learned", stochastic: bool = False, seed: int = 0) -> None:
        self.name, self.actors, self.stochastic = name, actors, stochastic
        self._rng = np.random.default_rng(seed)

    def allocate(self, world: World) -> Allocation:
        """What the actors ask for in the frame that the world shows.

        Raises:
            WeightsMismatch: a world of other size, observations or decoding than the actors were trained in.
        """
        self._check_world(world)
        rows = world.observe().reshape(world.n_replicas, len(self.actors.agents), -1)
        actions = self.actors.sample(rows, self._rng) if self.stochastic else self.actors.greedy(rows)
        return world.decode(actions.reshape(world.n_replicas, world.n_dus, -1))

    def _check_world(self, world: World) -> None:
        spec = self.actors.spec
        n_dus = spec.n_dus if self.actors.agents == (CENTRAL,) else len(self.actors.agents)
        trained, met = (n_dus, spec.observation, spec.decoding), (world.n_dus, world.observation, world.decoding)
        if trained != met:
            raise WeightsMismatch(
                f"actors for {trained[0]} O-DUs, observation {trained[1]!r}, decoding {trained[2]!r} in a world of {met[0]}, "
                f"{met[1]!r}, {met[2]!r}: make the world with the actors' values"
            )


def load_slicing(
    folder: Path, *, n_dus: int | None = None, name: str = "learned", stochastic: bool = False, seed: int = 0
) -> LearnedSlicing:
    """The policy of a folder of weights: `central.safetensors`, or `du_0.safetensors`, `du_1.safetensors`, ...

    Args:
        n_dus: for a network of another size than they were trained in: O-DU m takes the actor of O-DU m modulo theirs.
    Raises:
        WeightsMissing: neither is there, or one of the O-DUs the first one names is missing.
        WeightsCorrupt, WeightsMismatch: see `load_actor` and `ActorStack`.
    """
    if (central := actor_file(folder, CENTRAL)).exists():
        return LearnedSlicing(ActorStack([load_actor(central)]), name=name, stochastic=stochastic, seed=seed)
    first = actor_file(folder, "du_0")
    if not first.exists():
        raise WeightsMissing(f"{folder}: neither {first.name} nor {central.name}; train with `ricity train slicing`")
    n_trained = load_actor(first).spec.n_dus
    trained = [load_actor(actor_file(folder, f"du_{index}")) for index in range(n_trained)]
    weights = [trained[du % n_trained] for du in range(n_dus or n_trained)]
    return LearnedSlicing(ActorStack(weights), name=name, stochastic=stochastic, seed=seed)
