"""The load of the store benchmarks: the same requests for every way to commit, driven by the same six processes."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.synchronize import Barrier
from types import TracebackType
from typing import Any

import numpy as np

from ric_sim.domain.flow import FlowRequest
from ric_sim.domain.reservation import CommitOutcome, CommitRequest, CommitStatus
from ric_sim.network.admission import commit_request
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.policies import make_policy
from ric_sim.store.base import StoreLayout

N_CLIENTS = 6
HOLDING_MS = 500
"""Emulated time is wall time here, so after this warm-up every commit comes with one expiry."""

WARM_UP_S = 0.7
BANDWIDTH_KBPS = 2
N_PROTOTYPES = 499

Committer = Callable[[Sequence[CommitRequest], int], list[CommitOutcome]]
"""Commits a batch at an emulated time in ms."""


def city_layout() -> StoreLayout:
    """The city as it is; the load fits, because an accepted commit is the expensive one."""
    city = build_city("paper")
    return StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint)


@cache
def prototypes() -> tuple[tuple[FlowRequest, CommitRequest], ...]:
    """Flows of the test day on their shortest routes, each so thin that thousands fit beside each other."""
    city = build_city("paper")
    day, policy = generate_day(city, "test"), make_policy("shortest", city)
    idle = np.zeros(city.n_resources, dtype=np.uint32)
    found = {}
    for index in range(len(day)):
        flow = replace(day.flow(index), bandwidth_kbps=BANDWIDTH_KBPS)
        links = policy.plan(idle, flow).links
        found.setdefault(links, (flow, commit_request(city, flow, links)))
        if len(found) == N_PROTOTYPES:
            break
    return tuple(found.values())


class RequestSource:
    """Endless requests as routing makes them: some ten links and the four hosts of a chain."""

    def __init__(self, name: str) -> None:
        self._name, self._serial = name, 0
        self._shapes = [request for _, request in prototypes()]

    def take(self, n: int, now_ms: int) -> list[CommitRequest]:
        """The next `n`, which expire `HOLDING_MS` after `now_ms`."""
        batch = []
        for _ in range(n):
            shape = self._shapes[self._serial % len(self._shapes)]
            self._serial += 1
            batch.append(
                CommitRequest(
                    f"{self._name}-{self._serial:07d}",
                    shape.service,
                    now_ms + HOLDING_MS,
                    shape.budget_us,
                    shape.propagation_us,
                    shape.entries,
                    shape.hosts,
                    shape.route,
                )
            )
        return batch


@dataclass(frozen=True, slots=True)
class Load:
    """What each client does: batches one after the other for `duration_s`, after the warm-up."""

    batch: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Of all clients together. Latencies are those of one call, which carries one batch."""

    commits_per_s: float
    commits: int
    p50_ms: float
    p99_ms: float
    client_us_per_commit: float
    wasted_ratio: float

    @staticmethod
    def of(parts: Sequence[dict[str, Any]]) -> LoadResult:
        commits = sum(part["commits"] for part in parts)
        p50_ms, p99_ms = np.percentile(np.concatenate([part["took_ms"] for part in parts]), (50, 99))
        attempts = sum(part["attempts"] for part in parts)
        return LoadResult(
            commits_per_s=round(sum(part["commits"] / part["elapsed_s"] for part in parts), 1),
            commits=commits,
            p50_ms=round(float(p50_ms), 3),
            p99_ms=round(float(p99_ms), 3),
            client_us_per_commit=round(sum(part["cpu_s"] for part in parts) / max(commits, 1) * 1e6, 1),
            wasted_ratio=round(1 - sum(part["calls"] for part in parts) / max(attempts, 1), 3),
        )


class ClientPool:
    """Six client processes that start each load together. Context manager."""

    def __init__(self, n_clients: int = N_CLIENTS) -> None:
        context = multiprocessing.get_context("spawn")
        self._n_clients = n_clients
        self._pool = context.Pool(n_clients, _join, (context.Barrier(n_clients),))

    def run(self, connect: Callable[..., Committer], target: tuple[Any, ...], load: Load) -> LoadResult:
        """Runs `load` in every process.

        Args:
            connect: a module-level function; `connect(*target)` gives the process its way to commit. An `attempts`
                attribute of the result counts how often it tried, if that is more than once a call.
        """
        tasks = [(client, connect, target, load) for client in range(self._n_clients)]
        return LoadResult.of(self._pool.starmap(_drive, tasks, chunksize=1))

    def __enter__(self) -> ClientPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.terminate()
        self._pool.join()


_start_together: Barrier


def _join(barrier: Barrier) -> None:
    global _start_together  # one per process, given by the pool that started it
    _start_together = barrier


def _drive(client: int, connect: Callable[..., Committer], target: tuple[Any, ...], load: Load) -> dict[str, Any]:
    """One client's part of a load."""
    commit = connect(*target)
    source = RequestSource(f"client-{client}")
    _start_together.wait()
    begin_s = time.perf_counter()
    _commit_until(commit, source, load.batch, begin_s, begin_s + WARM_UP_S)
    attempts = getattr(commit, "attempts", 0)
    cpu_s, warm_s = _cpu_s(), time.perf_counter()
    commits, took_ms = _commit_until(commit, source, load.batch, begin_s, warm_s + load.duration_s)
    return {
        "commits": commits,
        "calls": len(took_ms),
        "attempts": max(getattr(commit, "attempts", 0) - attempts, len(took_ms)),
        "elapsed_s": time.perf_counter() - warm_s,
        "cpu_s": _cpu_s() - cpu_s,
        "took_ms": np.array(took_ms),
    }


def _commit_until(commit: Committer, source: RequestSource, batch: int, begin_s: float, end_s: float) -> tuple[int, list[float]]:
    commits, took_ms = 0, []
    started_s = time.perf_counter()
    while started_s < end_s:
        now_ms = int((started_s - begin_s) * 1000)
        outcomes = commit(source.take(batch, now_ms), now_ms)
        ended_s = time.perf_counter()
        took_ms.append((ended_s - started_s) * 1000)
        commits += sum(outcome.status == CommitStatus.COMMITTED for outcome in outcomes)
        started_s = ended_s
    return commits, took_ms


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
