"""Asynchronous agents as one `Trainer`: what their backends share, and the backend where they take turns in one process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ric_sim.domain.errors import UnknownKey
from ric_sim.network.city import City
from ric_sim.network.policies.learned.weights import Lineage
from xapps.learning.amarl import validation_scenarios
from xapps.learning.async_agent import AgentReport, AsyncAgent
from xapps.learning.config import TrainingConfig
from xapps.learning.export import export
from xapps.learning.networks import RoutingNetwork
from xapps.learning.shared_env import SharedEnvironment
from xapps.learning.validation import Score, Validation

IDLE_PAUSE_S = 0.002
"""Pause of an agent for which no request has arrived yet."""


@dataclass(frozen=True)
class AgentsPlan:
    """What asynchronous agents are and learn from.

    Attributes:
        cities: by scenario. days: names, for the lineage of the weights.
        services: keys of the services with an agent here; those of no agent are carried by a plain rule, or elsewhere.
        weights: folder the best policies go to.
    """

    config: TrainingConfig
    seed: int
    cities: tuple[City, ...]
    days: tuple[str, ...]
    services: tuple[str, ...]
    weights: Path
    lineage: Lineage = field(default_factory=Lineage)

    def __post_init__(self) -> None:
        """Raises `UnknownKey` for a service that the city does not have."""
        known = [spec.key for spec in self.cities[0].services]
        for key in self.services:
            if key not in known:
                raise UnknownKey("service", key, known)

    @property
    def indices(self) -> list[int]:
        """The services' places in the city's catalogue."""
        known = [spec.key for spec in self.cities[0].services]
        return [known.index(key) for key in self.services]

    def new_networks(self) -> list[RoutingNetwork]:
        """Untrained, by service index."""
        city = self.cities[0]
        return [self.config.network.untrained(city) for _ in city.services]


class AgentLedger:
    """Counts of all agents, their score and their weights."""

    def __init__(self, plan: AgentsPlan) -> None:
        torch.set_num_threads(1)
        torch.set_float32_matmul_precision(plan.config.matmul_precision)
        torch.manual_seed(plan.seed)
        self.plan, self.steps = plan, 0
        self.networks = plan.new_networks()
        self.totals = {key: AgentReport() for key in plan.services}
        self._validation: Validation | None = None

    def account(self, key: str, report: AgentReport) -> dict[str, float]:
        """Adds a report; its scalars for the run's logs, empty when the agent has not updated."""
        self.steps += report.decisions
        self.totals[key].add(report)
        if report.scalars is None:
            return {}
        served = report.carried / report.requests if report.requests else float("nan")
        return {**report.scalars, "accepted": served, "staleness_mean": _mean(report.staleness)}

    def score(self) -> Score:
        """The present policies, greedy, on the validation day; a service without an agent is routed by an untrained policy."""
        if self._validation is None:
            config = self.plan.config
            flows = config.traffic.validation_flows
            self._validation = Validation(validation_scenarios(config), flows=flows, rules=config.mask.rules)
        return self._validation.score(self.networks)

    def save_weights(self) -> None:
        """Exports the agents' present policies."""
        plan = self.plan
        lineage = replace(plan.lineage, seed=plan.seed, config_hash=plan.config.digest, steps=self.steps, train_days=plan.days)
        for key, index in zip(plan.services, plan.indices, strict=True):
            export(self.networks[index], plan.weights, algorithm="amarl", service=key, config=plan.config, lineage=lineage)

    def facts(self) -> dict[str, Any]:
        """For `result.json`: requests, aborts and staleness of all commits, and the histogram of staleness."""
        staleness = np.sum([total.staleness for total in self.totals.values()], axis=0)
        requests = sum(total.requests for total in self.totals.values())
        return {
            "agents": list(self.plan.services),
            "requests": requests,
            "carried_ratio": sum(total.carried for total in self.totals.values()) / requests if requests else None,
            "aborted_commits": sum(total.aborted for total in self.totals.values()),
            "staleness_mean": _mean(staleness),
            "staleness_p99": _percentile(staleness, 0.99),
            "staleness_histogram": np.trim_zeros(staleness, "b").tolist(),
        }

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "totals": self.totals}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self.totals = state["steps"], state["totals"]


class TurnTaking:
    """Agents in this process, one after the other; reproducible to the last bit on a `MemoryEnvironment`."""

    def __init__(self, plan: AgentsPlan, environment: SharedEnvironment, *, batch: int = 64) -> None:
        self._ledger, self._environment = AgentLedger(plan), environment
        self.steps = 0
        self.agents = [
            AsyncAgent(index, plan.cities, environment, plan.config, seed=plan.seed, batch=batch) for index in plan.indices
        ]
        for agent in self.agents:
            self._ledger.networks[agent.service] = agent.learner.network

    def prepare(self) -> None:
        self._environment.prepare([agent.service for agent in self.agents])

    def advance(self) -> dict[str, dict[str, float]]:
        """A turn of each agent: scalars of those that updated, by service key."""
        report: dict[str, dict[str, float]] = {}
        fetched = 0
        for agent in self.agents:
            done = agent.advance()
            fetched += done.requests
            if scalars := self._ledger.account(agent.key, done):
                report[agent.key] = scalars
        self.steps = self._ledger.steps
        if not fetched:
            time.sleep(IDLE_PAUSE_S)
        return report

    def score(self) -> Score:
        return self._ledger.score()

    def save_weights(self) -> None:
        self._ledger.save_weights()

    def facts(self) -> dict[str, Any]:
        return self._ledger.facts()

    def close(self) -> None:
        """Nothing is held."""

    def state_dict(self) -> dict[str, Any]:
        return {
            "ledger": self._ledger.state_dict(),
            "agents": {agent.key: agent.state_dict() for agent in self.agents},
            "environment": self._environment.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._ledger.load_state_dict(state["ledger"])
        self.steps = self._ledger.steps
        self._environment.load_state_dict(state["environment"])
        for agent in self.agents:
            agent.load_state_dict(state["agents"][agent.key])


def _mean(histogram: np.ndarray) -> float:
    total = int(histogram.sum())
    return float((histogram * np.arange(len(histogram))).sum() / total) if total else 0.0


def _percentile(histogram: np.ndarray, share: float) -> int:
    return int(np.searchsorted(np.cumsum(histogram), share * histogram.sum())) if histogram.sum() else 0


def all_services(city: City) -> Sequence[str]:
    """Keys of a city's services, in order."""
    return [spec.key for spec in city.services]
