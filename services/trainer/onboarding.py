"""`ricity train routing --from`: newcomers learn beside agents that stay as they are, and what that does to these is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.domain.flow import FlowRequest
from ric_sim.envs.evaluate import Evaluation, evaluate
from ric_sim.network.policies import RoutingPolicy, make_policy
from ric_sim.network.policies.base import Plan
from ric_sim.network.policies.learned.policy import LearnedPolicy, load_policy
from ric_sim.network.scenario import Scenario, load_scenario
from ric_sim.network.traffic import Day, selection
from services.trainer.routing import RunPlan, Watcher, train_routing
from services.trainer.run_folder import RunFolder
from xapps.learning.onboarding import Onboarding, onboarding_of

__all__ = ["STAND_IN", "DividedPolicy", "onboarding_of", "report", "train_onboarding"]

STAND_IN = "cspf"
"""Routes the newcomers until they have agents."""


@dataclass
class DividedPolicy:
    """Some services by one policy, all others by another. `services`: indices of the first one's."""

    name: str
    services: frozenset[int]
    chosen: RoutingPolicy
    others: RoutingPolicy

    def plan(self, used: npt.NDArray[np.uint32], flow: FlowRequest) -> Plan:
        return (self.chosen if flow.service in self.services else self.others).plan(used, flow)


def train_onboarding(
    plan: RunPlan, onboarding: Onboarding, *, out: Path, resume: bool, watch: Watcher, max_flows: int | None = None
) -> dict[str, Any]:
    """`train_routing` for the newcomers only, then their test day.

    Args:
        plan: its configuration as `onboarding_of` gives it.
        max_flows: of the test day, None for all of it.
    Returns:
        As `train_routing`, and `onboarding`: see `report`. Both are in `result.json`.
    """
    result = train_routing(replace(plan, onboarding=onboarding), out=out, resume=resume, watch=watch)
    folder = RunFolder(out)
    result |= {"onboarding": report(onboarding, plan.config.traffic.profiles[0], folder.weights, max_flows=max_flows)}
    folder.write_result(result)
    return result


def report(onboarding: Onboarding, profile: str, weights: Path, *, max_flows: int | None = None) -> dict[str, Any]:
    """The test day without the newcomers, with them on `STAND_IN`, and with their agents.

    Returns:
        newcomers, parent; `absent`, `stand_in`, `onboarded`: GoS by service and in all of each day; `change_of_others`: of the
        GoS by service of all others, and of all of them together (`others`), against `absent` and against `stand_in`.
    """
    scenario = load_scenario(profile=profile, day="test")
    city = scenario.city
    indices = frozenset(city.service_index[key] for key in onboarding.newcomers)
    there = LearnedPolicy("amarl", city, onboarding.team)
    kept = np.flatnonzero(~np.isin(scenario.day.service[:max_flows], list(indices)))
    without = Scenario(city, selection(scenario.day, f"{scenario.day.name}-without", kept))
    with_stand_in = DividedPolicy("stand-in", indices, make_policy(STAND_IN, city, seed=0), there)
    days = {
        "absent": evaluate(without, there),
        "stand_in": evaluate(scenario, with_stand_in, max_flows=max_flows),
        "onboarded": evaluate(scenario, load_policy("amarl", city, "amarl", folder=weights), max_flows=max_flows),
    }
    others = list(onboarding.team)
    gos = {name: _gos(played, without.day if name == "absent" else scenario.day, indices) for name, played in days.items()}
    after = gos["onboarded"]
    return {
        "profile": profile,
        "newcomers": list(onboarding.newcomers),
        "parent": onboarding.parent,
        "gos": gos,
        "change_of_others": {
            f"against_{name}": {key: _change(after[key], gos[name][key]) for key in (*others, "others")}
            for name in ("absent", "stand_in")
        },
    }


def _gos(played: Evaluation, day: Day, indices: frozenset[int]) -> dict[str, float | None]:
    """GoS by service, of all that are not new together (`others`), and of `all`."""
    keys = list(played.gos_by_service)
    asked = int((~np.isin(day.service[: played.requests], list(indices))).sum())
    refused = sum(sum(played.rejects_by_service[key].values()) for index, key in enumerate(keys) if index not in indices)
    return {**played.gos_by_service, "others": 1.0 - refused / asked if asked else None, "all": played.gos_ratio}


def _change(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
