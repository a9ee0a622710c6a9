"""What two versions of an xApp add to the way of a request in the RIC: choosing the version, counting its outcome.

    ricity bench versions

The very code of the RIC, without streams: a request enters the xApp's pool, an instance takes it, its answer leaves. Requests
alternate between a pool with one version and one with two, so that both meet the same disturbances. The reference is the
same way with one version and nothing counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ric_sim.domain.flow import ANY_UPF, FlowRequest
from ric_sim.domain.service import Direction
from ric_sim.e2.delivery import Instance, Pending, Pool
from ric_sim.e2.version_outcomes import OutcomeBook
from ricity.e2.v1.common_pb2 import ServiceRequest
from ricity.e2.v1.termination_pb2 import Answer

REQUESTS, QUICK_REQUESTS = 100_000, 10_000
GOAL_MS = 1.0

Tell = Callable[[str], None]


class _Nowhere:
    def push_answer(self, answer: Answer) -> None:
        """The answer is not what is measured."""


def measure(*, quick: bool, tell: Tell) -> dict[str, Any]:
    """Times every request on both ways."""
    n = QUICK_REQUESTS if quick else REQUESTS
    one, two = _pool(1), _pool(2)
    nothing, book = None, OutcomeBook({"x": two})
    tell(f"{n} requests on each way")
    took_us = np.array([(_way(one, nothing, index), _way(two, book, index)) for index in range(n)]) / 1000
    alone, split = (np.percentile(took_us[:, side], (50, 99)) for side in (0, 1))
    figures = [
        {
            "name": f"version routing, added {name}",
            "value": round(float(split[index] - alone[index]) / 1000, 4),
            "unit": "ms",
            "reference": "one version, nothing counted",
            "reference_value": round(float(alone[index]) / 1000, 4),
            "ratio": round(float(split[index] / alone[index]), 2),
            "goal": f"< {GOAL_MS:g} ms" if name == "p99" else "",
        }
        for index, name in enumerate(("p50", "p99"))
    ]
    return {"figures": figures, "requests": n}


def _pool(versions: int) -> Pool:
    pool = Pool("x", capacity=100)
    for version in range(versions):
        instance = Instance("x", f"{version}.0.0", f"instance-{version}", 9500 if version == 0 else 500, 64, wake=lambda: None)
        pool.attach(instance)
        pool.serve(instance, 0)
    return pool


def _way(pool: Pool, book: OutcomeBook | None, index: int) -> int:
    """ns from the request's entry to its leaving."""
    flow = FlowRequest(f"flow-{index}", 0, Direction.UPLINK, 0, ANY_UPF, 1, 1, 0, 1)
    pending = Pending(flow, ServiceRequest(flow_id=flow.flow_id), _Nowhere(), time.monotonic_ns())
    started_ns = time.perf_counter_ns()
    pool.offer(pending)
    assert pending.instance is not None
    pending.instance.take(1)
    if book is not None:
        book.answered(pending, "applied", "")
    pool.withdraw(pending)
    return time.perf_counter_ns() - started_ns
