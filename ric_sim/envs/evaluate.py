"""A day of requests played in-process: one planner, one store, no services. The yardstick of every live run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.domain.reservation import CommitOutcome, CommitStatus
from ric_sim.network.admission import commit_request
from ric_sim.network.city import City
from ric_sim.network.policies import RoutingPolicy, make_policy
from ric_sim.network.scenario import Scenario
from ric_sim.store.base import StoreLayout
from ric_sim.store.memory_store import MemoryStore

PROGRESS_EVERY = 500
"""Requests between two calls of `progress`."""

STUDY_REFRESH_EVERY = (1, 2, 6, 20, 60)

LATENCY_PERCENTS = (5, 25, 50, 75, 95)
"""Percentiles of the latencies of a service that an evaluation tells."""


@dataclass(frozen=True, slots=True)
class Staleness:
    """How old a planner's snapshot may be, and what follows an aborted commit.

    Attributes:
        refresh_every: the snapshot is read anew at every k-th arrival; 1, always fresh.
        replans: how many times an aborted commit is planned again, each time on a fresh snapshot, which then stays in use.
    """

    refresh_every: int = 1
    replans: int = 0

    def __post_init__(self) -> None:
        if self.refresh_every < 1 or self.replans < 0:
            raise OutOfRange(f"refresh_every {self.refresh_every} and replans {self.replans}: expected at least 1 and at least 0")


FRESH = Staleness()


@dataclass(frozen=True)
class Evaluation:
    """What became of a day. Ratios are 0-1; means are over accepted requests and None where there is none.

    Attributes:
        policy, profile, day, seed, staleness, config_hash: what was played.
        requests, accepted, gos_ratio: Grade of Service, accepted / requests.
        gos_by_service, latency_ms_by_service: by service key.
        hops: links of a route, mean.
        rejects_by_cause: requests not carried, by the last cause that stood in their way.
        rejects_by_service: the same by service key and cause.
        latency_percentiles_ms_by_service: the `LATENCY_PERCENTS` of accepted requests, empty where there is none.
        propagation_ms_by_service: the part of the mean latency that is propagation; processing is the rest.
        commits_ok, commits_aborted, aborts_by_cause: of the store; a re-planned request may abort more than once.
        wall_s: whole evaluation. decisions_per_s: plans per second of processor time spent planning.
    """

    policy: str
    profile: str
    day: str
    seed: int
    staleness: Staleness
    config_hash: str
    requests: int
    accepted: int
    gos_ratio: float
    gos_by_service: dict[str, float | None]
    latency_ms_by_service: dict[str, float | None]
    hops: float | None
    rejects_by_cause: dict[str, int]
    rejects_by_service: dict[str, dict[str, int]]
    latency_percentiles_ms_by_service: dict[str, list[float]]
    propagation_ms_by_service: dict[str, float | None]
    commits_ok: int
    commits_aborted: int
    aborts_by_cause: dict[str, int]
    wall_s: float
    decisions_per_s: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, named as in the summary of a live run."""
        return {
            "policy": self.policy,
            "profile": self.profile,
            "day": self.day,
            "seed": self.seed,
            "refresh_every": self.staleness.refresh_every,
            "replans": self.staleness.replans,
            "config_hash": self.config_hash,
            "requests": self.requests,
            "accepted": self.accepted,
            "gos": self.gos_ratio,
            "gos_by_service": self.gos_by_service,
            "latency_ms_by_service": self.latency_ms_by_service,
            "hops": self.hops,
            "rejects_by_cause": self.rejects_by_cause,
            "rejects_by_service": self.rejects_by_service,
            "latency_percentiles_ms_by_service": self.latency_percentiles_ms_by_service,
            "propagation_ms_by_service": self.propagation_ms_by_service,
            "commits": {"ok": self.commits_ok, "aborted": self.commits_aborted},
            "aborts_by_cause": self.aborts_by_cause,
            "wall_s": self.wall_s,
            "decisions_per_s": self.decisions_per_s,
        }


