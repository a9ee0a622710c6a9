"""Requests made from an OpenAPI document, fitting it and not, and what its answers are held to."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine.events import NonFatalError, ScenarioFinished
from schemathesis.engine.recorder import ScenarioRecorder

REQUEST_TIMEOUT_S = 60
NOWHERE = "http://127.0.0.1:9/"
"""Where every notification is sent that a made-up request orders: nothing of this leaves the machine."""

LARGEST = "POST /v1/xapps"
"""A descriptor has so many fields that their bounds alone make 750 requests: left to the long run."""

CHECKS = {
    # A RIC that has no time to answer is declared as 503, and a busy machine makes one; a defect is 500.
    "not_a_server_error": {"enabled": True, "expected-statuses": ["2xx", "3xx", "4xx", "503"]},
    "status_code_conformance": {"enabled": True},
    "content_type_conformance": {"enabled": True},
    "response_headers_conformance": {"enabled": True},
    "response_schema_conformance": {"enabled": True},
    "negative_data_rejection": {"enabled": True},
    "unsupported_method": {"enabled": True},
    "allow_header_conformance": {"enabled": True},
}
"""That what fits is accepted is not among them: no schema says which xApps there are and what a city has."""


@dataclass
class Findings:
    """What is wrong, by operation and kind, and the statuses of each operation's answers."""

    faults: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, recorder: ScenarioRecorder) -> None:
        """Takes up what one scenario found."""
        for case_id, checks in recorder.checks.items():
            for check in checks:
                if check.failure_info is not None:
                    found = check.failure_info
                    key = f"{recorder.label}: {found.failure.title}"
                    self.faults.setdefault(key, f"{found.failure.message}\n{found.code_sample}\n{_answer(recorder, case_id)}")
        for interaction in recorder.interactions.values():
            if interaction.response is not None:
                self.statuses[recorder.label].add(interaction.response.status_code)

    def __str__(self) -> str:
        return "\n\n".join(f"--- {key}\n{text}" for key, text in self.faults.items())


def fuzz(url: str, *, paths: str, examples: int, thorough: bool = False) -> Findings:
    """Asks every operation of a running interface; blocks.

    Args:
        paths: pattern of those that are asked.
        examples: random requests per operation, beside those at the bounds of each field.
        thorough: other requests at every call, and sequences of calls.
    """
    config = SchemathesisConfig.from_dict(
        {
            "generation": {"max-examples": examples, "deterministic": not thorough},
            "checks": {"enabled": False, **CHECKS},
            "phases": {"stateful": {"enabled": thorough}},
            "operations": [] if thorough else [{"include-name": LARGEST, "phases": {"coverage": {"enabled": False}}}],
            "continue-on-failure": True,
            "request-timeout": REQUEST_TIMEOUT_S,
        }
    )
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config, timeout=REQUEST_TIMEOUT_S)
    schema = schema.exclude(lambda context: not re.match(paths, context.operation.path))
    schema.hook("map_body")(_call_nobody)
    schema.hook("map_query")(_call_nobody)
    findings = Findings()
    for event in engine.from_schema(schema).execute():
        if isinstance(event, ScenarioFinished):
            findings.add(event.recorder)
        elif isinstance(event, NonFatalError):
            findings.faults.setdefault(f"{event.label}: {type(event.value).__name__}", str(event.value))
    return findings


def _call_nobody(_context: Any, made: Any) -> Any:
    """Destinations that a request names, led to `NOWHERE`."""
    if isinstance(made, dict):
        data = made.get("data")
        for holder, key in ((made, "notificationDestination"), (data if isinstance(data, dict) else {}, "targetUrl")):
            if str(holder.get(key, "")).lower().startswith("http"):
                holder[key] = NOWHERE
    return made


def _answer(recorder: ScenarioRecorder, case_id: str) -> str:
    response = recorder.find_response(case_id=case_id)
    if response is None:
        return "no answer"
    return json.dumps({"status": response.status_code, "body": response.text[:500]})
