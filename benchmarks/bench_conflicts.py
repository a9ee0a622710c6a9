"""What the conflict guard costs on the store: check and commit against the plain commit, and the shield beside, in one run.

    ricity bench conflicts --json

One client on one embedded server, its append-only file synced every second; all kinds of calls in turn at a pace, so that a
neighbour on the machine disturbs all alike. Times are of the caller: encoding, exchange, script, decoding.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.store_load import RequestSource, city_layout
from ric_sim.domain.reservation import CommitRequest, CommitStatus
from ric_sim.e2.conflict_couplings import SliceRatio, settings_of
from ric_sim.radio.shield import PolicyRatio, Shield, ShieldLimits
from ric_sim.store.conflicts import ParameterControl, StoredConflicts
from ric_sim.store.embedded import EmbeddedServer
from ric_sim.store.redis_store import RedisStore

CALLS, QUICK_CALLS = 800, 60
PACED_PER_S = 100
SHIELDED = 20_000

STORE_GOAL = "< 0.5 ms"
COMPARED = {
    "commit with the check": "plain commit",
    "commit with the check, refused and logged": "plain commit, refused",
    "control of ratios": "plain commit",
    "control of ratios, refused and logged": "plain commit, refused",
}
"""What is measured, and beside what."""

Call = Callable[[int], Awaitable[float]]
Tell = Callable[[str], None]


def measure(*, quick: bool, tell: Tell) -> dict[str, Any]:
    """Milliseconds by kind of call (p50, p99), microseconds of the shield."""
    tell("calls on the store, in turn")
    with tempfile.TemporaryDirectory(prefix="ricity-bench-") as scratch, EmbeddedServer(Path(scratch) / "store") as server:
        store_ms = asyncio.run(_on_the_store(server.url, QUICK_CALLS if quick else CALLS))
    tell("the shield")
    shield = shield_us(SHIELDED // 10 if quick else SHIELDED)
    figures = [
        _figure(kind, store_ms[kind], "ms", reference, store_ms[reference], STORE_GOAL) for kind, reference in COMPARED.items()
    ]
    figures += [_figure(f"shield, {kind}", taken, "us", "safe", shield["safe"], "") for kind, taken in shield.items()]
    return {"figures": figures, "store_ms": store_ms, "shield_us": shield}


def _figure(
    name: str, taken: dict[str, float], unit: str, reference: str, against: dict[str, float], goal: str
) -> dict[str, Any]:
    return {
        "name": f"{name}, p50",
        "value": taken["p50"],
        "unit": unit,
        "reference": reference,
        "reference_value": against["p50"],
        "ratio": round(taken["p50"] / against["p50"], 2),
        "goal": goal,
    }


async def _on_the_store(url: str, n_calls: int) -> dict[str, dict[str, float]]:
    with closing(RedisStore(url, "bench-plain")) as plain, closing(RedisStore(url, "bench-guarded")) as guarded:
        for store in (plain, guarded):
            store.create(city_layout())
        conflicts = StoredConflicts(url, "bench-guarded")
        kinds: dict[str, Call] = {
            "plain commit": _commits(plain, planned=False),
            "commit with the check": _commits(guarded, planned=True),
            "plain commit, refused": _races(plain, "plain", planned=False),
            "commit with the check, refused and logged": _races(guarded, "guarded", planned=True),
            "control of ratios": _controls(conflicts, "one", 10),
            "control of ratios, refused and logged": _controls(conflicts, "two", 20),
        }
        try:
            return await _paced(kinds, n_calls)
        finally:
            await conflicts.aclose()


def _commits(store: RedisStore, *, planned: bool) -> Call:
    source = RequestSource("bench")

    async def call(now_ms: int) -> float:
        batch = source.take(1, now_ms)
        return _timed(store, batch, now_ms, [store.snapshot().version] if planned else None, CommitStatus.COMMITTED)

    return call


def _races(store: RedisStore, name: str, *, planned: bool) -> Call:
    """Each call: another service takes all of a link, then the one that is timed comes too late."""
    shape = RequestSource(name).take(1, 0)[0]
    resource = shape.entries[0][0]
    everything = int(store.layout().limits[resource])
    serial = iter(range(10**9))

    async def call(now_ms: int) -> float:
        snapshot, n = store.snapshot_at(now_ms), next(serial)
        late = replace(shape, flow_id=f"{name}-late-{n}", expiry_ms=now_ms + 1000)
        room = everything - int(snapshot.used[resource])
        first = replace(
            late, flow_id=f"{name}-first-{n}", service=shape.service + 1, entries=((resource, room),), hosts=(), budget_us=2**31
        )
        store.commit([first], now_ms=now_ms)
        taken = _timed(store, [late], now_ms, [snapshot.version] if planned else None, CommitStatus.ABORTED)
        store.release([first.flow_id], now_ms=now_ms)
        return taken

    return call


def _controls(conflicts: StoredConflicts, xapp: str, minimum: int) -> Call:
    async def call(now_ms: int) -> float:
        settings = settings_of([SliceRatio("urllc", 5, minimum, 90)])
        control = ParameterControl("du_1", xapp, 0, 5000, settings)
        started = time.perf_counter()
        verdict = await conflicts.control(control, now_ms=now_ms)
        taken = time.perf_counter() - started
        if verdict.applied != (xapp == "one"):
            raise AssertionError(f"control of {xapp}: {verdict}")
        return taken

    return call


def _timed(
    store: RedisStore, batch: Sequence[CommitRequest], now_ms: int, planned: Sequence[int] | None, expected: CommitStatus
) -> float:
    started = time.perf_counter()
    (outcome,) = store.commit(batch, now_ms=now_ms, planned=planned)
    taken = time.perf_counter() - started
    if outcome.status != expected:
        raise AssertionError(f"{outcome}: expected {expected.name}")
    return taken


async def _paced(kinds: dict[str, Call], n_calls: int) -> dict[str, dict[str, float]]:
    taken_s: dict[str, list[float]] = {kind: [] for kind in kinds}
    began = time.perf_counter()
    for n in range(n_calls):
        for position, (kind, call) in enumerate(kinds.items()):
            due_s = began + (n * len(kinds) + position) / (PACED_PER_S * len(kinds))
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            taken_s[kind].append(await call(int((time.perf_counter() - began) * 1000)))
    return {kind: _quantiles(1e3 * np.array(values)) for kind, values in taken_s.items()}


def shield_us(n: int) -> dict[str, dict[str, float]]:
    """Microseconds of one decision of the shield: untouched, cut to the cell, and with every limit at once."""
    rng = np.random.default_rng(0)
    needs = (40.0, 30.0, 20.0)
    strict = ShieldLimits(100, urllc_minimum_rbs=5, most_change_rbs=20, ratios=(PolicyRatio(5, 20, 80),) * 3)
    safe = rng.multinomial(100, [0.5, 0.3, 0.2], size=n).tolist()
    wild = rng.integers(0, 200, size=(n, 3)).tolist()
    cases = {"safe": (ShieldLimits(100, urllc_minimum_rbs=1), safe), "beyond the cell": (ShieldLimits(100), wild)}
    result = {}
    for name, (limits, wishes) in {**cases, "all limits": (strict, wild)}.items():
        shield, taken = Shield(limits), np.empty(n)
        for index, wish in enumerate(wishes):
            started = time.perf_counter()
            shield.guard(wish, needs)
            taken[index] = time.perf_counter() - started
        result[name] = _quantiles(1e6 * taken)
    return result


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {name: round(float(np.percentile(values, q)), 4) for name, q in (("p50", 50), ("p99", 99))}
