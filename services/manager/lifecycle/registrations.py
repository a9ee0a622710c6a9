"""Who has registered by HTTP, and who wants to hear of changes: the application manager's part of `/ric/v1`.

Registrations are what an xApp says of itself; they start nothing. As O-RAN SC's xApps do, one registers again when it starts,
so none is kept over a restart of the manager; the same goes for hooks.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import httpx

from ric_sim.domain.errors import InvalidInput, NotFound, Overloaded
from services.manager.a1_destinations import Destinations, GuardedTransport

MAX_REGISTRATIONS, MAX_HOOKS = 10_000, 1_000
MAX_CONNECTIONS = 64
CALL_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Registration:
    """One xApp instance in its own words; names as O-RAN SC has them."""

    appName: str
    appInstanceName: str
    appVersion: str = ""
    configPath: str = ""
    httpEndpoint: str = ""
    rmrEndpoint: str = ""
    config: str = ""


@dataclass(frozen=True, slots=True)
class Hook:
    """Where changes are told; `retryTimer` in seconds."""

    targetUrl: str
    eventType: str
    maxRetries: int
    retryTimer: int
    hook_id: str = ""

    def as_json(self) -> str:
        """The `data` of O-RAN SC's subscription."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "hook_id"})


class Registrations:
    """Registered xApps and hooks of one manager."""

    def __init__(self, destinations: Destinations, *, log: Any) -> None:
        self._destinations = destinations
        self._log = log
        self._registered: dict[tuple[str, str], Registration] = {}
        self._hooks: dict[str, Hook] = {}
        self._version = 0
        self._tasks: set[asyncio.Task[None]] = set()
        transport = GuardedTransport(destinations, limits=httpx.Limits(max_connections=MAX_CONNECTIONS))
        self._client = httpx.AsyncClient(transport=transport, timeout=CALL_TIMEOUT_S, trust_env=False)

    @property
    def hooks(self) -> Mapping[str, Hook]:
        """By id."""
        return self._hooks

    def put(self, registration: Registration) -> None:
        """Registers an instance, again or for the first time. Raises `Overloaded`."""
        if len(self._registered) >= MAX_REGISTRATIONS:
            raise Overloaded(f"{MAX_REGISTRATIONS} instances are registered: deregister some")
        self._registered[registration.appName, registration.appInstanceName] = registration

    def remove(self, name: str, instance: str) -> None:
        """Raises `NotFound`."""
        if self._registered.pop((name, instance), None) is None:
            raise NotFound(f"{name!r:.80} instance {instance!r:.80} is not registered")

    def add_hook(self, hook: Hook) -> Hook:
        """The hook with its id. Raises `Overloaded`."""
        if len(self._hooks) >= MAX_HOOKS:
            raise Overloaded(f"{MAX_HOOKS} subscriptions: delete some")
        return self._keep(replace(hook, hook_id=uuid.uuid4().hex))

    def hook(self, hook_id: str) -> Hook:
        """Raises `NotFound`."""
        if hook_id not in self._hooks:
            raise NotFound(f"no subscription {hook_id!r:.80}: GET /ric/v1/subscriptions lists them")
        return self._hooks[hook_id]

    def change_hook(self, hook_id: str, hook: Hook) -> Hook:
        """Replaces a hook. Raises `NotFound`."""
        self.hook(hook_id)
        return self._keep(replace(hook, hook_id=hook_id))

    def remove_hook(self, hook_id: str) -> None:
        """Raises `NotFound`."""
        self.hook(hook_id)
        del self._hooks[hook_id]

    def announce(self, name: str, event: str) -> None:
        """Tells every hook that wants to hear of it; returns at once."""
        self._version += 1
        for hook in self._hooks.values():
            if hook.eventType in ("all", event):
                body = {"id": hook.hook_id, "version": self._version, "eventType": event, "xApps": [{"name": name}]}
                task = asyncio.get_running_loop().create_task(self._post(hook, body))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Drops what has not been told."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def _keep(self, hook: Hook) -> Hook:
        self._destinations.check(hook.targetUrl)
        self._hooks[hook.hook_id] = hook
        return hook

    async def _post(self, hook: Hook, body: Mapping[str, Any]) -> None:
        error = ""
        for attempt in range(hook.maxRetries + 1):
            if attempt:
                await asyncio.sleep(hook.retryTimer)
            try:
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    if (await self._client.post(hook.targetUrl, json=body)).is_success:
                        return
                error = "refused"
            except (httpx.HTTPError, httpx.InvalidURL, InvalidInput, OSError, TimeoutError) as failure:
                error = repr(failure)
        self._log.warning("xapp.hook_lost", target=hook.targetUrl, error=error)
