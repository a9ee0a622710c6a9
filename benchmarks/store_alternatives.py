"""Commits without a script, as the references: optimistic (WATCH/MULTI/EXEC) and behind a lock (SET NX PX).

Both do all that commit-5.lua does and leave the same bytes, so the same audit passes on them. Written as one writes them
with redis-py: its pipelines, its WATCH, writes sent together.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import redis

from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import ChangeKind, CommitOutcome, CommitRequest, CommitStatus
from ric_sim.network.admission import host_processing_us
from ric_sim.store import codec
from ric_sim.store.keys import StoreKeys

MAX_SWEEP = 256
LOCK_MS = 5000
LOCK_RETRY_S = 0.0005


class _Plan:
    """Decides a batch on what was read, and collects the writes."""

    def __init__(self, keys: StoreKeys, limits: list[int], state: bytes, now_ms: int) -> None:
        self._keys, self._limits = keys, limits
        self._n_links, self._version, seen_ms, self._chain, counters = codec.decode_state_header(state)
        self._counters = list(counters)
        self._now_ms = max(now_ms, seen_ms)
        self._used = codec.decode_amounts(state, codec.STATE_HEADER.size).tolist()
        self.writes: list[tuple[Any, ...]] = []

    def expire(self, flow_id: bytes, committed: bytes) -> None:
        _, latency_us, request = codec.decode_committed(committed)
        for resource, amount in request.entries:
            self._used[resource] -= amount
        self._append(ChangeKind.EXPIRE, latency_us, committed[codec.COMMITTED_HEADER.size :])
        self.writes.append(("ZREM", self._keys.expiry, flow_id))
        self._counters[7] += 1

    def decide(self, request: CommitRequest, known: bytes | None) -> CommitOutcome:
        if known is not None:
            version, latency_us, first = codec.decode_committed(known)
            status = CommitStatus.DUPLICATE if first == request else CommitStatus.CONFLICT
            return CommitOutcome(request.flow_id, status, version, latency_us, route=first.route)
        for resource, amount in request.entries:
            if self._used[resource] + amount > self._limits[resource]:
                cause = Cause.LINK_CAPACITY if resource < self._n_links else Cause.COMPUTE_CAPACITY
                return CommitOutcome(request.flow_id, CommitStatus.ABORTED, self._version, 0, cause)
        latency_us = request.propagation_us + sum(
            host_processing_us(self._used[host], c, nominal) for host, c, nominal in request.hosts
        )
        if latency_us > request.budget_us:
            return CommitOutcome(request.flow_id, CommitStatus.ABORTED, self._version, latency_us, Cause.LATENCY_BUDGET)
        for resource, amount in request.entries:
            self._used[resource] += amount
        packed = codec.encode_request(request)
        self._append(ChangeKind.COMMIT, latency_us, packed)
        committed = codec.COMMITTED_HEADER.pack(self._version, latency_us) + packed
        self.writes.append(("HSET", self._keys.commits, request.flow_id, committed))
        self.writes.append(("ZADD", self._keys.expiry, request.expiry_ms, request.flow_id))
        self._counters[0] += 1
        return CommitOutcome(request.flow_id, CommitStatus.COMMITTED, self._version, latency_us, route=request.route)

    def finish(self) -> None:
        """Adds the write of the state."""
        header = (codec.FORMAT_VERSION, self._n_links, self._version, self._now_ms, self._chain.encode(), *self._counters)
        # Reads of an attempt that is going to fail need not fit together: amounts may come out negative, and wrap.
        used = np.array(self._used, dtype=np.int64).astype(np.uint32)
        state = codec.STATE_HEADER.pack(*header) + codec.encode_amounts(used)
        self.writes.append(("SET", self._keys.state, state))

    def _append(self, kind: ChangeKind, latency_us: int, packed: bytes) -> None:
        self._version += 1
        body = codec.RECORD_HEADER.pack(self._version, kind, self._now_ms, latency_us) + packed
        self._chain = hashlib.sha1(self._chain.encode() + body, usedforsecurity=False).hexdigest()
        self.writes.append(("XADD", self._keys.log, f"{self._version + 1}-0", "r", body, "h", self._chain))


class _ScriptlessClient:
    """One connection; reads and decides as the script does."""

    def __init__(self, url: str, namespace: str) -> None:
        self._keys = StoreKeys.of(namespace)
        self._client = redis.Redis.from_url(url, protocol=2)
        self._limits = codec.decode_amounts(self._client.get(self._keys.limits)).tolist()
        self.attempts = 0

    def _plan(self, reader: redis.Redis, requests: Sequence[CommitRequest], now_ms: int) -> tuple[_Plan, list[CommitOutcome]]:
        keys = self._keys
        plan = _Plan(keys, self._limits, reader.get(keys.state), now_ms)
        if due := reader.zrangebyscore(keys.expiry, "-inf", now_ms, 0, MAX_SWEEP):
            for flow_id, committed in zip(due, reader.hmget(keys.commits, due), strict=True):
                if committed is not None:  # gone since: the attempt will fail
                    plan.expire(flow_id, committed)
        known = reader.hmget(keys.commits, [request.flow_id for request in requests])
        outcomes = [plan.decide(request, held) for request, held in zip(requests, known, strict=True)]
        plan.finish()
        return plan, outcomes


class OptimisticClient(_ScriptlessClient):
    """WATCH the state, read, decide, MULTI/EXEC; again when somebody was faster."""

    def __call__(self, requests: Sequence[CommitRequest], now_ms: int) -> list[CommitOutcome]:
        while True:
            self.attempts += 1
            with contextlib.suppress(redis.WatchError), self._client.pipeline() as pipeline:
                pipeline.watch(self._keys.state)
                plan, outcomes = self._plan(pipeline, requests, now_ms)
                pipeline.multi()
                for write in plan.writes:
                    pipeline.execute_command(*write)
                pipeline.execute()
                return outcomes


class LockingClient(_ScriptlessClient):
    """Take the lock, read, decide, write, give the lock back; try again shortly while somebody has it."""

    def __init__(self, url: str, namespace: str) -> None:
        super().__init__(url, namespace)
        self._lock = f"{self._keys.state}:lock"

    def __call__(self, requests: Sequence[CommitRequest], now_ms: int) -> list[CommitOutcome]:
        self.attempts += 1
        while not self._client.set(self._lock, "held", nx=True, px=LOCK_MS):
            self.attempts += 1
            time.sleep(LOCK_RETRY_S)
        plan, outcomes = self._plan(self._client, requests, now_ms)
        with self._client.pipeline() as pipeline:
            for write in plan.writes:
                pipeline.execute_command(*write)
            pipeline.delete(self._lock)
            pipeline.execute()
        return outcomes
