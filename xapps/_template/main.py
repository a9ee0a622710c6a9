"""The xApp's process: `python -m xapps._template.main`."""

from __future__ import annotations

import sys
from pathlib import Path

from xapps._template.agent import TemplateAgent
from xapps._template.settings import TemplateSettings
from xapps.sdk.descriptor import DESCRIPTOR_NAME, XappInstance, load_descriptor
from xapps.sdk.process import run_xapp
from xapps.sdk.runtime import Agents


def compose(settings: TemplateSettings) -> tuple[XappInstance, Agents]:
    """Which xApp this is, and its agents."""
    descriptor = load_descriptor(Path(__file__).with_name(DESCRIPTOR_NAME))
    agent = TemplateAgent(summary_reports=settings.summary_reports)
    return descriptor.instance(), Agents(reports=agent, config=agent)


if __name__ == "__main__":
    sys.exit(run_xapp(TemplateSettings, compose))
