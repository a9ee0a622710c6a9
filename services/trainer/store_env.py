"""Agents that train against a live store: one world, the one that running xApps see, too.

Several processes may share it, an agent each. Emulated time is the store's; a request of the training day is due when its
arrival is reached, and whoever commits moves time on. Requests that time has passed over are missed, as in a live network.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import grpc
import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import CityMismatch, InvalidInput, InvalidRoute, RicityError, StoreUnreachable
from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.domain.reservation import CommitOutcome, CommitRequest, CommitStatus, Snapshot
from ric_sim.domain.service import Direction
from ric_sim.e2.codec import cause_from_proto, flow_to_proto
from ric_sim.network.admission import commit_request
from ric_sim.network.city import City, IntArray
from ric_sim.network.episodes.kernels import ARRIVED, DECLINED, NO_TIME
from ric_sim.network.traffic import DAY_MS, Day
from ricity.store.v1 import store_pb2, store_pb2_grpc
from services.common.tls import LOOPBACK, Transport
from xapps.learning.shared_env import ABORTED, CARRIED, REFUSED, CommitBatch, RequestBatch, Routes

PATIENCE_S = 60.0
"""How long a store may be away before training gives up; the last checkpoint stands."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0

_T = TypeVar("_T")
_STATUS = {
    store_pb2.COMMIT_STATUS_COMMITTED: CommitStatus.COMMITTED,
    store_pb2.COMMIT_STATUS_DUPLICATE: CommitStatus.DUPLICATE,
    store_pb2.COMMIT_STATUS_ABORTED: CommitStatus.ABORTED,
    store_pb2.COMMIT_STATUS_CONFLICT: CommitStatus.CONFLICT,
}
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Door(Protocol):
    """A way to a store. Raises `StoreUnreachable` when it does not answer; then a commit may be repeated as it is."""

    def snapshot(self) -> Snapshot: ...

    def commit(self, flows: Sequence[FlowRequest], links: Sequence[Sequence[int]], now_ms: int) -> list[CommitOutcome]: ...


class Store(Protocol):
    """The two verbs of a `ResourceStore` that training needs."""

    def snapshot(self) -> Snapshot: ...

    def commit(self, requests: Sequence[CommitRequest], *, now_ms: int) -> list[CommitOutcome]: ...


class StoreDoor:
    """Straight to a store."""

    def __init__(self, store: Store, city: City) -> None:
        self._store, self._city = store, city

    def snapshot(self) -> Snapshot:
        return self._store.snapshot()

    def commit(self, flows: Sequence[FlowRequest], links: Sequence[Sequence[int]], now_ms: int) -> list[CommitOutcome]:
        requests = [commit_request(self._city, flow, route) for flow, route in zip(flows, links, strict=True)]
        return self._store.commit(requests, now_ms=now_ms)


class RicDoor:
    """Over the RIC's store service."""

    def __init__(self, address: str, transport: Transport = LOOPBACK, *, timeout_s: float = 5.0) -> None:
        """`address`: host:port of the RIC; `transport`: the way there, errors as of `Transport.blocking_channel`."""
        self._address, self._timeout_s, self._batches = address, timeout_s, 0
        self._channel = transport.blocking_channel(address, peer="ric")
        self._stub = store_pb2_grpc.StoreServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def snapshot(self) -> Snapshot:
        message = self._call(lambda: self._stub.GetSnapshot(store_pb2.GetSnapshotRequest(), timeout=self._timeout_s)).snapshot
        pressure = np.frombuffer(message.pressure, "<f4") if message.pressure else None
        return Snapshot(message.version, message.now_ms, np.frombuffer(message.used, "<u4"), pressure)

    def commit(self, flows: Sequence[FlowRequest], links: Sequence[Sequence[int]], now_ms: int) -> list[CommitOutcome]:
        self._batches += 1
        items = [store_pb2.FlowRoute(flow=flow_to_proto(flow), links=route) for flow, route in zip(flows, links, strict=True)]
        request = store_pb2.CommitRequest(batch_id=self._batches, now_ms=now_ms, commits=items)
        response = self._call(lambda: next(self._stub.Commit(iter([request]), timeout=self._timeout_s)))
        return [_outcome(outcome) for outcome in response.outcomes]

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except StopIteration:
            raise StoreUnreachable(f"RIC at {self._address} ended the stream without a verdict") from None
        except grpc.RpcError as error:
            status, details = error.code(), error.details()
            if status in _AWAY:
                raise StoreUnreachable(f"store behind the RIC at {self._address}: {status.name.lower()}: {details}") from error
            raise InvalidInput(f"RIC at {self._address} refused a call: {status.name.lower()}: {details}") from error


