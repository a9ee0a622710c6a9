"""A day played with preemption, congestion signals, or both: the ablation of each against the plain day of `evaluate`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.domain.priority import LOWEST, service_priorities
from ric_sim.domain.reservation import CommitOutcome, CommitStatus
from ric_sim.envs.evaluate import FRESH, PROGRESS_EVERY, DayReplay, Evaluation, Staleness
from ric_sim.network.admission import commit_request
from ric_sim.network.city import City
from ric_sim.network.contention import lacking_resources, used_if_displacing
from ric_sim.network.policies import RoutingPolicy, make_policy
from ric_sim.network.scenario import Scenario
from ric_sim.store.congestion import Refusal
from ric_sim.store.memory_store import MemoryStore

_UNLOADED_PLANNER = "cspf"
"""Names the route that a refused flow would have taken in an empty city."""


@dataclass(frozen=True, slots=True)
class Contention:
    """What the services do when there is no room for all. All off: the plain day.

    Attributes:
        preemption: a flow without a route plans again as if it had displaced what it needs, and commits with its priority.
        rerouting: a displaced flow is planned again at once for the rest of its time, without displacing anybody itself.
        priorities: by service key, in place of `ric_sim.domain.priority.DEFAULT_PRIORITIES`.
        congestion_signals: refusals are published, and snapshots carry the pressure.
        staleness: as in `evaluate`.
    """

    preemption: bool = False
    rerouting: bool = False
    priorities: Mapping[str, int] | None = None
    congestion_signals: bool = False
    staleness: Staleness = FRESH


@dataclass(frozen=True)
class ContendedEvaluation(Evaluation):
    """`Evaluation` of a contended day. A flow that was displaced for good does not count as served.

    GoS is (accepted - displaced + rerouted) / requests.

    Attributes:
        contention: the rules that were played.
        displaced: reservations that ended for another; by service key in `displaced_by_service`.
        rerouted: displaced flows that found another route at once.
        displacing: commits that displaced somebody.
        gos_by_priority: by priority, highest first, over the requests of all its services.
        pressure_peak: highest pressure of any resource at the end of the day, refusals per minute; None without signals.
    """

    contention: Contention
    displaced: int
    rerouted: int
    displaced_by_service: dict[str, int]
    displacing: int
    gos_by_priority: dict[str, float | None]
    pressure_peak: float | None

    def to_dict(self) -> dict[str, Any]:
        """As the plain evaluation, and what only a contended day has."""
        return {
            **super().to_dict(),
            "preemption": self.contention.preemption,
            "rerouting": self.contention.rerouting,
            "displaced": self.displaced,
            "rerouted": self.rerouted,
            "displaced_by_service": self.displaced_by_service,
            "displacing": self.displacing,
            "gos_by_priority": self.gos_by_priority,
            "pressure_peak": self.pressure_peak,
        }


def evaluate_contended(
    scenario: Scenario,
    policy: str | RoutingPolicy,
    contention: Contention,
    *,
    seed: int = 0,
    max_flows: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> ContendedEvaluation:
    """Plays the day as `evaluate` does, under the rules of `contention`; all off, with the same outcome.

    Raises:
        UnknownKey: no such policy, or a priority for no such service.
        OutOfRange: `max_flows` below 1, or a priority that cannot be.
    """
    if max_flows is not None and max_flows < 1:
        raise OutOfRange(f"max_flows {max_flows}: expected at least 1, or none for the whole day")
    started_s = time.perf_counter()
    router = make_policy(policy, scenario.city, seed=seed) if isinstance(policy, str) else policy
    n_flows = len(scenario.day) if max_flows is None else min(max_flows, len(scenario.day))
    replay = ContendedReplay(scenario.city, router, contention)
    for index in range(n_flows):
        replay.play(index, scenario.day.flow(index))
        if progress and ((index + 1) % PROGRESS_EVERY == 0 or index + 1 == n_flows):
            progress(index + 1)
    wall_s = time.perf_counter() - started_s
    plain = replay.tally.evaluation(scenario, router.name, seed, contention.staleness, wall_s=wall_s)
    return replay.account(plain)


class ContendedReplay(DayReplay):
    """One planner and one store that keeps priorities and signals."""

    def __init__(self, city: City, router: RoutingPolicy, contention: Contention) -> None:
        store = MemoryStore(congestion_signals=contention.congestion_signals)
        super().__init__(city, router, contention.staleness, store)
        self._contention = contention
        self._classes = service_priorities(city.services, contention.priorities)
        self._priorities = self._classes if contention.preemption else (LOWEST,) * len(city.services)
        self._unloaded = make_policy(_UNLOADED_PLANNER, city)
        self._nothing_used = np.zeros(city.n_resources, dtype=np.uint32)
        self._flows: dict[str, FlowRequest] = {}
        self._displaced, self._rerouted = np.zeros((2, len(city.services)), dtype=np.int64)
        self._displacing = 0

    def account(self, plain: Evaluation) -> ContendedEvaluation:
        """The evaluation with displaced flows taken out of the Grade of Service."""
        keys = [spec.key for spec in self._city.services]
        requests, served = self.tally.requests, self.tally.accepted - self._displaced + self._rerouted
        of_level = {level: np.array(self._classes) == level for level in sorted(set(self._classes), reverse=True)}
        pressure = self._store.snapshot().pressure
        figures = vars(plain) | {
            "gos_ratio": _ratio(served.sum(), requests.sum()) or 0.0,
            "gos_by_service": {key: _ratio(served[s], requests[s]) for s, key in enumerate(keys)},
        }
        return ContendedEvaluation(
            **figures,
            contention=self._contention,
            displaced=int(self._displaced.sum()),
            rerouted=int(self._rerouted.sum()),
            displaced_by_service=dict(zip(keys, self._displaced.tolist(), strict=True)),
            displacing=self._displacing,
            gos_by_priority={str(level): _ratio(served[mask].sum(), requests[mask].sum()) for level, mask in of_level.items()},
            pressure_peak=None if pressure is None else float(pressure.max()),
        )

    def _attempt(self, flow: FlowRequest) -> Cause | CommitOutcome:
        """Plans, plans again with displacing if there is no route, and commits."""
        priority = self._priorities[flow.service]
        cause, links = self._plan(flow, self._snapshot.used)
        displaces = not links and priority > 0
        if displaces:
            displaceable = self._store.displaceable(priority)
            if displaceable.any():
                _, links = self._plan(flow, used_if_displacing(self._city, flow, self._snapshot.used, displaceable))
        if not links:
            return cause
        request = commit_request(self._city, flow, links, priority=priority, displaces=displaces)
        return self._store.commit([request], now_ms=flow.arrival_ms)[0]

    def _plan(self, flow: FlowRequest, used: np.ndarray) -> tuple[Cause, tuple[int, ...]]:
        before_s = time.process_time()
        plan = self._router.plan(used, flow)
        self.tally.planning_s += time.process_time() - before_s
        self.tally.plans += 1
        return plan.cause, plan.links

    def _settle(self, flow: FlowRequest, outcome: Cause | CommitOutcome) -> None:
        super()._settle(flow, outcome)
        if isinstance(outcome, Cause):
            self._publish_lack(flow)
        elif outcome.status == CommitStatus.COMMITTED:
            self._flows[flow.flow_id] = flow
            self._displacing += bool(outcome.displaced)
            for flow_id in outcome.displaced:
                self._displaced[self._flows[flow_id].service] += 1
                if self._contention.rerouting:
                    self._reroute(self._flows[flow_id], flow.arrival_ms)

    def _reroute(self, victim: FlowRequest, now_ms: int) -> None:
        """The rest of a displaced flow as a flow of its own, which may be displaced in its turn."""
        rest = replace(victim, flow_id=f"{victim.flow_id}'", arrival_ms=now_ms, holding_ms=victim.end_ms - now_ms)
        _, links = self._plan(rest, self._store.snapshot().used)
        if links:
            request = commit_request(self._city, rest, links, priority=self._priorities[rest.service], displaces=False)
            if self._store.commit([request], now_ms=now_ms)[0].status == CommitStatus.COMMITTED:
                self._flows[rest.flow_id] = rest
                self._rerouted[rest.service] += 1

    def _publish_lack(self, flow: FlowRequest) -> None:
        """A planner's refusal names no resource: those count that the flow lacks on its way through an empty city."""
        if not self._contention.congestion_signals:
            return
        preferred = self._unloaded.plan(self._nothing_used, flow)
        if preferred.accepted:
            lacking = lacking_resources(self._city, flow, self._snapshot.used, preferred.links)
            self._store.publish_refusals([Refusal(flow.service, r) for r in lacking], now_ms=flow.arrival_ms)


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None
