"""What asynchronous agents share: requests, versioned snapshots, and the one place where routes become reservations.

An agent fetches requests of its own service, each with the snapshot of its world at that moment, routes them on its own and
commits; meanwhile others commit, so a route may no longer fit. No agent waits for another's learning.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import UnknownKey
from ric_sim.envs.lanes import LaneBatch, new_outcomes
from ric_sim.network.admission import MAX_ROUTE_LINKS
from ric_sim.network.city import City, IntArray
from ric_sim.network.traffic import Day
from xapps.learning import kernels_shared
from xapps.learning.config import TrainingConfig
from xapps.learning.kernels_shared import ABORTED, CARRIED, REFUSED, VOID, Verdicts, Worlds
from xapps.learning.scarcity import Scarcity

__all__ = ["ABORTED", "CARRIED", "REFUSED", "VOID"]

_LEARN_EVERY = 1024
"""Commits after which the scarcity model learns."""
_MOST_VERDICTS = 20_000
"""Room for verdicts on reservations between two lessons of the scarcity model."""


class RequestBatch(NamedTuple):
    """n requests of one service in one city, in as many worlds.

    Attributes:
        scenario: index of city and day.
        tickets: int64 [n, 4]: world, flow, how often the world began anew, version of the snapshot.
        request: int64 [n, 6], as in `Episodes.request`.
        used: uint32 [n, R], the snapshots.
    """

    scenario: int
    tickets: IntArray
    request: IntArray
    used: npt.NDArray[np.uint32]

    @property
    def n(self) -> int:
        return len(self.tickets)


class Routes(NamedTuple):
    """Answers to a `RequestBatch`, row by row.

    Attributes:
        status: int64 [n], `ARRIVED`, `NO_ROOM` or `NO_TIME`.
        n_links: int64 [n]; links: int64 [n, 64].
    """

    status: IntArray
    n_links: IntArray
    links: IntArray


class CommitBatch(NamedTuple):
    """Verdicts, row by row.

    Attributes:
        status: int64 [n]: `CARRIED`, `REFUSED`, `ABORTED`, `VOID`. cause: int64 [n], `ric_sim.domain.flow.Cause`.
        version: int64 [n], of the world now; staleness: int64 [n], how many versions it was ahead of the one routed on.
        cost: float32 [n], refusals of others that the reservation is expected to cause; 0 unless carried.
        again: the aborted requests on fresh snapshots, to be routed once more; None if there are none or the abort was final.
    """

    status: IntArray
    cause: IntArray
    version: IntArray
    staleness: IntArray
    cost: npt.NDArray[np.float32]
    again: RequestBatch | None


class SharedEnvironment(Protocol):
    """See the module. Every call is atomic: its effects come wholly before or after those of another."""

    def prepare(self, services: Sequence[int]) -> None:
        """What comes before the first fetch. Agents of `services` count as present, so that the first does not run away."""

    def fetch(self, service: int, count: int) -> RequestBatch:
        """The next requests of a service, at most `count`; none when none has arrived yet."""

    def commit(self, service: int, tickets: tuple[int, IntArray], routes: Routes, *, final: bool) -> CommitBatch:
        """Decides each route on its own, in order.

        Args:
            tickets: `scenario` and `tickets` of the requests, each to be committed once, or once more after an abort.
            final: an aborted request is not offered again.
        """

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Pace:
    """How far agents may drift apart.

    Attributes:
        lead_ms: emulated time; a request that lies further ahead of the slowest present agent's next one has not arrived yet.
        patience: fetches of others after which a silent agent counts as absent; a plain rule then carries its requests.
    """

    lead_ms: int = 30_000
    patience: int = 2_000


class MemoryEnvironment:
    """`SharedEnvironment` in this process, over lanes. Emulated time of a world is the newest arrival handed out there."""

    def __init__(
        self,
        scenarios: Sequence[tuple[City, Day]],
        config: TrainingConfig,
        *,
        seed: int,
        pace: Pace = Pace(),
    ) -> None:
        self._pace, self._config = pace, config
        self._lock = threading.Lock()
        self._worlds = [_Scenario(city, day, config, seed=seed, index=index) for index, (city, day) in enumerate(scenarios)]
        self._n_services = len(scenarios[0][0].services)
        self._turns = np.zeros(self._n_services, dtype=np.int64)
        self._fetches = 0
        self._last_fetch = np.full(self._n_services, -pace.patience - 1, dtype=np.int64)

    def prepare(self, services: Sequence[int]) -> None:
        with self._lock:
            self._last_fetch[list(services)] = self._fetches
            for scenario in self._worlds:
                scenario.prepare()

    def fetch(self, service: int, count: int) -> RequestBatch:
        if not 0 <= service < self._n_services:
            raise UnknownKey("service index", service, map(str, range(self._n_services)))
        with self._lock:
            self._fetches += 1
            self._last_fetch[service] = self._fetches
            present = self._fetches - self._last_fetch <= self._pace.patience
            turn = int(self._turns[service]) % len(self._worlds)
            self._turns[service] += 1
            return self._worlds[turn].fetch(service, count, present, self._pace.lead_ms)

    def commit(self, service: int, tickets: tuple[int, IntArray], routes: Routes, *, final: bool) -> CommitBatch:
        with self._lock:
            self._last_fetch[service] = self._fetches
            return self._worlds[tickets[0]].commit(tickets[1], routes, final=final)

    def state_dict(self) -> dict[str, Any]:
        """The scarcity models; the worlds begin afresh, filled by a plain rule."""
        with self._lock:
            return {"scarcity": [scenario.scarcity.state_dict() for scenario in self._worlds]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with self._lock:
            for scenario, values in zip(self._worlds, state["scarcity"], strict=True):
                scenario.scarcity.load_state_dict(values)


class _Scenario:
    """The worlds of one city and day."""

    def __init__(self, city: City, day: Day, config: TrainingConfig, *, seed: int, index: int) -> None:
        traffic, self._index, self._config = config.traffic, index, config
        self.batch = LaneBatch(
            city,
            day,
            n_lanes=traffic.lanes,
            stretch=traffic.stretch,
            seed=1000 * seed + index,
            rules=config.mask.rules,
            verdicts=_MOST_VERDICTS if config.reward.kind == "team" else 0,
        )
        n_watched = len(self.batch.watched)
        reward = config.reward
        self.scarcity = Scarcity(
            n_watched,
            n_services=len(city.services),
            learning_rate=reward.scarcity_learning_rate,
            seed=seed + index,
            most=reward.scarcity_most,
        )
        self._since_learnt = 0
        self._worlds = self._new_worlds(len(city.services))

    def _new_worlds(self, n_services: int) -> Worlds:
        lanes = self.batch.lanes
        first_at = first_flows(lanes.flows[:, 0], n_services)
        cursor = np.minimum(lanes.cursor, len(lanes.flows) - 1)
        zeros = np.zeros(len(cursor), dtype=np.int64)
        return Worlds(first_at, first_at[lanes.cursor], lanes.flows[cursor, 5].copy(), zeros, zeros.copy())

    def prepare(self) -> None:
        filled = self._config.traffic.filled
        self.batch.fill(filled // 3)
        self.batch.verdicts.written[0] = 0  # the networks were empty when these reservations began
        self.batch.fill(filled - filled // 3)
        self.scarcity.remember(self.batch)
        self.scarcity.learn(self._config.reward.scarcity_first)
        self._worlds = self._new_worlds(self._worlds.first_at.shape[1])

    def fetch(self, service: int, count: int, present: npt.NDArray[np.bool_], lead_ms: int) -> RequestBatch:
        batch, lanes = self.batch, self.batch.lanes
        ahead_ms = np.empty(batch.n_lanes, dtype=np.int64)
        kernels_shared.lead_ms(batch.arrays, lanes, self._worlds, (service, present), batch.verdicts, ahead_ms)
        lane = np.argsort(ahead_ms, kind="stable")[:count]
        lane = lane[ahead_ms[lane] <= lead_ms]
        results = (batch.observations, batch.verdicts)
        flow = kernels_shared.hand_out(batch.arrays, batch.episodes, lanes, self._worlds, (service, present, lane), results)
        return self._requests(lane, flow)

    def commit(self, tickets: IntArray, routes: Routes, *, final: bool) -> CommitBatch:
        batch, n = self.batch, len(tickets)
        columns = (np.zeros(n, dtype=np.int64) for _ in range(4))
        around = (np.zeros((n, len(batch.watched)), dtype=np.float32) for _ in range(2))
        verdicts = Verdicts(*columns, *around)  # type: ignore[arg-type]
        found = np.stack([routes.status, routes.n_links], axis=1)
        asked = (tickets, np.ascontiguousarray(routes.links), found, final)
        results = (verdicts, batch.verdicts)
        kernels_shared.decide(batch.arrays, batch.episodes, batch.lanes, self._worlds, asked, results)
        aborted = np.flatnonzero(verdicts.status == ABORTED)
        again = None if final or not len(aborted) else self._requests(tickets[aborted, 0], tickets[aborted, 1])
        cost = self._cost(tickets, verdicts)
        self._learn(n)
        return CommitBatch(verdicts.status, verdicts.cause, verdicts.version, verdicts.staleness, cost, again)

    def _cost(self, tickets: IntArray, verdicts: Verdicts) -> npt.NDArray[np.float32]:
        cost, n = np.zeros(len(tickets), dtype=np.float32), len(tickets)
        if not n:
            return cost
        outcomes = new_outcomes(n, 0)._replace(
            written=np.array([n]), flow=tickets[:, 1], before=verdicts.before, after=verdicts.after
        )
        carried = verdicts.status == CARRIED
        cost[carried] = self.scarcity.cost(self.batch, outcomes)[carried]
        return cost

    def _learn(self, n_commits: int) -> None:
        """Lets the scarcity model learn once in a while from what ended reservations did to others."""
        self._since_learnt += n_commits
        if self._since_learnt >= _LEARN_EVERY:
            self._since_learnt = 0
            self.scarcity.remember(self.batch)
            self.scarcity.learn(self._config.reward.scarcity_steps)

    def _requests(self, lane: IntArray, flow: IntArray) -> RequestBatch:
        lanes, worlds = self.batch.lanes, self._worlds
        tickets = np.stack([lane, flow, worlds.turn[lane], worlds.version[lane]], axis=1)
        return RequestBatch(self._index, tickets, lanes.flows[flow, :6], lanes.live[lane].astype(np.uint32))


def first_flows(service: IntArray, n_services: int) -> IntArray:
    """int64 [F + 1, S]: the first flow at or after each flow that is of a service; F if there is none."""
    n_flows = len(service)
    out = np.full((n_flows + 1, n_services), n_flows, dtype=np.int64)
    for index in range(n_services):
        flows = np.flatnonzero(service == index)
        place = np.searchsorted(flows, np.arange(n_flows + 1))
        out[:, index] = np.append(flows, n_flows)[place]
    return out


def no_routes(n: int) -> Routes:
    """Room for n routes."""
    return Routes(np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros((n, MAX_ROUTE_LINKS), np.int64))
