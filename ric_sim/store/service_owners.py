"""Which xApp takes which service's requests, kept beside the resources so that it outlives the RIC process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping

import redis.exceptions

from ric_sim.store.access import StoreAccess
from ric_sim.store.keys import service_owners_key


class StoredServiceOwners:
    """One JSON value per namespace; a change that finds the store away is written when the next one comes."""

    def __init__(self, store: str | StoreAccess, namespace: str, *, patience_s: float = 5.0) -> None:
        self._key = service_owners_key(namespace)
        self._client = StoreAccess.of(store).async_client(patience_s=patience_s)
        self._writing: asyncio.Task[None] | None = None

    async def load(self) -> dict[str, list[str]]:
        """What was kept last: xApp name -> service keys; empty for a new namespace."""
        value = await self._client.get(self._key)
        return json.loads(value) if value else {}

    def save(self, owners: Mapping[str, Iterable[str]]) -> None:
        """Replaces what is kept, in the background."""
        value = json.dumps({name: list(keys) for name, keys in owners.items()})
        self._writing = asyncio.get_running_loop().create_task(self._write(value, after=self._writing))

    async def aclose(self) -> None:
        """Waits for the last write and closes the connection."""
        if self._writing is not None:
            await self._writing
        await self._client.aclose()

    async def _write(self, value: str, *, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await after
        for delay_s in (0.1, 0.3, 1.0, 3.0):
            try:
                await self._client.set(self._key, value)
                return
            except redis.exceptions.RedisError:
                await asyncio.sleep(delay_s)
