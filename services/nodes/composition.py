"""How the parts of the node process are put together."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ric_sim.domain.errors import OutOfRange
from ric_sim.e2.node.agent import AgentOptions, NodeAgent
from ric_sim.e2.node.association import Association
from ric_sim.e2.node.pacing import MaxPace, Pace, RatePace, SpeedPace
from ric_sim.network.scenario import load_scenario
from ric_sim.network.traffic import Day, selection
from services.nodes.settings import NodesSettings


def node_agent(settings: NodesSettings, *, log: Any) -> NodeAgent:
    """The agent of all nodes of the city, ready to play the day. Errors as in `load_scenario`."""
    scenario = load_scenario(
        profile=settings.profile,
        day=settings.day,
        seed=settings.seed,
        city_file=settings.city_file,
        flow_file=settings.flow_file,
    )
    day = scenario.day
    if settings.max_flows is not None and settings.max_flows < len(day):
        day = selection(day, day.name, np.arange(settings.max_flows))
    options = AgentOptions(
        agent_id=settings.agent_id,
        time_to_wait_s=settings.time_to_wait_ms / 1000,
        wait_for_services=settings.wait_for_services,
        reports_per_s=settings.reports_per_s,
    )
    return NodeAgent(scenario.city, day, pace=pace_of(settings, day), options=options, log=log)


def association(agent: NodeAgent, settings: NodesSettings, *, log: Any) -> Association:
    """The agent's association with the RIC."""
    return Association(agent, settings.ric, open_channel=partial(settings.transport.channel, peer="ric"), log=log)


def pace_of(settings: NodesSettings, day: Day) -> Pace:
    """The pace the settings ask for: a rate goes before a speed. Raises `OutOfRange` for a speed that is not above 0."""
    if settings.rate is not None:
        return RatePace(day, rate=settings.rate)
    if settings.speed == "max":
        return MaxPace(day, in_flight=settings.in_flight)
    if not 0 < settings.speed < float("inf"):
        raise OutOfRange(f"speed {settings.speed} is not possible: choose max, or emulated seconds per second above 0")
    return SpeedPace(day, speed=settings.speed)
