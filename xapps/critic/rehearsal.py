"""An emulated network of the critic's own: it plays there before it has live experience, and tries actors before a push."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ric_sim.radio.arrays import SingleArray
from ric_sim.radio.config import RadioConfig
from ric_sim.radio.learned import ActorStack
from ric_sim.radio.policies import make_slicing_policy
from ric_sim.radio.world import World
from xapps.learning.slicing.config import WorldConfig
from xapps.learning.slicing.replay import Replay

_SEED = 801
"""Of the trials: every trial meets the same arrivals, so that two of them differ by the actors only."""

_REPLICAS = 4

RULE = "need-tuned"
"""What dApps decide by while they have no weights."""


class Rehearsal:
    """O-DUs without an actor are off the air in it."""

    def __init__(self, config: WorldConfig, dus: Sequence[int], *, seed: int) -> None:
        """
        Args:
            dus: index of each actor's O-DU, in the actors' order.
            seed: of random play.
        """
        self._dus, self._profiles, self._seed = list(dus), config.profiles, seed
        self._world = World(
            RadioConfig(n_dus=config.n_dus, n_ues=config.n_ues),
            n_replicas=_REPLICAS,
            decoding=config.decoding,
            observation=config.observation,
        )
        for du in set(range(config.n_dus)) - set(dus):
            self._world.set_on_air(du, on_air=False)

    def welcome(self, du: int) -> None:
        """One more actor."""
        self._dus.append(du)
        self._world.set_on_air(du, on_air=True)

    def play_at_random(self, replay: Replay, steps: int) -> None:
        """Adds steps of random actions: experience of the start policy alone would say little of what other actions earn."""
        rng = np.random.default_rng([self._seed, 2])
        self._reset(1_000 + self._seed)
        for _ in range(steps):
            observation = self._world.observe()
            action = rng.random((*observation.shape[:2], self._world.action_dim), dtype=np.float32)
            reward = self._world.step(action).reward
            parts = (observation, action, reward, self._world.observe())
            replay.add_all(*(part[:, self._dus] for part in parts))

    def reward_of(self, actors: ActorStack | None, decisions: int) -> float:
        """Mean reward of the actors' likeliest actions over that many decisions; None: of the rule that needs no actors."""
        self._reset(_SEED)
        rule, total = make_slicing_policy(RULE), 0.0
        for _ in range(decisions):
            played = self._world.apply(rule.allocate(self._world)) if actors is None else self._world.step(self._actions(actors))
            total += float(played.reward[:, self._dus].mean())
        return total / decisions

    def _actions(self, actors: ActorStack) -> SingleArray:
        action = np.full((_REPLICAS, self._world.n_dus, self._world.action_dim), 0.5, dtype=np.float32)
        action[:, self._dus] = actors.greedy(self._world.observe()[:, self._dus])
        return action

    def _reset(self, seed: int) -> None:
        self._world.reset(seed, [self._profiles[index % len(self._profiles)] for index in range(_REPLICAS)])