class StoreEnvironment:
    """`SharedEnvironment` over a door; a single world."""

    def __init__(self, door: Door, city: City, day: Day, *, patience_s: float = PATIENCE_S) -> None:
        self._door, self._city, self._day, self._patience_s = door, city, day, patience_s
        self._flows_of = [np.flatnonzero(day.service == index) for index in range(len(city.services))]
        self._run = secrets.token_hex(3)  # flow ids are committed once in a store's life
        self._next: dict[int, int] = {}
        self._pressure: npt.NDArray[np.float32] | None = None
        self.missed = 0

    def prepare(self, services: Sequence[int]) -> None:
        """Checks that the store answers and has the city's size. Raises `CityMismatch`, `StoreUnreachable`."""
        used = self._snapshot().used
        if len(used) != self._city.n_resources:
            raise CityMismatch(
                f"the store has {len(used)} resources, the city to train on {self._city.n_resources}: another city"
            )

    def fetch(self, service: int, count: int) -> RequestBatch:
        snapshot = self._snapshot()
        ordinals = self._due(service, snapshot.now_ms, count)
        return self._requests(service, ordinals, snapshot)

    def commit(self, service: int, tickets: tuple[int, IntArray], routes: Routes, *, final: bool) -> CommitBatch:
        rows = tickets[1]
        status = np.full(len(rows), REFUSED, dtype=np.int64)
        late = routes.status == NO_TIME
        cause = np.where(late, int(Cause.NO_ROUTE_LATENCY), int(Cause.NO_ROUTE_CAPACITY)).astype(np.int64)
        cause[routes.status == DECLINED] = int(Cause.DECLINED)
        version, staleness = rows[:, 3].copy(), np.zeros(len(rows), dtype=np.int64)
        cost = np.zeros(len(rows), dtype=np.float32)
        found = np.flatnonzero(routes.status == ARRIVED)
        if len(found):
            flows = [self._flow(service, int(rows[row, 1])) for row in found]
            links = [routes.links[row, : routes.n_links[row]].tolist() for row in found]
            now_ms = max(flow.arrival_ms for flow in flows)
            outcomes = self._patiently(lambda: self._door.commit(flows, links, now_ms))
            for row, outcome in zip(found.tolist(), outcomes, strict=True):
                status[row], cause[row] = _verdict(outcome)
                version[row] = outcome.version
            staleness[found] = np.maximum(version[found] - rows[found, 3], 0)
            carried = status[found] == CARRIED
            cost[found[carried]] = self._costs(
                [each for each, kept in zip(zip(flows, links, strict=True), carried, strict=True) if kept]
            )
        aborted = np.flatnonzero(status == ABORTED)
        again = None if final or not len(aborted) else self._requests(service, rows[aborted, 1], self._snapshot())
        return CommitBatch(status, cause, version, staleness, cost, again)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: what there is to know is in the store."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to load."""

    def _due(self, service: int, now_ms: int, count: int) -> IntArray:
        """The next flows of a service, by running number over repeated days; those time has passed over are left out."""
        flows = self._flows_of[service]
        today, of_day_ms = divmod(now_ms, DAY_MS)
        earliest = today * len(flows) + int(np.searchsorted(self._day.arrival_ms[flows], of_day_ms))
        begin = max(self._next.get(service, earliest), earliest)
        self.missed += begin - self._next.get(service, begin)
        self._next[service] = begin + count
        return np.arange(begin, begin + count, dtype=np.int64)

    def _flow(self, service: int, ordinal: int) -> FlowRequest:
        flows, day = self._flows_of[service], self._day
        today, place = divmod(ordinal, len(flows))
        index = int(flows[place])
        return FlowRequest(
            flow_id=f"train-{self._run}-{service}-{ordinal}",
            service=service,
            direction=Direction(int(day.direction[index])),
            ru=int(day.ru[index]),
            upf=int(day.upf[index]),
            bandwidth_kbps=int(day.bandwidth_kbps[index]),
            n_requests=int(day.n_requests[index]),
            arrival_ms=int(day.arrival_ms[index]) + today * DAY_MS,
            holding_ms=int(day.holding_ms[index]),
        )

    def _requests(self, service: int, ordinals: IntArray, snapshot: Snapshot) -> RequestBatch:
        flows = [self._flow(service, ordinal) for ordinal in ordinals.tolist()]
        request = np.array(
            [(flow.service, flow.direction, flow.ru, flow.upf, flow.bandwidth_kbps, flow.arrival_ms) for flow in flows],
            dtype=np.int64,
        ).reshape(-1, 6)
        tickets = np.zeros((len(flows), 4), dtype=np.int64)
        tickets[:, 1], tickets[:, 3] = ordinals, snapshot.version
        return RequestBatch(0, tickets, request, np.tile(snapshot.used, (len(flows), 1)))

    def _costs(self, carried: Sequence[tuple[FlowRequest, list[int]]]) -> list[float]:
        """Refusals the reservations may cause: the store's pressure on what they take, times share and holding time.

        Without congestion signals in the store the agents are selfish: 0.
        """
        pressure = self._pressure
        if pressure is None:
            return [0.0] * len(carried)
        limits = np.maximum(self._city.limits, 1)
        return [
            sum(float(pressure[resource]) * amount / float(limits[resource]) for resource, amount in entries)
            * flow.holding_ms
            / 60_000
            for flow, links in carried
            for entries in [commit_request(self._city, flow, links).entries]
        ]

    def _snapshot(self) -> Snapshot:
        snapshot = self._patiently(self._door.snapshot)
        self._pressure = snapshot.pressure
        return snapshot

    def _patiently(self, call: Callable[[], _T]) -> _T:
        """Repeats a call while the store is away; committing twice commits once, flow ids see to that.

        Raises:
            StoreUnreachable: away for longer than `patience_s`.
        """
        pause_s, until_s = _FIRST_PAUSE_S, time.monotonic() + self._patience_s
        while True:
            try:
                return call()
            except StoreUnreachable as error:
                if time.monotonic() + pause_s > until_s:
                    raise StoreUnreachable(f"{error}; away for {self._patience_s:g} s. Go on later with --resume") from error
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _outcome(message: Any) -> CommitOutcome:
    if message.status not in _STATUS:
        raise InvalidRoute(f"flow {message.flow_id}: {message.cause.detail}")
    cause = cause_from_proto(message.cause) if message.status == store_pb2.COMMIT_STATUS_ABORTED else Cause.NONE
    return CommitOutcome(message.flow_id, _STATUS[message.status], message.version, message.latency_us, cause)


def _verdict(outcome: CommitOutcome) -> tuple[int, int]:
    """Status and cause; a duplicate is our own commit whose answer was lost."""
    if outcome.status in (CommitStatus.COMMITTED, CommitStatus.DUPLICATE):
        return CARRIED, 0
    if outcome.status == CommitStatus.ABORTED:
        return ABORTED, int(outcome.cause)
    raise RicityError(f"flow {outcome.flow_id} is committed with another route: ids of a training run must be its own")
