"""The critic's loop: learn while experience comes, push, keep a checkpoint."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ric_sim.domain.errors import InvalidInput
from ricity.learning.v1 import learning_pb2, learning_pb2_grpc
from xapps.critic.checkpoint import load_checkpoint, save_checkpoint
from xapps.critic.learner import LiveLearner
from xapps.critic.push import Pusher
from xapps.critic.registry_link import RegistryLink
from xapps.critic.session import CriticAdminServicer, LearningServicer
from xapps.critic.settings import CriticSettings
from xapps.sdk.standalone import HealthStatus, create_server

_LONGEST_WAIT_S = 0.5
_STOP_GRACE_S = 0.2


@dataclass(frozen=True)
class RunningCritic:
    """A critic that serves; `loop` ends only with an error."""

    grpc_port: int
    learner: LiveLearner
    servicer: LearningServicer
    pusher: Pusher
    loop: asyncio.Task[None]


@contextlib.asynccontextmanager
async def running_critic(settings: CriticSettings, *, log: Any) -> AsyncIterator[RunningCritic]:
    """A critic in this event loop, which goes on from its checkpoint and keeps a last one. Errors as of `LiveLearner`."""
    learner, news, status = LiveLearner(settings, log=log), asyncio.Event(), HealthStatus()
    if not _resume(learner, settings, log):
        learner.rehearse()
    access = settings.transport.access()
    servicer = LearningServicer(learner, access, on_news=news.set, log=log)
    pusher = Pusher(learner, timeout_s=settings.stage_timeout_ms / 1000, log=log)
    service_names = [service.full_name for service in learning_pb2.DESCRIPTOR.services_by_name.values()]
    server = create_server(status, service_names, admit=access.admit)
    learning_pb2_grpc.add_LearningServiceServicer_to_server(servicer, server)
    learning_pb2_grpc.add_CriticAdminServiceServicer_to_server(CriticAdminServicer(settings, servicer, learner), server)
    grpc_port = settings.transport.bind(server, host=settings.host, port=settings.grpc_port)
    await server.start()
    await status.set_ready(ready=True)
    keeper, registry = CheckpointKeeper(learner, settings, log=log), RegistryLink(learner, settings, log=log)
    loop = asyncio.create_task(_learn(servicer, pusher, keeper, registry, news, push_every=settings.push_every))
    try:
        yield RunningCritic(grpc_port, learner, servicer, pusher, loop)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await registry.close()
        await keeper.save()
        await server.stop(_STOP_GRACE_S)


class CheckpointKeeper:
    """Saves every so often; a disk that is full costs the checkpoint, not the learning."""

    def __init__(self, learner: LiveLearner, settings: CriticSettings, *, log: Any) -> None:
        self.learner = learner
        self._folder, self._every_s, self._log = settings.out, settings.checkpoint_every_s, log
        self._saved_s, self._saved_updates = time.monotonic(), learner.n_updates
        self._writing = threading.Lock()  # a thread outlives the task that waits for it

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self._saved_s >= self._every_s and self.learner.n_updates != self._saved_updates

    async def save(self) -> None:
        """Takes a copy at once and writes it in a thread."""
        self._saved_s, self._saved_updates = time.monotonic(), self.learner.n_updates
        if self._folder is None:
            return
        state = self.learner.state_dict()
        try:
            await asyncio.to_thread(self._write, self._folder, state)
        except OSError as error:
            self.learner.metrics.checkpoints["failed"].inc()
            self._log.error("checkpoint.failed", error=str(error))
        else:
            self.learner.metrics.checkpoints["saved"].inc()

    def _write(self, folder: Path, state: dict[str, Any]) -> None:
        with self._writing:
            save_checkpoint(folder, state)


def _resume(learner: LiveLearner, settings: CriticSettings, log: Any) -> bool:
    """What cannot be gone on from is set aside or left alone; the critic then begins anew."""
    try:
        state = load_checkpoint(settings.out) if settings.out else None
        if state is not None:
            learner.load_state_dict(state)
    except (ValueError, InvalidInput) as error:
        learner.metrics.checkpoints["unreadable"].inc()
        log.error("checkpoint.unusable", error=str(error))
        return False
    if state is not None:
        log.info("critic.resumed", updates=learner.n_updates, version=learner.version, transitions=learner.n_transitions)
    return state is not None


async def _learn(
    servicer: LearningServicer,
    pusher: Pusher,
    keeper: CheckpointKeeper,
    registry: RegistryLink,
    news: asyncio.Event,
    *,
    push_every: int,
) -> None:
    """One thing at a time: no update runs while a push is under way, so that its answers are read at once."""
    learner, pushed_at = keeper.learner, keeper.learner.n_updates
    while True:
        if learner.is_due:
            learner.update()
            await asyncio.sleep(0)
        else:
            news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_WAIT_S):
                    await news.wait()
        sessions = list(servicer.sessions.values())
        if abs(learner.n_updates - pushed_at) >= push_every and sessions:
            pushed_at = learner.n_updates
            if learner.try_actors():
                await pusher.push(sessions)
        elif learner.has_weights and (lacking := [session for session in sessions if session.needs_weights]):
            await pusher.push(lacking)
        if keeper.is_due:
            await keeper.save()
        if registry.is_due:
            registry.begin()
