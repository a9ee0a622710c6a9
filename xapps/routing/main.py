"""A routing xApp process: `python -m xapps.routing.main` with RICITY_SERVICE set."""

from __future__ import annotations

import sys
from pathlib import Path

from xapps.routing.agent import RoutingAgent
from xapps.routing.settings import RoutingSettings
from xapps.sdk.descriptor import DESCRIPTOR_NAME, XappInstance, load_descriptor
from xapps.sdk.process import run_xapp
from xapps.sdk.runtime import Agents


def compose(settings: RoutingSettings) -> tuple[XappInstance, Agents]:
    """The xApp of the service, with the policy asked for."""
    descriptor = load_descriptor(Path(__file__).with_name(DESCRIPTOR_NAME))
    agents = Agents(inserts=lambda city: RoutingAgent(city, policy=settings.policy, seed=settings.policy_seed))
    return descriptor.instance(settings.service), agents


if __name__ == "__main__":
    sys.exit(run_xapp(RoutingSettings, compose))
