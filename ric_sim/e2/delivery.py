"""Who gets which service request: one instance of one version of the xApp, by weight, sticky by flow.

Pure bookkeeping on one thread: no I/O, no clock of its own. A request is in exactly one place at any time: waiting in its
pool (no instance is there), in an instance's backlog (the instance is full), or outstanding at an instance.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ric_sim.domain.errors import DuplicateInstance, OutOfRange
from ric_sim.domain.flow import FlowRequest
from ricity.e2.v1 import termination_pb2
from ricity.e2.v1.common_pb2 import ServiceRequest

MAX_WINDOW = 4096
MAX_WEIGHT = 1_000_000
MAX_KEPT_WEIGHTS = 256


class Origin(Protocol):
    """The association a request came from; its answer goes back there."""

    def push_answer(self, answer: termination_pb2.Answer) -> None: ...


@dataclass(slots=True, eq=False)
class Pending:
    """A suspended request on its way to its single answer.

    Attributes:
        request: the message as the node sent it, passed on as it is.
        received_ns: monotonic time of arrival at the RIC.
        instance: the instance that holds it, None while it waits in the pool.
        committing: a commit is under way; its verdict must be known before anything else is decided.
        expired: the time-to-wait ran out (or the node gave up) while committing.
        deliveries: instances it was handed to.
        attempts: controls received for it.
        aborts: of them, commits that were aborted.
        displacing: its xApp was asked once more, on what displacing others would leave in use.
    """

    flow: FlowRequest
    request: ServiceRequest
    origin: Origin
    received_ns: int
    instance: Instance | None = None
    delivered: bool = False
    committing: bool = False
    expired: bool = False
    deliveries: int = 0
    attempts: int = 0
    aborts: int = 0
    displacing: bool = False
    cancel_timer: Callable[[], None] | None = None


@dataclass(slots=True, eq=False)
class Instance:
    """One attached xApp process.

    Attributes:
        services: indices of the services whose requests it takes.
        weight: share of its version; set for all instances of the version together.
        window: most requests outstanding at once.
        backlog: assigned to it, not yet sent.
        outstanding: sent and not answered, by flow id.
        wake: called when there is something to send.
        config_generation: of the configuration it says it runs; 0: it says nothing.
        live_settings: variables it takes while it runs.
    """

    xapp_name: str
    version: str
    instance_id: str
    weight: int
    window: int
    wake: Callable[[], None]
    services: set[int] = field(default_factory=set)
    config_generation: int = 0
    live_settings: tuple[str, ...] = ()
    draining: bool = False
    backlog: deque[Pending] = field(default_factory=deque)
    outstanding: dict[str, Pending] = field(default_factory=dict)
    delivered_total: int = 0
    answered_total: int = 0
    applied_total: int = 0
    rejected_total: int = 0
    defaulted_total: int = 0
    failed_total: int = 0

    @property
    def room(self) -> int:
        """Requests it may still be sent now."""
        return max(0, self.window - len(self.outstanding))

    def take(self, most: int) -> list[Pending]:
        """Moves up to `most` requests from the backlog to outstanding; they are sent by the caller."""
        batch = []
        for _ in range(min(most, self.room, len(self.backlog))):
            pending = self.backlog.popleft()
            pending.delivered = True
            pending.deliveries += 1
            self.outstanding[pending.flow.flow_id] = pending
            batch.append(pending)
        self.delivered_total += len(batch)
        return batch

    def discard(self, pending: Pending) -> None:
        """Forgets a request that has its answer."""
        if self.outstanding.pop(pending.flow.flow_id, None) is not None:
            self.answered_total += 1
        elif pending in self.backlog:
            self.backlog.remove(pending)

    def abandon(self) -> Iterator[Pending]:
        """Gives up everything it holds, oldest first; each request is without an instance again."""
        held = [*self.outstanding.values(), *self.backlog]
        self.outstanding.clear()
        self.backlog.clear()
        for pending in held:
            pending.instance = None
            yield pending


class Pool:
    """The instances of one xApp, all versions, and the requests that wait for one of them."""

    def __init__(self, xapp_name: str, *, capacity: int) -> None:
        """`capacity` bounds the requests not yet sent to an instance."""
        self.xapp_name = xapp_name
        self._capacity = capacity
        self._instances: dict[str, Instance] = {}
        self._waiting: deque[Pending] = deque()
        self._kept_weights: dict[str, int] = {}

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(self._instances.values())

    @property
    def queued(self) -> int:
        """Requests not yet sent to an instance (lag)."""
        return len(self._waiting) + sum(len(instance.backlog) for instance in self._instances.values())

    @property
    def outstanding(self) -> int:
        """Requests sent and not yet answered."""
        return sum(len(instance.outstanding) for instance in self._instances.values())

    def is_absent(self, service: int) -> bool:
        """No instance takes requests of the service."""
        return not self._eligible(service)

    def attach(self, instance: Instance) -> None:
        """Adds an instance. Raises `DuplicateInstance` for an id that is attached; nothing changed then."""
        if instance.instance_id in self._instances:
            raise DuplicateInstance(f"{self.xapp_name}/{instance.instance_id} is already attached: instance ids are unique")
        instance.weight = self._kept_weights.get(instance.version, instance.weight)
        self._instances[instance.instance_id] = instance

    def serve(self, instance: Instance, service: int) -> None:
        """The instance takes requests of a service from now on; those that waited for one are assigned at once."""
        instance.services.add(service)
        self.assign_waiting()

    def detach(self, instance: Instance) -> list[Pending]:
        """Removes an instance; what it held goes to the others or waits.

        Returns:
            Requests that had been delivered to it. One with a commit under way stays out of the queue until its verdict.
        """
        self._instances.pop(instance.instance_id, None)
        delivered = []
        for pending in instance.abandon():
            if pending.delivered:
                delivered.append(pending)
                pending.delivered = False
            if not pending.committing:
                self._waiting.append(pending)
        self.assign_waiting()
        return delivered

    def drain(self, instance: Instance) -> None:
        """Nothing new for this instance; its backlog goes to the others, what it holds it may answer."""
        instance.draining = True
        while instance.backlog:
            pending = instance.backlog.popleft()
            pending.instance = None
            self._waiting.append(pending)
        self.assign_waiting()

    def offer(self, pending: Pending) -> bool:
        """Takes a request in; False when the pool is full (nothing changed)."""
        if self.queued >= self._capacity:
            return False
        self._waiting.append(pending)
        self.assign_waiting()
        return True

    def withdraw(self, pending: Pending) -> None:
        """Takes a request out, wherever it is."""
        if pending.instance is not None:
            pending.instance.discard(pending)
            pending.instance.wake()
        elif pending in self._waiting:
            self._waiting.remove(pending)

    def take_waiting(self, service: int) -> list[Pending]:
        """Removes and returns what waits for an instance that takes the service."""
        waiting = [pending for pending in self._waiting if pending.flow.service == service]
        self._waiting = deque(pending for pending in self._waiting if pending.flow.service != service)
        return waiting

    def set_weight(self, version: str, weight: int, *, keep: bool = False) -> int:
        """Sets the share of a version; returns how many instances have it. What is already assigned stays.

        With `keep`, instances of the version that attach later get it, too, until it is set without.
        """
        check_weight(weight)
        if keep:
            if len(self._kept_weights) >= MAX_KEPT_WEIGHTS and version not in self._kept_weights:
                raise OutOfRange(f"weights of {MAX_KEPT_WEIGHTS} versions of {self.xapp_name} are kept: set one without keeping")
            self._kept_weights[version] = weight
        else:
            self._kept_weights.pop(version, None)
        matching = [instance for instance in self._instances.values() if instance.version == version]
        for instance in matching:
            instance.weight = weight
        self.assign_waiting()
        return len(matching)

    def assign_waiting(self) -> None:
        """Gives every waiting request for which there is an instance to one, in order of arrival."""
        for _ in range(len(self._waiting)):
            pending = self._waiting.popleft()
            eligible = self._eligible(pending.flow.service)
            if not eligible:
                self._waiting.append(pending)
                continue
            chosen = eligible[0] if len(eligible) == 1 else choose(eligible, pending.flow.flow_id)
            pending.instance = chosen
            chosen.backlog.append(pending)
            chosen.wake()

    def _eligible(self, service: int) -> list[Instance]:
        return [i for i in self._instances.values() if i.weight > 0 and not i.draining and service in i.services]


def choose(instances: list[Instance], flow_id: str) -> Instance:
    """Weighted rendezvous hashing: the same flow meets the same instance as long as that one is there.

    A version's weight is shared by its instances, so scaling a version out does not change the split between versions;
    a change of weights moves only the flows that have to move.
    """
    per_version: dict[str, int] = {}
    for instance in instances:
        per_version[instance.version] = per_version.get(instance.version, 0) + 1

    def score(instance: Instance) -> float:
        digest = hashlib.blake2b(f"{instance.instance_id}/{flow_id}".encode(), digest_size=8).digest()
        uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
        return -instance.weight / per_version[instance.version] / math.log(uniform)

    return max(instances, key=score)


def check_weight(weight: int) -> None:
    """Raises OutOfRange for a weight that cannot be."""
    if not 0 <= weight <= MAX_WEIGHT:
        raise OutOfRange(f"weight {weight} is not in 0 to {MAX_WEIGHT}")


def check_window(window: int) -> None:
    """Raises OutOfRange for a window that cannot be."""
    if not 1 <= window <= MAX_WINDOW:
        raise OutOfRange(f"window {window} is not in 1 to {MAX_WINDOW}")
