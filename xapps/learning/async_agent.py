"""One asynchronous agent of AMARL: fetch, route on snapshots, commit, learn, each at its own pace (paper section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ric_sim.envs.rewards import RewardPlan
from ric_sim.network.city import City
from xapps.learning.amarl import reward_weights
from xapps.learning.config import TrainingConfig
from xapps.learning.kernels_shared import ABORTED, CARRIED, VOID
from xapps.learning.local_episodes import LocalEpisodes, Played
from xapps.learning.ppo import PpoLearner, advantages, samples_of
from xapps.learning.rollout import Decisions
from xapps.learning.shared_env import RequestBatch, SharedEnvironment

STALENESS_BINS = 512
"""Staleness is counted exactly up to here; what is older counts as this."""


@dataclass
class AgentReport:
    """What an agent did since its last report.

    Attributes:
        decisions, requests, carried, aborted: counts; a request that aborted twice counts twice in `aborted`.
        staleness: int64 [STALENESS_BINS], commits by how many versions the world was ahead of their snapshot.
        cost: sum of the expected refusals its reservations cause.
        scalars: of its newest update, None if there was none.
    """

    decisions: int = 0
    requests: int = 0
    carried: int = 0
    aborted: int = 0
    staleness: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(STALENESS_BINS, dtype=np.int64))
    cost: float = 0.0
    scalars: dict[str, float] | None = None

    def add(self, other: AgentReport) -> None:
        """Adds another report's counts and takes its scalars, if it has any."""
        for name in ("decisions", "requests", "carried", "aborted", "cost"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.staleness = self.staleness + other.staleness
        self.scalars = other.scalars or self.scalars


class AsyncAgent:
    """The agent of one service; it never waits for another agent."""

    def __init__(
        self,
        service: int,
        cities: Sequence[City],
        environment: SharedEnvironment,
        config: TrainingConfig,
        *,
        seed: int,
        batch: int = 64,
    ) -> None:
        """
        Args:
            cities: by scenario of the environment; equal in topology.
            batch: requests routed at once.
        """
        self.service, self.key = service, cities[0].services[service].key
        self._environment, self._batch = environment, batch
        weights = reward_weights(config.reward)
        self._scarcity = -weights.scarcity
        with torch.random.fork_rng():
            torch.manual_seed(1000 * seed + service)
            network = config.network.untrained(cities[0])
        self.learner = PpoLearner(self.key, network, config.amarl.settings, seed=seed + service)
        self._generator = torch.Generator().manual_seed(1000 * seed + service)
        self._episodes = [LocalEpisodes(city, config.mask.rules, RewardPlan(weights), capacity=batch) for city in cities]

    def advance(self) -> AgentReport:
        """One batch of requests, from fetch to commit, and an update if one is due; an empty report if none has arrived.

        Raises:
            TrainingDiverged: see `PpoLearner.update`. StoreUnreachable, RicUnreachable: the environment's.
        """
        report = AgentReport()
        requests = self._environment.fetch(self.service, self._batch)
        if requests.n == 0:
            return report
        first = self._episodes[requests.scenario].play(requests, self.learner.network, self._generator)
        verdict = self._environment.commit(self.service, (requests.scenario, requests.tickets), first.routes, final=False)
        self._count(report, requests, first, verdict.status, verdict.staleness)
        status, cost = verdict.status.copy(), verdict.cost.copy()
        if verdict.again is not None:
            again = np.flatnonzero(verdict.status == ABORTED)
            second = self._episodes[requests.scenario].play(verdict.again, self.learner.network, self._generator)
            later = self._environment.commit(self.service, (requests.scenario, verdict.again.tickets), second.routes, final=True)
            self._count(report, verdict.again, second, later.status, later.staleness)
            status[again], cost[again] = later.status, later.cost
            self._keep(second, later.status, later.cost)
        # Both attempts at a request earn what became of it in the end.
        self._keep(first, status, cost)
        report.requests, report.carried, report.cost = requests.n, int((status == CARRIED).sum()), float(cost.sum())
        report.scalars = self.learner.update()
        return report

    def _count(
        self,
        report: AgentReport,
        requests: RequestBatch,
        played: Played,
        status: npt.NDArray[np.int64],
        staleness: npt.NDArray[np.int64],
    ) -> None:
        if played.decisions is not None:
            report.decisions += int((played.decisions.service >= 0).sum())
        report.aborted += int((status == ABORTED).sum())
        decided = np.minimum(staleness[status != VOID], STALENESS_BINS - 1)
        report.staleness += np.bincount(decided, minlength=STALENESS_BINS)

    def _keep(self, played: Played, status: npt.NDArray[np.int64], cost: npt.NDArray[np.float32]) -> None:
        if played.decisions is None:
            return
        pay(played.decisions, played.lost, status, self._scarcity * cost)
        advantage = advantages(played.decisions, self.learner.settings)
        self.learner.add(samples_of(played.decisions, advantage, [self.service]))

    def state_dict(self) -> dict[str, Any]:
        """The learner and the random stream of exploration."""
        return {"learner": self.learner.state_dict(), "generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state["learner"])
        self._generator.set_state(state["generator"])


def pay(
    decisions: Decisions, lost: npt.NDArray[np.float32], status: npt.NDArray[np.int64], cost: npt.NDArray[np.float32]
) -> None:
    """Sets right what last decisions earn, once it is known what became of the requests.

    Args:
        lost: float32 [T, n], what each decision earns if the request is not carried.
        status: int64 [n], `CARRIED`, ...; decisions for `VOID` requests are forgotten.
        cost: float32 [n], of the reservation to others; carried requests pay it.
    """
    carried = status == CARRIED
    decisions.reward[:] = np.where(decisions.done, np.where(carried, decisions.reward - cost, lost), decisions.reward)
    decisions.service[:, status == VOID] = -1
