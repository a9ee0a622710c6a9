"""The manager's line to the RIC: changes go there first, statuses come from there."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc

from ric_sim.domain.errors import InvalidInput, Overloaded, RicityError, RicUnreachable
from ricity.a1.v1 import policy_pb2, policy_pb2_grpc
from services.common.tls import Transport
from services.manager.a1_book import PolicyCache
from services.manager.ric_answers import answered

CALL_TIMEOUT_S = 3.0
SILENCE_S = 3.0
"""The RIC sends something every second; after so long without anything it is taken for lost."""

RETRY_S = 0.3


class RicLink:
    """One channel to one RIC; keeps `cache` in step with it."""

    def __init__(self, target: str, transport: Transport, cache: PolicyCache, *, log: Any) -> None:
        self._target = target
        self._cache = cache
        self._log = log
        self._channel = transport.channel(target, peer="ric")
        self._stub = policy_pb2_grpc.PolicyServiceStub(self._channel)
        self._changing = asyncio.Lock()  # the listing of a new association and single changes exclude each other
        self._is_in_doubt = False  # a change was not answered: the RIC may have carried it out
        self._ending: set[str] = set()  # ids whose deletion was not answered
        self._refused: dict[str, str] = {}  # why, by id of a policy that was to be given back

    async def put(self, policy: policy_pb2.Policy) -> bool:
        """Creates (True) or replaces (False) a policy; it is stored when this returns.

        Raises:
            InvalidInput: the city does not have what it names, or another type has the id;
                Overloaded: too many; RicUnreachable: ask again later.
        """
        async with self._changing:
            exists = self._cache.exists(policy.policy_type_id, policy.policy_id)
            try:
                await self._put(policy)
            except RicUnreachable:
                self._is_in_doubt = True
                raise
            self._cache.keep(policy)
        return not exists

    async def delete(self, type_id: str, policy_id: str) -> None:
        """Ends a policy of that type. Raises `NotFound`, `RicUnreachable`."""
        async with self._changing:
            self._cache.find(type_id, policy_id)
            request = policy_pb2.DeletePolicyRequest(policy_id=policy_id)
            try:
                await answered(self._target, self._stub.DeletePolicy(request, timeout=CALL_TIMEOUT_S))
            except RicUnreachable:
                self._is_in_doubt = True
                self._ending.add(policy_id)
                raise
            self._cache.forget(policy_id)
            self._refused.pop(policy_id, None)

    async def run(self) -> None:
        """Follows the RIC until cancelled; one that is away is tried again for ever."""
        is_told = False  # that this absence goes on; each try would fill the log
        while True:
            try:
                await self._synchronise()
                await self._follow()
            except RicityError as error:
                if self._cache.alive:
                    self._log.warning("ric.lost", ric=self._target, error=str(error))
                    is_told = False
                elif not is_told:
                    self._log.warning("ric.not_followed", ric=self._target, error=str(error))
                    is_told = True
            finally:
                self._cache.lost()
            await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def _synchronise(self, *, within_s: float = 4 * CALL_TIMEOUT_S) -> None:
        """Takes over what the RIC holds; gives it what a store without its last moments has lost.

        What it refuses is kept here, not enforced, until it is deleted or the RIC of a later association takes it.
        """
        async with self._changing:
            known: dict[str, policy_pb2.Policy] = {}
            call = self._stub.ListPolicies(policy_pb2.ListPoliciesRequest(), timeout=within_s)
            while (page := await answered(self._target, call.read())) is not grpc.aio.EOF:
                known.update({policy.policy_id: policy for policy in page.policies})
            for policy in self._cache.all():
                if policy.policy_id not in known and policy.policy_id not in self._ending:
                    await self._give_back(policy)
                    known[policy.policy_id] = policy
            self._cache.replace(known.values())
            self._ending.clear()
            self._is_in_doubt = False

    async def _give_back(self, policy: policy_pb2.Policy) -> None:
        try:
            await self._put(policy)
        except (InvalidInput, Overloaded) as error:
            reason = str(error)
            if self._refused.get(policy.policy_id) != reason:
                self._log.error("ric.policy_refused", ric=self._target, policy=policy.policy_id, error=reason)
            self._refused[policy.policy_id] = reason

    async def _follow(self) -> None:
        call = self._stub.WatchEnforcement(policy_pb2.WatchEnforcementRequest())
        try:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    message = await answered(self._target, call.read())
                if message is grpc.aio.EOF:
                    raise RicUnreachable(f"the RIC at {self._target} ended the watch")
                if not self._cache.alive:
                    self._log.info("ric.followed", ric=self._target, policies=len(self._cache))
                self._cache.heard(message.statuses)
                if self._is_in_doubt:
                    with contextlib.suppress(RicUnreachable):  # asked again with the next message
                        await self._synchronise(within_s=SILENCE_S)
        except TimeoutError:
            raise RicUnreachable(f"the RIC at {self._target} has been silent for {SILENCE_S:g} s") from None
        finally:
            call.cancel()

    async def _put(self, policy: policy_pb2.Policy) -> None:
        response = await answered(
            self._target, self._stub.PutPolicy(policy_pb2.PutPolicyRequest(policy=policy), timeout=CALL_TIMEOUT_S)
        )
        policy.generation = response.generation
        self._refused.pop(policy.policy_id, None)
        self._ending.discard(policy.policy_id)
