"""A1 policies, kept beside the resources so that they outlive the RIC process and the manager."""

from __future__ import annotations

from typing import Any

from ric_sim.store.access import StoreAccess
from ric_sim.store.connection import TranslatedErrors
from ric_sim.store.keys import policies_key

ANSWER_WITHIN_S = 2.0
"""Less than those wait who ask for a change of a policy."""


class StoredPolicies:
    """One field per policy; the values are the caller's. Every method raises `StoreUnreachable` when the store is away."""

    def __init__(self, store: str | StoreAccess, namespace: str, *, patience_s: float = 5.0) -> None:
        self._key = policies_key(namespace)
        access = StoreAccess.of(store)
        self._errors = TranslatedErrors(access.address)
        self._client = access.async_client(patience_s=patience_s, answer_within_s=ANSWER_WITHIN_S)

    async def load(self) -> dict[str, bytes]:
        """All of them by policy id."""
        with self._errors:
            found: Any = await self._client.hgetall(self._key)  # bytes: the connection decodes nothing
        return {policy_id.decode(): value for policy_id, value in found.items()}

    async def put(self, policy_id: str, value: bytes) -> None:
        """Creates or replaces one."""
        with self._errors:
            await self._client.hset(self._key, policy_id, value)

    async def delete(self, policy_id: str) -> None:
        """Removes one; nothing happens if there is none."""
        with self._errors:
            await self._client.hdel(self._key, policy_id)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
