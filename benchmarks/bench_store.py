"""Commits per second and the time of one commit, directly on the store; the alternatives and a no-op beside them.

    ricity bench store --json          (or: python benchmarks/bench_store.py --json)

All on one embedded server with the append-only file synced every second. Throughput: six client processes, each sending
batches one after the other; in steady state every commit comes with one expiry. The references do the same work without a
script (benchmarks/store_alternatives.py); rounds are interleaved, figures are medians, and every store is audited.
Latency: one client at a paced 200 commits/s, no-op script calls at the same pace in between.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import redis

from benchmarks.store_alternatives import LockingClient, OptimisticClient
from benchmarks.store_door import DoorClient, ric_process
from benchmarks.store_load import ClientPool, Committer, Load, RequestSource, city_layout
from ric_sim.store.audit import audit
from ric_sim.store.embedded import EmbeddedServer
from ric_sim.store.redis_store import RedisStore

BATCHES = (1, 16)
ROUNDS = 3
DURATION_S = 0.8
QUICK_DURATION_S = 0.3
PACED_PER_S = 200
PACED_COMMITS = 1200
QUICK_PACED_COMMITS = 100
SNAPSHOTS = 2000
NO_OP = "return 1"

Tell = Callable[[str], None]


def measure(*, quick: bool, tell: Tell) -> dict[str, Any]:
    """Runs everything; `figures` has one row per published figure."""
    with (
        tempfile.TemporaryDirectory(prefix="ricity-bench-") as scratch,
        EmbeddedServer(Path(scratch) / "store") as server,
        ClientPool() as clients,
    ):
        throughput = _throughput(server, clients, quick=quick, tell=tell)
        paced = paced_commits(server.url, QUICK_PACED_COMMITS if quick else PACED_COMMITS)
        tell(f"paced: commit {paced['commit_ms']}, through the door {paced['door_ms']}, no-op {paced['no_op_ms']}")
        snapshot = snapshot_cost(server.url, SNAPSHOTS // 10 if quick else SNAPSHOTS)
        tell(f"snapshot: {snapshot}")
    return {"figures": _figures(throughput, paced, snapshot), "throughput": throughput, "paced": paced, "snapshot": snapshot}


def script_client(url: str, namespace: str) -> Committer:
    """The store's own way: one script call per batch."""
    store = RedisStore(url, namespace)
    return lambda requests, now_ms: store.commit(requests, now_ms=now_ms)


SCHEMES: dict[str, Callable[..., Committer]] = {
    "script": script_client,
    "door": DoorClient,
    "watch": OptimisticClient,
    "lock": LockingClient,
}


@contextmanager
def _way(scheme: str, store: RedisStore) -> Iterator[tuple[Any, ...]]:
    """What a client of the scheme connects to; the door needs its RIC."""
    if scheme == "door":
        with ric_process(store.url, store.namespace) as address:
            yield (address,)
    else:
        yield (store.url, store.namespace)


def _throughput(server: EmbeddedServer, clients: ClientPool, *, quick: bool, tell: Tell) -> list[dict[str, Any]]:
    """Every scheme with every batch size, in rounds so that a neighbour on the machine disturbs all alike; medians."""
    cases = [(scheme, batch) for batch in BATCHES for scheme in SCHEMES]
    rounds: dict[tuple[str, int], list[dict[str, Any]]] = {case: [] for case in cases}
    for _ in range(1 if quick else ROUNDS):
        for scheme, batch in cases:
            load = Load(batch, QUICK_DURATION_S if quick else DURATION_S)
            with closing(RedisStore(server.url, f"bench-{scheme}")) as store, _way(scheme, store) as target:
                rounds[scheme, batch].append(commit_throughput(store, clients, SCHEMES[scheme], target, load))
            with closing(RedisStore(server.url, f"bench-{scheme}")) as store:
                store.drop()
    rows = []
    for (scheme, batch), results in rounds.items():
        medians = {name: round(median(result[name] for result in results), 3) for name in results[0]}
        tell(
            f"{scheme}, batches of {batch}: {medians['commits_per_s']:.0f} commits/s, "
            f"{medians['cpu_us_per_commit']:.0f} us of CPU each, {medians['wasted_ratio']:.0%} of attempts wasted"
        )
        rows.append({"scheme": scheme, "batch": batch, **medians})
    return rows


def commit_throughput(
    store: RedisStore, clients: ClientPool, connect: Callable[..., Committer], target: tuple[Any, ...], load: Load
) -> dict[str, Any]:
    """Runs a load into `store` by whatever way `connect(*target)` goes, and audits what it left."""
    store.create(city_layout())
    with redis.Redis.from_url(store.url) as raw:
        before_s, committed = _server_cpu_s(raw), store.counters().committed
        result = clients.run(connect, target, load)
        server_s, committed = _server_cpu_s(raw) - before_s, store.counters().committed - committed
    audit(store).raise_if_failed()
    server_us = round(server_s / max(committed, 1) * 1e6, 1)
    return {
        **asdict(result),
        "server_us_per_commit": server_us,
        "cpu_us_per_commit": round(result.client_us_per_commit + server_us, 1),
    }