def evaluate(
    scenario: Scenario,
    policy: str | RoutingPolicy,
    *,
    seed: int = 0,
    max_flows: int | None = None,
    staleness: Staleness = FRESH,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Plays the day in order of arrival: plan on the snapshot, commit at the arrival. Same arguments, same outcome.

    Args:
        policy: a name of `POLICIES`, built with `seed` and its defaults, or a policy for the scenario's city.
        max_flows: only the first so many requests.
        progress: called with the number of requests played so far, every `PROGRESS_EVERY` and at the end.
    Raises:
        UnknownKey: no such policy.
        OutOfRange: `max_flows` below 1.
    """
    if max_flows is not None and max_flows < 1:
        raise OutOfRange(f"max_flows {max_flows}: expected at least 1, or none for the whole day")
    started_s = time.perf_counter()
    router = make_policy(policy, scenario.city, seed=seed) if isinstance(policy, str) else policy
    n_flows = len(scenario.day) if max_flows is None else min(max_flows, len(scenario.day))
    replay = DayReplay(scenario.city, router, staleness)
    for index in range(n_flows):
        replay.play(index, scenario.day.flow(index))
        if progress and ((index + 1) % PROGRESS_EVERY == 0 or index + 1 == n_flows):
            progress(index + 1)
    return replay.tally.evaluation(scenario, router.name, seed, staleness, wall_s=time.perf_counter() - started_s)


def staleness_study(
    scenario: Scenario,
    policy: str,
    *,
    seed: int = 0,
    refresh_every: Sequence[int] = STUDY_REFRESH_EVERY,
    max_flows: int | None = None,
) -> Iterator[Evaluation]:
    """What old snapshots cost: for each age, an aborted commit as a rejection, then with one re-plan on a fresh snapshot."""
    for every in refresh_every:
        for replans in (0, 1):
            yield evaluate(scenario, policy, seed=seed, max_flows=max_flows, staleness=Staleness(every, replans))


@dataclass
class DayTally:
    """Sums while a day is played; not for use outside `ric_sim.envs`. Arrays [S] by service."""

    city: City
    requests: np.ndarray = field(init=False)
    accepted: np.ndarray = field(init=False)
    latency_us: np.ndarray = field(init=False)
    propagation_us: np.ndarray = field(init=False)
    links: int = 0
    latencies_us: list[list[int]] = field(init=False)
    rejects: Counter[tuple[int, Cause]] = field(default_factory=Counter)
    aborts: Counter[Cause] = field(default_factory=Counter)
    plans: int = 0
    planning_s: float = 0.0

    def __post_init__(self) -> None:
        n_services = len(self.city.services)
        self.requests, self.accepted, self.latency_us, self.propagation_us = np.zeros((4, n_services), dtype=np.int64)
        self.latencies_us = [[] for _ in range(n_services)]

    def reject(self, service: int, cause: Cause) -> None:
        """Counts a request that is not carried."""
        self.rejects[service, cause] += 1

    def accept(self, service: int, outcome: CommitOutcome) -> None:
        """Counts a request that is carried."""
        self.accepted[service] += 1
        self.latency_us[service] += outcome.latency_us
        self.latencies_us[service].append(outcome.latency_us)
        table = self.city.link_table
        self.propagation_us[service] += sum(table[link][2] for link in outcome.route)
        self.links += len(outcome.route)

    def evaluation(self, scenario: Scenario, policy: str, seed: int, staleness: Staleness, *, wall_s: float) -> Evaluation:
        keys = [spec.key for spec in self.city.services]
        requests, accepted = int(self.requests.sum()), int(self.accepted.sum())
        return Evaluation(
            policy=policy,
            profile=self.city.profile,
            day=scenario.day.name,
            seed=seed,
            staleness=staleness,
            config_hash=scenario.config_hash,
            requests=requests,
            accepted=accepted,
            gos_ratio=accepted / requests if requests else 0.0,
            gos_by_service=dict(zip(keys, _ratios(self.accepted, self.requests), strict=True)),
            latency_ms_by_service=dict(zip(keys, _ratios(self.latency_us / 1000, self.accepted), strict=True)),
            hops=self.links / accepted if accepted else None,
            rejects_by_cause=_by_cause(self.rejects),
            rejects_by_service={
                key: _by_cause({(of, cause): n for (of, cause), n in self.rejects.items() if of == service})
                for service, key in enumerate(keys)
            },
            latency_percentiles_ms_by_service={
                key: (np.percentile(latencies_us, LATENCY_PERCENTS) / 1000).tolist() if latencies_us else []
                for key, latencies_us in zip(keys, self.latencies_us, strict=True)
            },
            propagation_ms_by_service=dict(zip(keys, _ratios(self.propagation_us / 1000, self.accepted), strict=True)),
            commits_ok=accepted,
            commits_aborted=self.aborts.total(),
            aborts_by_cause={cause.label: self.aborts[cause] for cause in sorted(self.aborts)},
            wall_s=wall_s,
            decisions_per_s=self.plans / self.planning_s if self.planning_s else 0.0,
        )


def _by_cause(rejects: Mapping[tuple[int, Cause], int]) -> dict[str, int]:
    """Counts by the label of the cause, whatever the service."""
    totals: Counter[Cause] = Counter()
    for (_, cause), count in rejects.items():
        totals[cause] += count
    return {cause.label: totals[cause] for cause in sorted(totals)}


def _ratios(parts: np.ndarray, wholes: np.ndarray) -> list[float | None]:
    return [part / whole if whole else None for part, whole in zip(parts.tolist(), wholes.tolist(), strict=True)]


class DayReplay:
    """One planner and one store, request by request; not for use outside `ric_sim.envs`."""

    def __init__(self, city: City, router: RoutingPolicy, staleness: Staleness, store: MemoryStore | None = None) -> None:
        self.tally = DayTally(city)
        self._city = city
        self._router = router
        self._staleness = staleness
        self._store = store or MemoryStore()
        self._store.create(StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
        self._snapshot = self._store.snapshot()

    def play(self, index: int, flow: FlowRequest) -> None:
        self.tally.requests[flow.service] += 1
        if index % self._staleness.refresh_every == 0:
            self._refresh(flow)
        for attempt in range(1 + self._staleness.replans):
            if attempt:
                self._refresh(flow)
            outcome = self._attempt(flow)
            if isinstance(outcome, Cause) or outcome.status == CommitStatus.COMMITTED:
                break
            self.tally.aborts[outcome.cause] += 1
        self._settle(flow, outcome)

    def _refresh(self, flow: FlowRequest) -> None:
        self._store.advance(flow.arrival_ms)
        self._snapshot = self._store.snapshot()

    def _attempt(self, flow: FlowRequest) -> Cause | CommitOutcome:
        """Plans and commits; the cause when there is nothing to commit."""
        before_s = time.process_time()
        plan = self._router.plan(self._snapshot.used, flow)
        self.tally.planning_s += time.process_time() - before_s
        self.tally.plans += 1
        if not plan.accepted:
            return plan.cause
        return self._store.commit([commit_request(self._city, flow, plan.links)], now_ms=flow.arrival_ms)[0]

    def _settle(self, flow: FlowRequest, outcome: Cause | CommitOutcome) -> None:
        if isinstance(outcome, Cause):
            self.tally.reject(flow.service, outcome)
        elif outcome.status != CommitStatus.COMMITTED:
            self.tally.reject(flow.service, outcome.cause)
        else:
            self.tally.accept(flow.service, outcome)
