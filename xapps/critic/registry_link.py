"""The critic's way to the model registry: what it has learnt so far, published as a staged version every so often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx

from ric_sim.domain.errors import RegistryUnavailable
from ric_sim.domain.weight_file import SUFFIX
from xapps.critic.learner import LiveLearner
from xapps.critic.settings import CriticSettings

_TIMEOUT_S = 10.0
_RETRY_S = 30.0
_SHOWN = 300


class RegistryLink:
    """Publishes beside the learning, one publication at a time. A registry that is away is counted, and tried again."""

    def __init__(self, learner: LiveLearner, settings: CriticSettings, *, log: Any) -> None:
        self._learner, self._settings, self._log = learner, settings, log
        self._every_s = 60.0 * settings.registry_every_min
        self._due_s = time.monotonic() + self._every_s
        self._published_updates = learner.n_updates
        self._task: asyncio.Task[None] | None = None

    @property
    def is_due(self) -> bool:
        """Whether something was learnt since the last publication, it is long enough ago, and none is under way."""
        if not self._settings.registry or (self._task is not None and not self._task.done()):
            return False
        learnt = self._learner.has_weights and self._learner.n_updates != self._published_updates
        return learnt and time.monotonic() >= self._due_s

    def begin(self) -> None:
        """Copies what is published now and sends it in a task of its own."""
        self._due_s = time.monotonic() + self._every_s
        self._task = asyncio.create_task(self._publish(self._learner.files(), self._learner.n_updates))

    async def close(self) -> None:
        """Ends a publication that is under way; the registry keeps it as a whole or not at all."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _publish(self, files: Mapping[str, bytes], n_updates: int) -> None:
        published = self._learner.metrics.publications
        try:
            version = await self._send(files)
        except (httpx.HTTPError, RegistryUnavailable) as error:
            self._due_s = time.monotonic() + min(_RETRY_S, self._every_s)
            published["failed"].inc()
            self._log.warning("publication.failed", registry=self._settings.registry, error=(str(error) or repr(error))[:_SHOWN])
        else:
            self._published_updates = n_updates
            published["published"].inc()
            self._log.info("critic.published", model=self._settings.registry_model, version=version, updates=n_updates)

    async def _send(self, files: Mapping[str, bytes]) -> int:
        """Publishes, retires the staged versions before, and has the oldest retired ones dropped; the new version's number."""
        settings = self._settings
        model = f"/registry/v1/models/{settings.registry_model}"
        token = self._token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        trusted = settings.transport.trusted()
        async with httpx.AsyncClient(
            base_url=settings.registry, headers=headers, verify=trusted, timeout=_TIMEOUT_S, trust_env=False
        ) as client:
            sent = [("files", (f"{agent}{SUFFIX}", content)) for agent, content in files.items()]
            version = int(_checked(await client.post(f"{model}/versions", files=sent)).json()["version"])
            for other in _checked(await client.get(model)).json()["versions"]:
                if other["stage"] == "staged" and other["version"] < version:
                    number = other["version"]
                    _checked(await client.post(f"{model}/versions/{number}/stage", json={"stage": "retired"}))
            sweep = {"keep_retired": settings.registry_keep_retired, "model": settings.registry_model}
            _checked(await client.post("/registry/v1/sweep", json=sweep))
        return version

    def _token(self) -> str:
        """Empty for none. Raises `RegistryUnavailable` if its file cannot be read."""
        settings = self._settings
        if settings.token_file is None:
            return settings.token.get_secret_value() if settings.token else ""
        try:
            return settings.token_file.read_text().strip()
        except OSError as error:
            raise RegistryUnavailable(f"no token for the registry in {settings.token_file}: {error}") from error


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise RegistryUnavailable(
            f"{answer.request.url} answered {answer.status_code}: {answer.text[:_SHOWN]}; "
            "look at RICITY_REGISTRY, RICITY_REGISTRY_MODEL and RICITY_TOKEN"
        )
    return answer
