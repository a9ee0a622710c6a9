"""Reservations: what a commit asks, what it did, and the log record it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import Cause

UsedAmounts = npt.NDArray[np.uint32]
Pressure = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Used amounts at one version. `used` is uint32 [n_links + n_nodes], read-only.

    `pressure` is float32 [n_links + n_nodes], read-only, refusals per emulated minute for want of that resource (exponential
    average, `ric_sim.store.congestion`); None unless the store keeps congestion signals.
    """

    version: int
    now_ms: int
    used: UsedAmounts
    pressure: Pressure | None = None


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """A reservation to take as one piece (built by `ric_sim.network.admission.commit_request`).

    Attributes:
        flow_id: idempotency key, 1-128 printable ASCII characters.
        service: index, for the log and per-service accounting.
        expiry_ms: emulated end of the reservation.
        budget_us: end-to-end latency budget.
        propagation_us: sum of the link latencies of the route.
        entries: (resource, amount) pairs, resources distinct, amounts >= 1.
        hosts: (compute resource, coefficient ns, nominal micro-cores): each adds
            floor(used * coefficient_ns / (nominal_ucores * 1000)) microseconds of processing, `used` taken before this commit.
        route: link indices in order, kept in the log and in the outcome.
        priority: `ric_sim.domain.priority`; where room is missing, live reservations of strictly lower priority are displaced.
        displaces: False: holds its priority against others, but where room is missing it aborts and displaces nobody.
    """

    flow_id: str
    service: int
    expiry_ms: int
    budget_us: int
    propagation_us: int
    entries: tuple[tuple[int, int], ...]
    hosts: tuple[tuple[int, int, int], ...]
    route: tuple[int, ...]
    priority: int = 0
    displaces: bool = True


class CommitStatus(IntEnum):
    COMMITTED = 1
    DUPLICATE = 2  # same id, same contents: the first outcome is returned, nothing is reserved again
    ABORTED = 3  # `cause` names the first violated constraint; nothing changed
    CONFLICT = 4  # same id, other contents: the first outcome is returned, nothing changed


@dataclass(frozen=True, slots=True)
class CommitOutcome:
    """What a commit did.

    Attributes:
        version: store version after it (COMMITTED), of the first commit (DUPLICATE, CONFLICT), or current (ABORTED).
        latency_us: realised end-to-end latency (also on a LATENCY_BUDGET abort).
        cause: NONE unless ABORTED; then LINK_CAPACITY, COMPUTE_CAPACITY or LATENCY_BUDGET.
        resource, used, limit: the violated resource and its amounts; -1, 0, 0 when none.
        route: the route that holds (the first one for DUPLICATE and CONFLICT).
        displaced: flow ids whose reservations ended to make room for it; only ever of a COMMITTED one.
    """

    flow_id: str
    status: CommitStatus
    version: int
    latency_us: int
    cause: Cause = Cause.NONE
    resource: int = -1
    used: int = 0
    limit: int = 0
    route: tuple[int, ...] = ()
    displaced: tuple[str, ...] = ()


class ChangeKind(IntEnum):
    CREATE = 0
    COMMIT = 1
    RELEASE = 2  # before its expiry, by request
    EXPIRE = 3
    PREEMPT = 4  # before its expiry, to make room for `Change.displaced_by`, whose COMMIT follows


@dataclass(frozen=True, slots=True)
class Change:
    """One log record; `version` rises by one per record."""

    version: int
    kind: ChangeKind
    now_ms: int
    flow_id: str
    service: int
    expiry_ms: int
    latency_us: int
    entries: tuple[tuple[int, int], ...]
    route: tuple[int, ...]
    priority: int = 0
    displaced_by: str = ""
