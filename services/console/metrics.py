"""The console's own metrics (declared in ric_sim/telemetry/registry.yaml)."""

from __future__ import annotations

from ric_sim.telemetry import gauge
from services.console.hub import Hub
from services.console.web import Streams

_SECTIONS = {"ric": "load", "nodes": "services", "radio": "radio", "critic": "critic", "manager": "policies"}


class ConsoleMetrics:
    """Who looks, and at what."""

    def publish(self, hub: Hub, streams: Streams) -> None:
        """Sets the gauges."""
        gauge("ricity_console_browsers_attached").set(streams.open)
        for part, section in _SECTIONS.items():
            gauge("ricity_console_parts_attached").labels(part=part).set(bool(hub.get(section).get("connected")))
