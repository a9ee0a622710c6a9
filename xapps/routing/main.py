"""A routing xApp process: `python -m xapps.routing.main` with RICITY_SERVICE set."""

from __future__ import annotations

import sys
from pathlib import Path

from ric_sim.network.city import City
from ric_sim.network.policies.learned import LearnedPolicy, load_policy, weight_files
from xapps.routing.agent import RoutingAgent
from xapps.routing.planted_fault import FaultSwitch
from xapps.routing.settings import RoutingSettings
from xapps.routing.weights_watch import WeightsWatch
from xapps.sdk.agent import InsertAgent
from xapps.sdk.descriptor import DESCRIPTOR_NAME, XappInstance, load_descriptor
from xapps.sdk.process import run_xapp
from xapps.sdk.runtime import Agents


def compose(settings: RoutingSettings) -> tuple[XappInstance, Agents]:
    """The xApp of the service, with the policy asked for."""
    instance = load_descriptor(Path(__file__).with_name(DESCRIPTOR_NAME)).instance(settings.service)
    fault = FaultSwitch(settings, xapp=instance.xapp_name)
    watches: list[WeightsWatch] = []

    def build(city: City) -> InsertAgent:
        while watches:  # the RIC came back with another city
            watches.pop().stop()
        agent = RoutingAgent(city, policy=settings.policy, seed=settings.policy_seed, parameters=settings.policy_parameters)
        if isinstance(agent.policy, LearnedPolicy):
            watches.append(watch_weights(settings, city, agent, xapp=instance.xapp_name))
            watches[0].start()
        return fault.spoil(agent)

    return instance, Agents(inserts=build, config=fault)


def watch_weights(settings: RoutingSettings, city: City, agent: RoutingAgent, *, xapp: str) -> WeightsWatch:
    """A watch, not started, that gives the agent what replaces the file of its service."""
    services = (settings.service,)

    def load() -> LearnedPolicy:
        return load_policy(settings.policy, city, settings.algorithm, folder=settings.weights, services=services)

    def take(policy: LearnedPolicy) -> None:
        agent.policy = policy

    assert isinstance(agent.policy, LearnedPolicy)
    path = weight_files(settings.algorithm, services, settings.weights)[settings.service]
    return WeightsWatch(path, agent.policy, load, take, xapp=xapp)


if __name__ == "__main__":
    sys.exit(run_xapp(RoutingSettings, compose))
