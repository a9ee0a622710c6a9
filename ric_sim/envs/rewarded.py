"""Lanes that pay: a `LaneBatch` in which every lane always waits for a decision and every decision has its reward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import InvalidInput
from ric_sim.envs.kernels_lanes import Outcomes
from ric_sim.envs.lanes import LaneBatch, new_outcomes
from ric_sim.envs.rewards import (
    BoolArray,
    FloatArray,
    RewardPlan,
    Standing,
    decision_rewards,
    endings_of,
    returns_to_switch,
    standing,
)
from ric_sim.network.city import IntArray
from ric_sim.network.episodes.kernels import GOING, NO_ROOM

_MOST_ROUNDS = 1000


@dataclass(frozen=True)
class Paid:
    """What one step brought to L lanes.

    Attributes:
        reward: float32 [L], the scarcity term apart. done: bool [L], whether the episode ended.
        accepted: bool [L]. latency_us: int64 [L], end to end, of episodes that ended.
        settled: every request that ended in the step, those that left no choice as well.
        row: int64 [L], the lane's own episode in `settled`, -1 where it goes on.
    """

    reward: FloatArray
    done: BoolArray
    accepted: BoolArray
    latency_us: IntArray
    settled: Outcomes
    row: IntArray


class RewardedLanes:
    """Steps a batch of lanes; requests that leave no choice, or have no route, pass between the steps."""

    def __init__(self, batch: LaneBatch, plan: RewardPlan) -> None:
        """`batch` is played to the first decision of each lane.

        Raises:
            InvalidInput: a day without a single choice.
        """
        self.batch = batch
        self.weights = plan.table(batch.city.services)
        self._none = np.full(batch.n_lanes, -1, dtype=np.int64)
        self._outcomes = new_outcomes(max(64, 2 * batch.n_lanes), len(batch.watched))
        self._play(self._none)

    @property
    def n_lanes(self) -> int:
        return self.batch.n_lanes

    @property
    def masks(self) -> BoolArray:
        """bool [L, D], a view."""
        return self.batch.observations.mask

    def step(self, actions: IntArray) -> Paid:
        """Takes one action per lane (int64 [L]) and plays on until every lane waits again.

        An action that the mask forbids gives the request up: it ends refused.
        """
        actions = np.array(actions, dtype=np.int64)
        forbidden = ~self.masks[np.arange(self.n_lanes), actions]
        actions[forbidden] = -1
        self.batch.lanes.status[forbidden] = NO_ROOM
        before, returned = standing(self.batch), returns_to_switch(self.batch, actions)
        settled = self._play(actions)
        return self._paid(before, returned, settled)

    def _paid(self, before: Standing, returned: BoolArray, settled: Outcomes) -> Paid:
        row, endings = endings_of(before, settled, 0)
        reward = decision_rewards(self.weights, before, standing(self.batch), returned, endings)
        return Paid(reward, endings.ended, endings.accepted, endings.latency_us, settled, row)

    def _play(self, actions: IntArray) -> Outcomes:
        parts = []
        for _ in range(_MOST_ROUNDS):
            self._outcomes.written[0] = 0
            self.batch.step(actions, self._outcomes)
            parts.append(recorded(self._outcomes))
            if (self.batch.lanes.status == GOING).all():
                return joined(parts)
            actions = self._none
        raise InvalidInput(
            f"{_MOST_ROUNDS * len(self._outcomes.lane)} requests went by and some lane still waits for one that leaves a choice; "
            "take a day or mask rules under which requests have more than one route"
        )


def recorded(outcomes: Outcomes) -> Outcomes:
    """A copy of the rows that are filled."""
    n = int(outcomes.written[0])
    return Outcomes._make([outcomes.written.copy(), *(column[:n].copy() for column in outcomes[1:])])


def joined(parts: list[Outcomes]) -> Outcomes:
    """All rows of several records, in order."""
    if len(parts) == 1:
        return parts[0]
    columns: list[npt.NDArray] = [np.concatenate(same) for same in zip(*(part[1:] for part in parts), strict=True)]
    return Outcomes._make([np.array([len(columns[0])], dtype=np.int64), *columns])


def selected(outcomes: Outcomes, rows: IntArray) -> Outcomes:
    """Some rows of a record."""
    return Outcomes._make([np.array([len(rows)], dtype=np.int64), *(column[rows] for column in outcomes[1:])])
