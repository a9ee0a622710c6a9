"""`PolicyService`: what the A1 side asks of the RIC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ric_sim.e2.policies import PolicyBook
from ricity.a1.v1 import policy_pb2, policy_pb2_grpc

ITEMS_PER_MESSAGE = 500


class PolicyServicer(policy_pb2_grpc.PolicyServiceServicer):
    """Nothing is decided here."""

    def __init__(self, book: PolicyBook) -> None:
        self._book = book

    async def ListPolicies(self, request: Any, context: Any) -> AsyncIterator[policy_pb2.ListPoliciesResponse]:
        policies = await self._book.settled()
        for first in range(0, len(policies), ITEMS_PER_MESSAGE):
            yield policy_pb2.ListPoliciesResponse(policies=policies[first : first + ITEMS_PER_MESSAGE])

    async def PutPolicy(self, request: policy_pb2.PutPolicyRequest, context: Any) -> policy_pb2.PutPolicyResponse:
        return policy_pb2.PutPolicyResponse(generation=await self._book.put(request.policy))

    async def DeletePolicy(self, request: policy_pb2.DeletePolicyRequest, context: Any) -> policy_pb2.DeletePolicyResponse:
        return policy_pb2.DeletePolicyResponse(found=await self._book.delete(request.policy_id))

    async def WatchEnforcement(self, request: Any, context: Any) -> AsyncIterator[policy_pb2.WatchEnforcementResponse]:
        async for statuses in self._book.watch():
            for first in range(0, max(len(statuses), 1), ITEMS_PER_MESSAGE):
                yield policy_pb2.WatchEnforcementResponse(statuses=statuses[first : first + ITEMS_PER_MESSAGE])
