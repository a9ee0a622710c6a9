"""Lanes of one day in one city: the batched environment that trainers step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.envs import kernels_lanes
from ric_sim.envs.kernels_lanes import IDLE, Lanes, Outcomes, Verdicts
from ric_sim.network.city import City, IntArray, NodeKind
from ric_sim.network.episodes.batch import new_episodes, new_observations
from ric_sim.network.episodes.kernels import Observations
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.episodes.space import episode_arrays
from ric_sim.network.traffic import Day

MAX_HELD = 512
"""Reservations a lane can hold at a time; a city's day peaks at a quarter of it."""
_MOST_ENTRIES = 72


class LaneBatch:
    """L lanes of a day, each with its own network state, stepped together."""

    def __init__(  # noqa: PLR0913
        self,
        city: City,
        day: Day,
        *,
        n_lanes: int,
        stretch: int,
        seed: int,
        rules: MaskRules = MaskRules(),  # noqa: B008 - frozen
        verdicts: int = 0,
    ) -> None:
        """
        Args:
            stretch: flows a lane plays before it starts afresh elsewhere in the day, with an empty network.
            seed: of where stretches begin; uniform over the flows, so busy hours come more often.
            verdicts: room for so many verdicts between two looks at them; 0, nobody is blamed and nothing is spent on it.
        """
        self.city, self.day, self.rules = city, day, rules
        self.arrays = episode_arrays(city)
        self.episodes = new_episodes(self.arrays, n_lanes)
        self.observations = new_observations(self.arrays, n_lanes)
        rng = np.random.default_rng(seed)
        starts = rng.integers(0, max(1, len(day) - stretch), (n_lanes, 64))
        self.watched = watched_resources(city)
        self.verdicts = new_verdicts(verdicts, len(self.watched))
        self.lanes = _new_lanes(city, day, starts, stretch, self.watched)
        self._limits = (*rules.limits(city), rules.idle_floor)

    @property
    def n_lanes(self) -> int:
        return len(self.lanes.status)

    def fill(self, n_flows: int) -> Outcomes:
        """Plays `n_flows` requests per lane along the guides, so that the networks are not empty; what became of them."""
        outcomes = new_outcomes(n_flows * self.n_lanes, len(self.watched))
        results = (self.observations, outcomes, self.verdicts)
        kernels_lanes.fill(self.arrays, self.episodes, self.lanes, results, n_flows)
        return outcomes

    def state(self) -> list[npt.NDArray[Any]]:
        """A copy of everything that changes as lanes play."""
        return [array.copy() for array in (*self.lanes, *self.episodes)]

    def restore(self, state: list[npt.NDArray[Any]]) -> None:
        """Back to a `state` of this batch."""
        arrays: list[npt.NDArray[Any]] = [*self.lanes, *self.episodes]
        for array, saved in zip(arrays, state, strict=True):
            array[...] = saved

    def step(self, actions: IntArray, outcomes: Outcomes) -> Observations:
        """Takes `actions` (int64 [L], -1 for none) and plays on to the next decision of each lane."""
        results = (self.observations, outcomes, self.verdicts)
        kernels_lanes.play(self.arrays, self.episodes, self.lanes, actions, self._limits, results)
        return self.observations


def watched_resources(city: City) -> IntArray:
    """int64 [X]: the links between switches and hosts, then the O-DU, O-CU and UPF; those of O-RUs are left out."""
    arrays = episode_arrays(city)
    hosts = np.flatnonzero((city.node_kind > NodeKind.O_RU) & (city.node_kind <= NodeKind.UPF))
    return np.concatenate([np.flatnonzero(arrays.is_transport), city.n_links + hosts]).astype(np.int64)


def new_outcomes(capacity: int, n_watched: int) -> Outcomes:
    """Room for `capacity` outcomes."""

    def integers() -> IntArray:
        return np.zeros(capacity, dtype=np.int64)

    return Outcomes(
        written=np.zeros(1, dtype=np.int64),
        lane=integers(),
        flow=integers(),
        status=integers(),
        episode=integers(),
        latency_us=integers(),
        n_links=integers(),
        before=np.zeros((capacity, n_watched), dtype=np.float32),
        after=np.zeros((capacity, n_watched), dtype=np.float32),
    )


def new_verdicts(capacity: int, n_watched: int) -> Verdicts:
    """Room for `capacity` verdicts; with none, nobody is blamed and nothing is spent on it."""

    def integers() -> IntArray:
        return np.zeros(capacity, dtype=np.int64)

    return Verdicts(
        written=np.zeros(1, dtype=np.int64),
        service=integers(),
        began_ms=integers(),
        held_ms=integers(),
        blame=np.zeros(capacity, dtype=np.float32),
        state=np.zeros((capacity, n_watched), dtype=np.float32),
        share=np.zeros((capacity, n_watched), dtype=np.float32),
    )


def flow_table(day: Day) -> IntArray:
    """int64 [F, 7]: service, direction, O-RU, UPF, bandwidth, arrival and end of each flow."""
    columns = (day.service, day.direction, day.ru, day.upf, day.bandwidth_kbps, day.arrival_ms, day.end_ms)
    return np.stack([np.asarray(column, dtype=np.int64) for column in columns], axis=1)


def _new_lanes(city: City, day: Day, starts: npt.NDArray[np.int64], stretch: int, watched: IntArray) -> Lanes:
    n_lanes = len(starts)

    def integers(*shape: int) -> IntArray:
        return np.zeros((n_lanes, *shape), dtype=np.int64)

    place = np.full(city.n_resources, -1, dtype=np.int64)
    place[watched] = np.arange(len(watched))
    return Lanes(
        flows=flow_table(day),
        live=integers(city.n_resources),
        status=np.full(n_lanes, IDLE, dtype=np.int64),
        cursor=starts[:, 0].astype(np.int64),
        last=np.minimum(starts[:, 0] + stretch, len(day)).astype(np.int64),
        episode=integers(),
        starts=starts.astype(np.int64),
        turn=integers(),
        stretch=np.array([stretch], dtype=np.int64),
        due=integers(MAX_HELD),
        item=np.tile(np.arange(MAX_HELD, dtype=np.int64), (n_lanes, 1)),
        n_held=integers(),
        resource=integers(MAX_HELD, _MOST_ENTRIES),
        amount=integers(MAX_HELD, _MOST_ENTRIES),
        n_resources=integers(MAX_HELD),
        watched=watched,
        place=place,
        blame=np.zeros((n_lanes, MAX_HELD), dtype=np.float32),
        busy_until=integers(MAX_HELD),
        owner=integers(MAX_HELD),
        state=np.zeros((n_lanes, MAX_HELD, len(watched)), dtype=np.float32),
    )
