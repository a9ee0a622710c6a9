"""What is wrong now, and what was: conditions found in the published sections, with the moment each began and ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.console.hub import Hub
from services.console.parts import CRITIC, MANAGER, NODES, RADIO, REGISTRY, RIC

MOST_LOGGED = 100
BACKLOG_REQUESTS = 500
"""As the alert rule QueueBacklog has it."""
SAFE_SPLIT_RATIO = 0.05
"""Of an O-DU's recent frames; as the alert rule SlicingFallback has it."""

_PARTS = {
    "load": (RIC, "RIC"),
    "services": (NODES, "E2 nodes"),
    "radio": (RADIO, "radio network"),
    "critic": (CRITIC, "critic"),
    "policies": (MANAGER, "manager"),
    "models": (REGISTRY, "model registry"),
}
"""Section -> the part it comes from, and what people call that."""

_RECENT = {
    "default_actions": "requests left to the node's default action",
    "dropped": "messages dropped from full queues",
    "invalid_messages": "messages refused as unusable",
    "store_reconnects": "times the store was lost and found again",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Something wrong. `key` tells one from another; `critical` ones need a look now."""

    key: str
    what: str
    critical: bool


class FaultWatch:
    """Turns conditions into a list of what holds and a log of what came and went."""

    def __init__(self) -> None:
        self._since_s: dict[str, float] = {}
        self._known: dict[str, Condition] = {}
        self._log: deque[dict[str, Any]] = deque(maxlen=MOST_LOGGED)
        self._seen_xapps: set[str] = set()

    def update(self, hub: Hub, at_s: float) -> dict[str, Any]:
        """The section `faults` as of `at_s`, seconds since the epoch."""
        found = {condition.key: condition for condition in self._conditions(hub)}
        for key in found.keys() - self._known.keys():
            self._since_s[key] = at_s
            self._note(found[key], at_s, event="began")
        for key in self._known.keys() - found.keys():
            self._note(self._known[key], at_s, event="ended")
        self._known = found
        now = sorted(found.values(), key=lambda condition: (not condition.critical, self._since_s[condition.key]))
        return {
            "connected": True,
            "now": [
                {"key": each.key, "what": each.what, "critical": each.critical, "since_s": round(self._since_s[each.key])}
                for each in now
            ],
            "log": list(reversed(self._log)),
        }

    def _note(self, condition: Condition, at_s: float, *, event: str) -> None:
        self._log.append({"at_s": round(at_s), "event": event, "what": condition.what, "critical": condition.critical})

    def _conditions(self, hub: Hub) -> Iterator[Condition]:
        for section, (_, name) in _PARTS.items():
            if hub.get(section).get("connected") is False:
                yield Condition(f"away/{section}", f"{name}: not connected", critical=section in ("load", "services"))
        yield from self._of_ric(hub)
        told = {part for section, (part, _) in _PARTS.items() if hub.get(section).get("connected") is False}
        for part in hub.get("parts").get("parts", ()):
            if part["state"] != "ready" and part["name"] not in told:
                yield Condition(f"part/{part['name']}", f"{part['name']} is {part['state']}", critical=True)
        for du, state in hub.get("radio").get("dus", {}).items():
            if _safe_split_ratio(state["controls"]) > SAFE_SPLIT_RATIO:
                what = f"{du}: more than {SAFE_SPLIT_RATIO:.0%} of its frames on the safe split, without a usable control"
                yield Condition(f"controls/{du}", what, critical=False)
        for policy in hub.get("policies").get("policies", ()):
            if not policy["enforced"]:
                what = f"policy {policy['id']} is not enforced ({policy['reason']})"
                yield Condition(f"policy/{policy['type']}/{policy['id']}", what, critical=False)

    def _of_ric(self, hub: Hub) -> Iterator[Condition]:
        away = [node["node"] for node in hub.get("nodes").get("nodes", ()) if not node["connected"]]
        if away:
            named = ", ".join(away[:4]) + (" …" if len(away) > 4 else "")
            yield Condition("nodes", f"{len(away)} E2 nodes disconnected: {named}", critical=True)
        live = hub.get("live_xapps")
        if live.get("connected"):
            ready = {each["xapp"] for each in live["instances"] if each["state"] == "ready"}
            self._seen_xapps |= ready
            for xapp in sorted(self._seen_xapps - ready):
                yield Condition(f"xapp/{xapp}", f"{xapp}: no instance is ready", critical=True)
        ric = hub.get("ric")
        for xapp, queued in ric.get("queue", {}).items():
            if queued > BACKLOG_REQUESTS:
                yield Condition(f"queue/{xapp}", f"{xapp}: more than {BACKLOG_REQUESTS} requests wait for it", critical=False)
        for name, what in _RECENT.items():
            if ric.get("recent", {}).get(name):
                yield Condition(f"recent/{name}", f"{what}, within half a minute", critical=name == "dropped")


def _safe_split_ratio(controls: Mapping[str, float]) -> float:
    """Of the frames that were played with these controls; one that was late belongs to no frame."""
    frames = sum(count for result, count in controls.items() if result != "late")
    return (controls.get("missing", 0.0) + controls.get("refused", 0.0)) / frames if frames else 0.0
