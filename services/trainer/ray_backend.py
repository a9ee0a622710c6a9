"""The paper's shape: the shared environment and each agent as an actor of Ray, a driver that only looks on.

The driver keeps a few pieces of work queued with each agent, so that nobody waits while it evaluates or writes a checkpoint.
An agent that dies comes back with its last reported state; meanwhile a plain rule carries its requests and the others go on.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ric_sim.domain.errors import DeploymentFailed, RicityError
from ric_sim.network.city import City
from ric_sim.network.traffic import Day
from services.trainer.async_trainer import IDLE_PAUSE_S, AgentLedger, AgentsPlan
from xapps.learning.async_agent import AgentReport, AsyncAgent
from xapps.learning.config import TrainingConfig
from xapps.learning.shared_env import CommitBatch, MemoryEnvironment, RequestBatch, Routes
from xapps.learning.validation import Score

_QUEUED = 4
"""Pieces of work that wait in an agent; each ends with an update or after `_WORK_S`."""
_WORK_S = 1.0
_OBJECT_STORE_BYTES = 256 * 2**20
_MOST_DEATHS = 3
"""Deaths of one agent without a report in between, after which the run gives up."""

Report = tuple[AgentReport, dict[str, Any]]


class RemoteEnvironment:
    """`SharedEnvironment` over the actor that holds it. Every call raises `DeploymentFailed` when that is gone."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def _get(self, answer: Any) -> Any:
        import ray

        try:
            return ray.get(answer)
        except ray.exceptions.RayActorError as error:
            raise DeploymentFailed("the process of the shared environment is gone; go on with --resume") from error

    def prepare(self, services: Sequence[int]) -> None:
        self._get(self._actor.prepare.remote(services))

    def fetch(self, service: int, count: int) -> RequestBatch:
        return self._get(self._actor.fetch.remote(service, count))

    def commit(self, service: int, tickets: tuple[int, np.ndarray], routes: Routes, *, final: bool) -> CommitBatch:
        return self._get(self._actor.commit.remote(service, tickets, routes, final=final))

    def state_dict(self) -> dict[str, Any]:
        return self._get(self._actor.state_dict.remote())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._get(self._actor.load_state_dict.remote(state))


class EnvironmentActor(MemoryEnvironment):
    """The shared environment in a process of its own; one call at a time, so each is atomic."""

    def __init__(self, scenarios: Sequence[tuple[City, Day]], config: TrainingConfig, seed: int) -> None:
        torch.set_num_threads(1)
        super().__init__(scenarios, config, seed=seed)

    def pid(self) -> int:
        return os.getpid()


class AgentActor:
    """One agent in a process of its own."""

    def __init__(self, service: int, environment: Any, plan: AgentsPlan, state: dict[str, Any] | None) -> None:
        torch.set_num_threads(1)
        torch.set_float32_matmul_precision(plan.config.matmul_precision)
        self._agent = AsyncAgent(service, plan.cities, RemoteEnvironment(environment), plan.config, seed=plan.seed)
        if state is not None:
            self._agent.load_state_dict(state)

    def pid(self) -> int:
        return os.getpid()

    def work(self) -> Report:
        """Goes on until an update or for `_WORK_S`: what was done, and the state after it."""
        done, until_s = AgentReport(), time.monotonic() + _WORK_S
        while done.scalars is None and time.monotonic() < until_s:
            part = self._agent.advance()
            done.add(part)
            if not part.requests:
                time.sleep(IDLE_PAUSE_S)
        return done, self._agent.state_dict()


