"""A new service comes to a city whose agents are trained: only the newcomer's agent learns (paper section 6.4).

The agents that are there decide greedily, as they do in service; their networks stay as they are, and so do their files, to
the last byte.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ric_sim.domain.errors import Conflict, InvalidInput, UnknownKey
from ric_sim.network.city import City
from ric_sim.network.montreal import build_city
from ric_sim.network.policies.learned.weights import Lineage, Weights, weight_files
from xapps.learning.amarl import AmarlTrainer
from xapps.learning.config import TrainingConfig
from xapps.learning.ppo import PpoLearner
from xapps.learning.pretrained import fitted, load_team, network_of


@dataclass(frozen=True)
class Onboarding:
    """Who is new, and who was there.

    Attributes:
        newcomers: keys of the services whose agents learn.
        folder: the weights of all others. team: what it holds of them, by service key.
        parent: service whose agent a newcomer's network begins as; None, from nothing.
    """

    newcomers: tuple[str, ...]
    folder: Path
    team: Mapping[str, Weights]
    parent: str | None = None


def onboarding_of(
    config: TrainingConfig, newcomers: tuple[str, ...], folder: Path, parent: str | None = None
) -> tuple[Onboarding, TrainingConfig]:
    """What is to be learnt, and the configuration with the widths and the mask of the agents that are there.

    Raises:
        UnknownKey: a newcomer that a city of the configuration does not have, or a parent that is none of the others.
        InvalidInput: no newcomer, or no other.
        WeightsMissing, WeightsCorrupt, WeightsMismatch: see `load_team`.
    """
    if not newcomers:
        raise InvalidInput("nobody to onboard: name the services whose agents are to learn")
    services = [spec.key for spec in build_city(config.traffic.profiles[0]).services]
    for key in newcomers:
        if key not in services:
            raise UnknownKey(f"service of profile {config.traffic.profiles[0]}", key, services)
    team = load_team(folder, [key for key in services if key not in newcomers])
    if parent is not None and parent not in team:
        raise UnknownKey("parent", parent, team)
    return Onboarding(newcomers, folder, team, parent), fitted(config, team)


class OnboardingTrainer(AmarlTrainer):
    """The lanes and all agents, of which only the newcomers' learn."""

    def __init__(
        self,
        config: TrainingConfig,
        onboarding: Onboarding,
        *,
        seed: int,
        weights: Path,
        lineage: Lineage = Lineage(),  # noqa: B008 - frozen
    ) -> None:
        """`config` as `onboarding_of` gives it."""
        self.onboarding = onboarding
        super().__init__(config, seed=seed, weights=weights, lineage=lineage)
        self.students = [index for index, key in enumerate(self.services) if key in onboarding.newcomers]
        self._collector.fixed = frozenset(range(len(self.services))) - frozenset(self.students)

    def _new_learner(self, key: str, city: City, *, seed: int) -> PpoLearner:
        learner = super()._new_learner(key, city, seed=seed)
        origin = self.onboarding.parent if key in self.onboarding.newcomers else key
        if origin is not None:
            learner.network.load_state_dict(network_of(city, self.onboarding.team[origin]).state_dict())
        return learner

    def save_weights(self) -> None:
        """Exports the newcomers' policies and copies the files of the others."""
        self._export([self.learners[index] for index in self.students])
        team = list(self.onboarding.team)
        sources, targets = (weight_files("amarl", team, folder) for folder in (self.onboarding.folder, self._weights))
        for key in team:
            part = targets[key].with_name(f"{targets[key].name}.{os.getpid()}.part")
            shutil.copyfile(sources[key], part)
            part.replace(targets[key])

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"team": self._digests()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises `Conflict` if the others are not those the run began with."""
        if state["team"] != self._digests():
            raise Conflict("the run began beside other agents: go on with the same weights, or choose another --out")
        super().load_state_dict(state)

    def _digests(self) -> dict[str, str]:
        return {key: weights.sha256 for key, weights in self.onboarding.team.items()}
