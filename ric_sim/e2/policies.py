"""The RIC's part in A1: keeps the policies, has them obeyed, and knows which are.

A change is stored first, then put in force: the RIC's own check of every commit, the priorities, and a notice to every
xApp. A policy about routes counts as enforced when each instance that serves a service of its scope has confirmed a
generation not older than the policy's.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from ric_sim.domain.errors import InvalidInput, Overloaded, StoreCorrupt, StoreUnreachable
from ric_sim.domain.flow import Cause
from ric_sim.domain.reservation import CommitRequest
from ric_sim.e2.codec import admission_cause, resource_name
from ric_sim.e2.displacing import Displacing
from ric_sim.e2.policy_compiler import Confirmed, HeldPolicy, Rules, compile_rules, status_of
from ric_sim.e2.policy_scope import Directive, check_policy_id, directive_of
from ric_sim.e2.ports import XappPort
from ric_sim.network.city import City
from ricity.a1.v1 import policy_pb2
from ricity.e2.v1 import common_pb2

T = TypeVar("T")

MAX_POLICIES = 20_000
SETTLE_S = 0.02
"""Changes that come within this time are put in force together."""

SETTLE_SHARE = 0.1
"""At most this share of the event loop goes into putting policies in force, however many there are."""

HEARTBEAT_S = 1.0
ASK_AGAIN_S = 0.5


class PolicyStorage(Protocol):
    """Where policies outlive the process; `StoreUnreachable` when it is away."""

    async def load(self) -> Mapping[str, bytes]: ...

    async def put(self, policy_id: str, value: bytes) -> None: ...

    async def delete(self, policy_id: str) -> None: ...


class PolicyBook:
    """All policies of one RIC. One event loop, no locks."""

    def __init__(self, city: City, displacing: Displacing) -> None:
        self._city = city
        self._displacing = displacing
        self._storage: PolicyStorage | None = None
        self._held: dict[str, HeldPolicy] = {}  # oldest change first
        self._generation = 0
        self._rules = Rules()
        self._confirmed: dict[XappPort, int] = {}
        self._radios: dict[object, tuple[int, frozenset[str]]] = {}
        self._writing = asyncio.Lock()  # what is stored last is what holds
        self._changes: set[asyncio.Task[Any]] = set()
        self._in_doubt: set[str] = set()  # ids whose change the storage did not answer: it may still carry it out
        self._doubt = asyncio.Event()
        self._dirty = asyncio.Event()
        self._news = asyncio.Event()
        self._statuses: dict[str, policy_pb2.PolicyStatus] = {}

    # --- the policies --------------------------------------------------------------------------------------------------

    async def restore(self, storage: PolicyStorage) -> None:
        """Takes up what was kept; it is in force when this returns. To be called before any work is taken."""
        self._storage = storage
        policies = [policy_pb2.Policy.FromString(value) for value in (await storage.load()).values()]
        for policy in sorted(policies, key=lambda policy: policy.generation):
            self._held[policy.policy_id] = HeldPolicy(policy, directive_of(self._city, policy))
            self._generation = policy.generation
        self._put_in_force()

    async def put(self, policy: policy_pb2.Policy) -> int:
        """Creates or replaces a policy; returns its generation once it is stored.

        Raises:
            InvalidInput: it names what the city does not have.
            Overloaded: there are `MAX_POLICIES` already.
            StoreUnreachable: the storage did not answer. In all three cases nothing changed here, and the storage is made to
                hold what holds here once it answers.
        """
        directive = directive_of(self._city, policy)
        if policy.policy_id not in self._held and len(self._held) >= MAX_POLICIES:
            raise Overloaded(f"{MAX_POLICIES} policies are kept already: delete one first")
        return await self._to_its_end(self._put(policy, directive))

    async def delete(self, policy_id: str) -> bool:
        """Ends a policy; False if there is none of that id. Raises `StoreUnreachable`, see `put`."""
        check_policy_id(policy_id)
        return await self._to_its_end(self._delete(policy_id))

    async def changed(self) -> None:
        """Waits for the changes that are under way; to be called when no more come, before the storage is closed."""
        await asyncio.gather(*self._changes, return_exceptions=True)

    async def keep_again(self) -> None:
        """Makes the storage hold what holds here, after it has lost its last changes. Raises `StoreUnreachable`."""
        async with self._writing:
            for policy_id in (await self._store.load()).keys() - self._held.keys():
                await self._store.delete(policy_id)
            for policy_id, held in self._held.items():
                await self._store.put(policy_id, held.policy.SerializeToString())

    def all(self) -> list[policy_pb2.Policy]:
        """Oldest change first."""
        return [held.policy for held in self._held.values()]

    async def settled(self) -> list[policy_pb2.Policy]:
        """`all`, once the changes under way have ended."""
        if self._changes:
            await asyncio.wait(set(self._changes))
        return self.all()

    async def keep_what_holds(self) -> None:
        """Until cancelled: when the storage left a change open, has it hold what holds here as soon as it answers."""
        while True:
            await self._doubt.wait()
            with contextlib.suppress(StoreUnreachable, StoreCorrupt):
                async with self._writing:
                    await self._keep_those_in_doubt()
            await asyncio.sleep(ASK_AGAIN_S)

    async def watch(self) -> AsyncIterator[list[policy_pb2.PolicyStatus]]:
        """Every status, then what has changed; an empty list when nothing has for `HEARTBEAT_S`."""
        sent: dict[str, policy_pb2.PolicyStatus] = {}
        while True:
            statuses, news = self._statuses, self._news
            # Most statuses are the same objects as before, which makes this comparison cheap.
            yield [status for policy_id, status in statuses.items() if sent.get(policy_id) is not status]
            sent = statuses
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await news.wait()
            except TimeoutError:
                continue

    # --- those who obey ------------------------------------------------------------------------------------------------

    def attached(self, port: XappPort) -> None:
        """A registered instance; it is told what holds, if anything ever did."""
        self._confirmed[port] = 0
        if self._generation:
            port.push(self._rules.notice())
        self._dirty.set()

    def confirm(self, port: XappPort, generation: int) -> None:
        """An instance's word that it obeys. Raises `InvalidInput` for a generation that it was never told."""
        if generation > self._rules.generation:
            raise InvalidInput(f"{port.label} confirms policy generation {generation}, the newest is {self._rules.generation}")
        self._confirmed[port] = max(self._confirmed.get(port, 0), generation)
        self._dirty.set()

    def enforced_by_radio(self, radio: object, generation: int, unmet: frozenset[str]) -> None:
        """A radio network has put a generation in force, but for the guarantees of the policies `unmet`."""
        if self._radios.get(radio) != (generation, unmet):
            self._radios[radio] = (generation, unmet)
            self._dirty.set()

    def radio_lost(self, radio: object) -> None:
        """It has gone or is silent: nothing says any more that it obeys."""
        if self._radios.pop(radio, None) is not None:
            self._dirty.set()

    @property
    def rules(self) -> Rules:
        """What is in force."""
        return self._rules

    def services_changed(self) -> None:
        """An instance came, went, drains, or serves other services than before."""
        self._dirty.set()

    def detached(self, port: XappPort) -> None:
        """The instance is gone."""
        self._confirmed.pop(port, None)
        self._dirty.set()

    def refusal(self, request: CommitRequest) -> tuple[int, common_pb2.Cause] | None:
        """The resource no flow of the service may use, and the cause; None if the commit is free to be tried."""
        forbidden = self._rules.forbidden.get(request.service)
        if not forbidden:
            return None
        for resource, _ in request.entries:
            if resource in forbidden:
                detail = f"policy {forbidden[resource]} forbids {resource_name(self._city, resource)}"
                return resource, admission_cause(Cause.LINK_CAPACITY, detail)
        return None

    async def run(self) -> None:
        """Puts changes in force, until cancelled."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            began_s = time.thread_time()  # not the clock: a process that stood still has not used the loop
            self._put_in_force()
            spent_s = time.thread_time() - began_s
            await asyncio.sleep(max(SETTLE_S, spent_s * (1 / SETTLE_SHARE - 1)))

    # --- inside --------------------------------------------------------------------------------------------------------

    async def _to_its_end(self, change: Coroutine[Any, Any, T]) -> T:
        """Waits for a change that also ends if the caller goes: the store may carry out what it was asked already."""
        task = asyncio.create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        return await asyncio.shield(task)

    async def _keep_those_in_doubt(self) -> None:
        await self._store.load()  # a server that answers has carried out what had reached it before
        for policy_id in sorted(self._in_doubt):
            if policy_id in self._held:
                await self._store.put(policy_id, self._held[policy_id].policy.SerializeToString())
            else:
                await self._store.delete(policy_id)
            self._in_doubt.discard(policy_id)
        self._doubt.clear()

    async def _stored(self, policy_id: str, change: Coroutine[Any, Any, None]) -> None:
        try:
            await change
        except StoreUnreachable:
            self._in_doubt.add(policy_id)
            self._doubt.set()
            raise
        self._in_doubt.discard(policy_id)

    async def _put(self, policy: policy_pb2.Policy, directive: Directive) -> int:
        async with self._writing:
            policy.generation = self._generation + 1
            await self._stored(policy.policy_id, self._store.put(policy.policy_id, policy.SerializeToString()))
            self._generation = policy.generation
            self._held.pop(policy.policy_id, None)
            self._held[policy.policy_id] = HeldPolicy(policy, directive)
            self._dirty.set()
        return policy.generation

    async def _delete(self, policy_id: str) -> bool:
        async with self._writing:
            if policy_id not in self._held:
                return False
            await self._stored(policy_id, self._store.delete(policy_id))
            del self._held[policy_id]
            self._generation += 1
            self._dirty.set()
        return True

    @property
    def _store(self) -> PolicyStorage:
        if self._storage is None:
            raise Overloaded("this RIC keeps no policies")
        return self._storage

    def _put_in_force(self) -> None:
        if self._rules.generation != self._generation:
            self._rules = compile_rules(self._held.values(), self._generation)
            self._displacing.override(self._rules.priorities)
            notice = self._rules.notice()
            for port in self._confirmed:
                port.push(notice)
        confirmed = Confirmed(
            self._confirmed_by_service(),
            min((generation for generation, _ in self._radios.values()), default=0),
            frozenset().union(*(unmet for _, unmet in self._radios.values())),
        )
        known = self._statuses
        self._statuses = {i: status_of(held, self._rules, confirmed, known.get(i)) for i, held in self._held.items()}
        self._news.set()
        self._news = asyncio.Event()

    def _confirmed_by_service(self) -> dict[int, int]:
        confirmed: dict[int, int] = {}
        for port, generation in self._confirmed.items():
            if port.instance is not None and not port.instance.draining:
                for service in port.instance.services:
                    confirmed[service] = min(confirmed.get(service, generation), generation)
        return confirmed