def paced_commits(url: str, n: int) -> dict[str, Any]:
    """Single commits directly, single commits through the door, and no-op script calls in turn, each kind at `PACED_PER_S`."""
    with (
        closing(RedisStore(url, "bench-paced")) as store,
        closing(RedisStore(url, "bench-paced-door")) as behind,
        redis.Redis.from_url(url, single_connection_client=True) as raw,
        ric_process(url, behind.namespace) as address,
    ):
        store.create(city_layout())
        source, door, no_op = RequestSource("paced"), DoorClient(address), raw.register_script(NO_OP)
        calls: tuple[Callable[[int], Any], ...] = (
            lambda now_ms: store.commit(source.take(1, now_ms), now_ms=now_ms),
            lambda now_ms: door(source.take(1, now_ms), now_ms),
            lambda now_ms: no_op(),
        )
        took_ms = _pace(calls, n)
        audit(store).raise_if_failed()
        audit(behind).raise_if_failed()
        store.drop()
    keys = ("commit_ms", "door_ms", "no_op_ms")
    return {"commits": n, **{key: _quantiles(column) for key, column in zip(keys, took_ms.T, strict=True)}}


def _pace(calls: Sequence[Callable[[int], Any]], n: int) -> np.ndarray:
    """Makes the calls in turn, each `PACED_PER_S` times a second; float64 [n, calls], ms."""
    took_ms = np.zeros((n, len(calls)))
    begin_s = time.perf_counter()
    for tick in range(len(calls) * n):
        due_s = tick / (len(calls) * PACED_PER_S)
        time.sleep(max(0.0, begin_s + due_s - time.perf_counter()))
        started_s = time.perf_counter()
        calls[tick % len(calls)](int(due_s * 1000))
        took_ms[tick // len(calls), tick % len(calls)] = (time.perf_counter() - started_s) * 1000
    return took_ms


def snapshot_cost(url: str, n: int) -> dict[str, Any]:
    """Time of one snapshot of the city, and of the cheapest read there is; microseconds."""
    with closing(RedisStore(url, "bench-snapshot")) as store, redis.Redis.from_url(url, single_connection_client=True) as raw:
        store.create(city_layout())
        raw.set("{bench-snapshot}:small", 1)
        took_us = np.zeros((n, 2))
        for index in range(n):
            started_s = time.perf_counter()
            store.snapshot()
            between_s = time.perf_counter()
            raw.get("{bench-snapshot}:small")
            took_us[index] = (between_s - started_s) * 1e6, (time.perf_counter() - between_s) * 1e6
        store.drop()
    return {"snapshot_us": _quantiles(took_us[:, 0], digits=1), "small_read_us": _quantiles(took_us[:, 1], digits=1)}


def _quantiles(values: np.ndarray, digits: int = 3) -> dict[str, float]:
    p50, p99 = np.percentile(values, (50, 99))
    return {"p50": round(float(p50), digits), "p99": round(float(p99), digits)}


def _server_cpu_s(raw: redis.Redis) -> float:
    info = raw.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


def _figures(throughput: list[dict[str, Any]], paced: dict[str, Any], snapshot: dict[str, Any]) -> list[dict[str, Any]]:
    rate = {(row["scheme"], row["batch"]): row["commits_per_s"] for row in throughput}
    goals = {"watch": {"goal": "ratio >= 8"}, "lock": {}}
    rows = [
        {**_row(f"commits, batches of {batch}", "1/s", rate["script", batch], reference, rate[reference, batch]), **goal}
        for batch in BATCHES
        for reference, goal in goals.items()
    ]
    rows += [
        {
            **_row(f"through the door, batches of {batch}", "1/s", rate["door", batch], "directly", rate["script", batch]),
            "goal": "ratio >= 0.5" if batch > 1 else "",
        }
        for batch in BATCHES
    ]
    cpu = {scheme: min(row["cpu_us_per_commit"] for row in throughput if row["scheme"] == scheme) for scheme in SCHEMES}
    rows.append(_row("CPU of a commit", "us", cpu["script"], "watch", cpu["watch"]))
    rows.append(_row("CPU of a commit", "us", cpu["script"], "lock", cpu["lock"]))
    paced_goals = {"p50": "< 1 ms", "p99": "ratio <= 3"}
    for way, key in (("", "commit_ms"), (" through the door", "door_ms")):
        for quantile, goal in paced_goals.items():
            name = f"commit {quantile} at {PACED_PER_S}/s{way}"
            row = _row(name, "ms", paced[key][quantile], "no-op script", paced["no_op_ms"][quantile])
            rows.append({**row, "goal": goal})
    snapshot_us, small_us = snapshot["snapshot_us"]["p50"], snapshot["small_read_us"]["p50"]
    rows.append(_row("snapshot p50", "us", snapshot_us, "one small read", small_us))
    return rows


def _row(name: str, unit: str, value: float, reference: str, reference_value: float) -> dict[str, Any]:
    ratio = round(value / reference_value, 2) if reference_value else 0.0
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "reference": reference,
        "reference_value": reference_value,
        "ratio": ratio,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Commits per second and the time of one commit on the store.")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--quick", action="store_true", help="a short measurement, not for publishing")
    options = parser.parse_args()
    result = measure(quick=options.quick, tell=lambda line: print(line, file=sys.stderr))
    if options.json:
        print(json.dumps(result))
        return
    for row in result["figures"]:
        against = f"{row['reference_value']:>10} {row['reference']}"
        print(
            f"{row['name']:38} {row['value']:>10} {row['unit']:4} against {against:28} x {row['ratio']:<6} {row.get('goal', '')}"
        )


if __name__ == "__main__":
    main()
