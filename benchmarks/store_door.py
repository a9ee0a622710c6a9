"""The way to the store through the RIC's gRPC door, for the same load as the direct way."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc

from benchmarks.store_load import prototypes
from ric_sim.domain.reservation import CommitOutcome, CommitRequest, CommitStatus
from ric_sim.e2.codec import flow_to_proto
from ricity.store.v1 import store_pb2, store_pb2_grpc

START_TIMEOUT_S = 30.0

_STATUS = {
    store_pb2.COMMIT_STATUS_COMMITTED: CommitStatus.COMMITTED,
    store_pb2.COMMIT_STATUS_DUPLICATE: CommitStatus.DUPLICATE,
    store_pb2.COMMIT_STATUS_ABORTED: CommitStatus.ABORTED,
    store_pb2.COMMIT_STATUS_CONFLICT: CommitStatus.CONFLICT,
}


class DoorClient:
    """Commits over one hot `StoreService.Commit` stream, one batch after the other."""

    def __init__(self, address: str) -> None:
        self._outgoing: queue.SimpleQueue[store_pb2.CommitRequest | None] = queue.SimpleQueue()
        self._flow_of = {request.route: flow for flow, request in prototypes()}
        channel = grpc.insecure_channel(address)
        self._responses = store_pb2_grpc.StoreServiceStub(channel).Commit(iter(self._outgoing.get, None))

    def __call__(self, requests: Sequence[CommitRequest], now_ms: int) -> list[CommitOutcome]:
        batch = store_pb2.CommitRequest(now_ms=now_ms, commits=[self._item(request, now_ms) for request in requests])
        self._outgoing.put(batch)
        return [_outcome(outcome) for outcome in next(self._responses).outcomes]

    def _item(self, request: CommitRequest, now_ms: int) -> store_pb2.FlowRoute:
        flow = flow_to_proto(self._flow_of[request.route])
        flow.flow_id, flow.arrival_ms, flow.holding_ms = request.flow_id, now_ms, request.expiry_ms - now_ms
        return store_pb2.FlowRoute(flow=flow, links=request.route)


def _outcome(outcome: store_pb2.Outcome) -> CommitOutcome:
    if outcome.status not in _STATUS:
        raise RuntimeError(f"the RIC refused {outcome.flow_id}: {outcome.cause.detail}")
    return CommitOutcome(outcome.flow_id, _STATUS[outcome.status], outcome.version, outcome.latency_us)


@contextlib.contextmanager
def ric_process(store_url: str, namespace: str) -> Iterator[str]:
    """A RIC process of its own on that store; gives its address."""
    with tempfile.TemporaryDirectory(prefix="ricity-bench-") as scratch:
        yield from _serve(store_url, namespace, Path(scratch) / "ready.json")


def _serve(store_url: str, namespace: str, ready: Path) -> Iterator[str]:
    settings = {"STORE_URL": store_url, "NAMESPACE": namespace, "GRPC_PORT": "0", "READY_FILE": str(ready)}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RICITY_")}
    environment |= {f"RICITY_{name}": value for name, value in settings.items()} | {"RICITY_DIE_WITH_PARENT": "true"}
    process = subprocess.Popen([sys.executable, "-m", "services.ric.main"], env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"the RIC did not start (exit code {process.poll()})")
            time.sleep(0.05)
        yield f"127.0.0.1:{json.loads(ready.read_text())['grpc_port']}"
    finally:
        process.terminate()
        process.wait()
