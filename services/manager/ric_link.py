"""The manager's line to the RIC: changes go there first, statuses come from there."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from ric_sim.domain.errors import RicityError, RicUnreachable
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

    async def put(self, policy: policy_pb2.Policy) -> None:
        """Creates or replaces a policy; it is stored when this returns.

        Raises:
            InvalidInput: the city does not have what it names; Overloaded: too many; RicUnreachable: ask again later.
        """
        async with self._changing:
            await self._put(policy)
            self._cache.keep(policy)

    async def delete(self, policy_id: str) -> None:
        """Ends a policy. Raises `RicUnreachable`."""
        async with self._changing:
            request = policy_pb2.DeletePolicyRequest(policy_id=policy_id)
            await answered(self._target, self._stub.DeletePolicy(request, timeout=CALL_TIMEOUT_S))
            self._cache.forget(policy_id)

    async def run(self) -> None:
        """Follows the RIC until cancelled; one that is away is tried again for ever."""
        while True:
            try:
                await self._synchronise()
                await self._follow()
            except RicityError as error:
                if self._cache.alive:
                    self._log.warning("ric.lost", ric=self._target, error=str(error))
            finally:
                self._cache.lost()
            await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def _synchronise(self) -> None:
        """Takes over what the RIC holds; gives it what a store without its last moments has lost."""
        async with self._changing:
            held: dict[str, policy_pb2.Policy] = {}
            call = self._stub.ListPolicies(policy_pb2.ListPoliciesRequest(), timeout=4 * CALL_TIMEOUT_S)
            while (page := await answered(self._target, call.read())) is not grpc.aio.EOF:
                held.update({policy.policy_id: policy for policy in page.policies})
            for policy in self._cache.all():
                if policy.policy_id not in held:
                    await self._put(policy)
                    held[policy.policy_id] = policy
            self._cache.replace(held.values())

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
        except TimeoutError:
            raise RicUnreachable(f"the RIC at {self._target} has been silent for {SILENCE_S:g} s") from None
        finally:
            call.cancel()

    async def _put(self, policy: policy_pb2.Policy) -> None:
        response = await answered(
            self._target, self._stub.PutPolicy(policy_pb2.PutPolicyRequest(policy=policy), timeout=CALL_TIMEOUT_S)
        )
        policy.generation = response.generation
