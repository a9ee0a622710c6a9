"""What a slicing policy is: it looks at a world and says what all its O-DUs do in the frame to come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ric_sim.radio.decoding import Allocation
from ric_sim.radio.world import World


class SlicingPolicy(Protocol):
    """Stateless between frames but for its own random stream (seeded at construction)."""

    name: str

    def allocate(self, world: World) -> Allocation:
        """What the O-DUs do in the frame that the world shows; the world is not changed."""


class RulePolicy:
    """A function of the world as a policy."""

    def __init__(self, name: str, rule: Callable[[World], Allocation]) -> None:
        self.name = name
        self._rule = rule

    def allocate(self, world: World) -> Allocation:
        return self._rule(world)
