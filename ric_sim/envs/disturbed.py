"""A disturbed day played in-process: Grade of Service over time, and what an outage takes down."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import StoreCorrupt
from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.domain.reservation import ChangeKind, CommitOutcome, CommitStatus
from ric_sim.envs.disturbances import Disturbance, Outage
from ric_sim.envs.evaluate import FRESH, PROGRESS_EVERY, DayReplay, Evaluation, Staleness
from ric_sim.network.city import City
from ric_sim.network.policies import RoutingPolicy, make_policy
from ric_sim.network.traffic import DAY_MS

BIN_MS = 900_000
"""Grade of Service over time is told per quarter of an hour."""

PHASES = ("before", "during", "after")


@dataclass(frozen=True)
class DisturbedEvaluation(Evaluation):
    """`Evaluation` of a disturbed day. Requests count as accepted when they were admitted, also those that an outage ended.

    Attributes:
        disturbance, from_ms, to_ms: what befell the day, and when.
        dropped_by_service: flows in progress that an outage ended, by service key.
        gos_by_phase: over the requests that arrived before, during and after the disturbance; None where there are none.
        requests_per_bin, accepted_per_bin: int64 [96, S], per quarter of an hour of arrival and service.
    """

    disturbance: str
    from_ms: int
    to_ms: int
    dropped_by_service: dict[str, int]
    gos_by_phase: dict[str, float | None]
    requests_per_bin: npt.NDArray[np.int64]
    accepted_per_bin: npt.NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:
        """As the plain evaluation, and what only a disturbed day has."""
        return {
            **super().to_dict(),
            "disturbance": self.disturbance,
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "dropped": sum(self.dropped_by_service.values()),
            "dropped_by_service": self.dropped_by_service,
            "gos_by_phase": self.gos_by_phase,
            "bin_ms": BIN_MS,
            "requests_per_bin": self.requests_per_bin.tolist(),
            "accepted_per_bin": self.accepted_per_bin.tolist(),
        }


def evaluate_disturbed(
    disturbance: Disturbance,
    policy: str | RoutingPolicy,
    *,
    seed: int = 0,
    staleness: Staleness = FRESH,
    progress: Callable[[int], None] | None = None,
) -> DisturbedEvaluation:
    """Plays the disturbed day as `evaluate` plays a plain one; without outages, with the same outcome.

    Raises:
        UnknownKey: no such policy.
    """
    started_s = time.perf_counter()
    scenario = disturbance.scenario
    router = make_policy(policy, scenario.city, seed=seed) if isinstance(policy, str) else policy
    replay = DisturbedReplay(scenario.city, router, disturbance, staleness)
    for index in range(len(scenario.day)):
        replay.play(index, scenario.day.flow(index))
        if progress and ((index + 1) % PROGRESS_EVERY == 0 or index + 1 == len(scenario.day)):
            progress(index + 1)
    wall_s = time.perf_counter() - started_s
    return replay.account(replay.tally.evaluation(scenario, router.name, seed, staleness, wall_s=wall_s))


class DisturbedReplay(DayReplay):
    """One planner, one store, and outages that come and go."""

    def __init__(self, city: City, router: RoutingPolicy, disturbance: Disturbance, staleness: Staleness) -> None:
        super().__init__(city, router, staleness)
        self._disturbance = disturbance
        self._due = deque(sorted(disturbance.outages, key=lambda outage: outage.from_ms))
        self._dropped = np.zeros(len(city.services), dtype=np.int64)
        self._requests, self._carried = np.zeros((2, DAY_MS // BIN_MS, len(city.services)), dtype=np.int64)

    def play(self, index: int, flow: FlowRequest) -> None:
        while self._due and self._due[0].from_ms <= flow.arrival_ms:
            self._fail(self._due.popleft())
        self._requests[flow.arrival_ms // BIN_MS, flow.service] += 1
        super().play(index, flow)

    def _settle(self, flow: FlowRequest, outcome: Cause | CommitOutcome) -> None:
        super()._settle(flow, outcome)
        if not isinstance(outcome, Cause) and outcome.status == CommitStatus.COMMITTED:
            self._carried[flow.arrival_ms // BIN_MS, flow.service] += 1

    def _fail(self, outage: Outage) -> None:
        """Ends what runs over the failed resources and fills them."""
        self._store.advance(outage.from_ms)
        lost = self._holders(frozenset(outage.resources))
        self._store.release(list(lost), now_ms=outage.from_ms)
        np.add.at(self._dropped, list(lost.values()), 1)
        outcome = self._store.commit([outage.reservation(self._city)], now_ms=outage.from_ms)[0]
        if outcome.status != CommitStatus.COMMITTED:
            raise StoreCorrupt(f"outage {outage.name!r}: a failed resource still holds {outcome.used} of {outcome.limit}")

    def _holders(self, resources: frozenset[int]) -> dict[str, int]:
        """Flow id -> service of the live reservations that use one of the resources, read off the store's log."""
        live: dict[str, int] = {}
        for change in self._store.changes():
            if change.kind == ChangeKind.COMMIT:
                if any(resource in resources for resource, _ in change.entries):
                    live[change.flow_id] = change.service
            else:
                live.pop(change.flow_id, None)
        return live

    def account(self, plain: Evaluation) -> DisturbedEvaluation:
        """The evaluation with what the disturbance adds."""
        first, last = (instant // BIN_MS for instant in (self._disturbance.from_ms, self._disturbance.to_ms))
        spans = dict(zip(PHASES, (slice(0, first), slice(first, last), slice(last, None)), strict=True))
        asked, carried = self._requests.sum(axis=1), self._carried.sum(axis=1)
        keys = [spec.key for spec in self._city.services]
        return DisturbedEvaluation(
            **vars(plain),
            disturbance=self._disturbance.name,
            from_ms=self._disturbance.from_ms,
            to_ms=self._disturbance.to_ms,
            dropped_by_service=dict(zip(keys, self._dropped.tolist(), strict=True)),
            gos_by_phase={
                phase: float(carried[span].sum() / asked[span].sum()) if asked[span].any() else None
                for phase, span in spans.items()
            },
            requests_per_bin=self._requests,
            accepted_per_bin=self._carried,
        )