class RayTrainer:
    """`Trainer` over actors; Ray starts with `prepare` and ends with `close`."""

    def __init__(self, plan: AgentsPlan, scenarios: Sequence[tuple[City, Day]]) -> None:
        self._plan, self._scenarios = plan, scenarios
        self._ledger, self.steps = AgentLedger(plan), 0
        self._states: dict[str, dict[str, Any] | None] = dict.fromkeys(plan.services)
        self._environment_state: dict[str, Any] | None = None
        self._actor: Any = None
        self._actors: dict[str, Any] = {}
        self._pids: dict[str, Any] = {}
        self._pending: dict[Any, str] = {}
        self._deaths = dict.fromkeys(plan.services, 0)
        self.restarts = 0

    def prepare(self) -> None:
        """Starts Ray, the environment and the agents.

        Raises:
            DeploymentFailed: an actor does not start.
        """
        import ray

        start_ray(n_actors=len(self._plan.services) + 1)
        environment = ray.remote(EnvironmentActor).options(num_cpus=0)
        self._actor = environment.remote(ray.put(self._scenarios), self._plan.config, self._plan.seed)
        self._environment = RemoteEnvironment(self._actor)
        if self._environment_state is not None:
            self._environment.load_state_dict(self._environment_state)
        self._environment.prepare(self._plan.indices)
        self._shared_plan = ray.put(self._plan)
        for key in self._plan.services:
            self._start(key)

    def _start(self, key: str) -> None:
        import ray

        service = self._plan.indices[self._plan.services.index(key)]
        agent = ray.remote(AgentActor).options(num_cpus=0)
        self._actors[key] = agent.remote(service, self._actor, self._shared_plan, self._states[key])
        self._pids[key] = self._actors[key].pid.remote()
        for _ in range(_QUEUED):
            self._queue(key)

    def _queue(self, key: str) -> None:
        self._pending[self._actors[key].work.remote()] = key

    def agent_pid(self, key: str) -> int:
        """Process id of an agent."""
        import ray

        return ray.get(self._pids[key])

    def environment_pid(self) -> int:
        """Process id of the shared environment."""
        import ray

        return ray.get(self._actor.pid.remote())

    def advance(self) -> dict[str, dict[str, float]]:
        """Waits for the next report of any agent: its scalars by service key, if it has updated.

        Raises:
            TrainingDiverged: an agent's; its last state is good.
            DeploymentFailed: the environment is gone, or an agent keeps dying.
        """
        import ray

        (ready,), _ = ray.wait(list(self._pending), num_returns=1)
        key = self._pending.pop(ready)
        try:
            report, state = ray.get(ready)
        except ray.exceptions.RayActorError as error:
            self._restart(key, error)
            return {}
        except ray.exceptions.RayTaskError as error:
            raise _our_error(error) from error
        self._queue(key)
        self._deaths[key] = 0
        self._states[key] = state
        scalars = self._ledger.account(key, report)
        self.steps = self._ledger.steps
        return {key: scalars} if scalars else {}

    def _restart(self, key: str, error: Exception) -> None:
        self._deaths[key] += 1
        self.restarts += 1
        if self._deaths[key] > _MOST_DEATHS:
            raise DeploymentFailed(f"agent {key} died {self._deaths[key]} times in a row: {error}") from error
        self._pending = {ref: other for ref, other in self._pending.items() if other != key}
        self._start(key)

    def score(self) -> Score:
        self._load_networks()
        return self._ledger.score()

    def save_weights(self) -> None:
        self._load_networks()
        self._ledger.save_weights()

    def _load_networks(self) -> None:
        for key, index in zip(self._plan.services, self._plan.indices, strict=True):
            state = self._states[key]
            if state is not None:
                self._ledger.networks[index].load_state_dict(state["learner"]["network"])

    def facts(self) -> dict[str, Any]:
        """As of the ledger, and how often an agent was restarted."""
        return {**self._ledger.facts(), "restarts": self.restarts}

    def close(self) -> None:
        """Ends all actors and Ray itself."""
        import ray

        self._pending.clear()
        self._actors.clear()
        ray.shutdown()

    def state_dict(self) -> dict[str, Any]:
        return {
            "ledger": self._ledger.state_dict(),
            "agents": self._states,
            "environment": self._environment.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """To be called before `prepare`."""
        self._ledger.load_state_dict(state["ledger"])
        self.steps = self._ledger.steps
        self._states, self._environment_state = state["agents"], state["environment"]


def start_ray(*, n_actors: int) -> None:
    """Joins the cluster that `RAY_ADDRESS` names, as Ray's own jobs have it (KubeRay's, too); without it starts a Ray of its own
    on this machine, without dashboard, with a bounded object store. Either way one thread per process.

    Raises:
        DeploymentFailed: Ray is not installed or does not start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise DeploymentFailed("the backend ray needs the package ray: install ricity[train]") from error
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    of_its_own: dict[str, Any] = {
        "address": "local",
        "num_cpus": n_actors,
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE_BYTES,
    }
    cluster = os.environ.get("RAY_ADDRESS")
    try:
        ray.init(
            **({"address": cluster} if cluster else of_its_own),
            logging_level=logging.ERROR,
            log_to_driver=False,
            runtime_env={"env_vars": one_thread},
        )
    except (RuntimeError, ConnectionError, ValueError) as error:
        raise DeploymentFailed(f"Ray does not start: {error}") from error


def _our_error(error: Any) -> RicityError:
    """The error an agent raised; that of a dead environment as `DeploymentFailed`."""
    cause = error.cause
    if isinstance(cause, RicityError):
        return cause
    return DeploymentFailed(f"an agent failed with {type(cause).__name__}: {cause}; go on with --resume")
