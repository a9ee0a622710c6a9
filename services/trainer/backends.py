"""Which trainer a run gets: local, on Ray, or against a live store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ric_sim.domain.errors import InvalidInput, UnknownKey
from ric_sim.network.city import City
from ric_sim.network.generator import generate_day
from ric_sim.network.montreal import build_city
from ric_sim.network.policies.learned.weights import Lineage
from services.trainer.async_trainer import AgentsPlan, TurnTaking, all_services
from services.trainer.ray_backend import RayTrainer
from services.trainer.store_env import Door, StoreEnvironment
from xapps.learning.amarl import training_scenarios
from xapps.learning.config import TrainingConfig
from xapps.learning.shared_env import MemoryEnvironment

BACKENDS = ("local", "ray")
_STORE_BATCH = 8
"""Requests routed at once on one live world; more of them would collide with each other."""


@dataclass(frozen=True)
class BackendPlan:
    """How agents of AMARL are run.

    Attributes:
        name: `local`: in this process. `ray`: an actor per agent.
        door: opens the live store to train against, instead of worlds of the run's own.
        agents: services to train; all if empty. With neither store nor Ray they take turns in this process.
    """

    name: Literal["local", "ray"] = "local"
    door: Callable[[City], Door] | None = None
    agents: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the lockstep trainer does."""
        return self.name == "local" and self.door is None and not self.agents


def checked_backend(name: str, *, algo: str, with_store: bool, agents: tuple[str, ...]) -> Literal["local", "ray"]:
    """The backend's name.

    Raises:
        UnknownKey: no backend of that name.
        InvalidInput: options that exclude each other.
    """
    if name not in BACKENDS:
        raise UnknownKey("backend", name, BACKENDS)
    if algo != "amarl" and (name != "local" or with_store or agents):
        raise InvalidInput("--backend ray, --store and --agent are of amarl: sarl has one agent, which trains in this process")
    if name == "ray" and with_store:
        raise InvalidInput("--backend ray and --store exclude each other: start a process with --store and --agent per service")
    return "ray" if name == "ray" else "local"


def async_trainer(
    backend: BackendPlan, config: TrainingConfig, *, seed: int, weights: Path, lineage: Lineage
) -> RayTrainer | TurnTaking:
    """The trainer of asynchronous agents.

    Raises:
        UnknownKey: an agent for a service that the city does not have.
    """
    if backend.door is not None:
        profile = config.traffic.profiles[0]  # a store holds one city
        city = build_city(profile)
        day = generate_day(city, "train", profile=profile, seed=seed, hold_scale=config.traffic.hold_scale)
        plan = _plan(backend, config, seed, [(city, f"{profile}/{day.name}")], weights, lineage)
        return TurnTaking(plan, StoreEnvironment(backend.door(city), city, day), batch=_STORE_BATCH)
    scenarios = training_scenarios(config, seed)
    named = [(city, f"{city.profile}/{day.name}") for city, day in scenarios]
    plan = _plan(backend, config, seed, named, weights, lineage)
    if backend.name == "ray":
        return RayTrainer(plan, scenarios)
    return TurnTaking(plan, MemoryEnvironment(scenarios, config, seed=seed))


def _plan(
    backend: BackendPlan, config: TrainingConfig, seed: int, named: list[tuple[City, str]], weights: Path, lineage: Lineage
) -> AgentsPlan:
    cities, days = zip(*named, strict=True)
    services = backend.agents or tuple(all_services(cities[0]))
    return AgentsPlan(config, seed, cities, days, services, weights, lineage)
