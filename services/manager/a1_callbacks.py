"""Status notifications to the destinations that policies name. A destination that hangs delays only its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from ric_sim.domain.errors import InvalidInput
from services.manager.a1_book import Status
from services.manager.a1_destinations import Destinations, GuardedTransport

FIRST_PAUSE_S = 0.2
MAX_CONNECTIONS = 256


class Notifier:
    """Posts the newest status of each policy to its destination: one after the other per host, hosts side by side.

    A status that is overtaken before it is sent is not sent; so what waits is bounded by the number of policies.
    """

    def __init__(self, destinations: Destinations, *, timeout_s: float, tries: int, log: Any) -> None:
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS)
        transport = GuardedTransport(destinations, limits=limits)
        self._client = httpx.AsyncClient(transport=transport, timeout=timeout_s, trust_env=False)
        self._timeout_s = timeout_s
        self._tries = tries
        self._log = log
        self._waiting: dict[str, dict[tuple[str, str], Status]] = {}
        self._senders: dict[str, asyncio.Task[None]] = {}

    def notify(self, policy_id: str, destination: str, status: Status) -> None:
        """Queues a notification; returns at once."""
        host = urlsplit(destination).netloc
        self._waiting.setdefault(host, {})[policy_id, destination] = status
        if host not in self._senders:
            self._senders[host] = asyncio.get_running_loop().create_task(self._send_all(host))

    async def close(self) -> None:
        """Drops what has not been sent."""
        senders = list(self._senders.values())
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
        await self._client.aclose()

    async def _send_all(self, host: str) -> None:
        waiting = self._waiting[host]
        try:
            while waiting:
                (policy_id, destination), status = next(iter(waiting.items()))
                del waiting[policy_id, destination]
                await self._send(policy_id, destination, status.as_json())
        finally:
            del self._senders[host], self._waiting[host]

    async def _send(self, policy_id: str, destination: str, body: Mapping[str, str]) -> None:
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, self._tries + 1):
            try:
                async with asyncio.timeout(self._timeout_s):  # also a peer that sends its answer byte by byte
                    response = await self._client.post(destination, json=body)
                if response.is_success:
                    return
                error = f"status {response.status_code}"
            except InvalidInput as refusal:  # asking again would not make the destination another one
                self._log.warning("a1.destination_refused", policy_id=policy_id, destination=destination, error=str(refusal))
                return
            except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as failure:
                error = repr(failure)
            if attempt < self._tries:
                await asyncio.sleep(pause_s)
                pause_s *= 2
        self._log.warning("a1.notification_lost", policy_id=policy_id, destination=destination, error=error, tries=self._tries)
