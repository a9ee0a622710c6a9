"""The summary of a run: pure functions of what the run left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ric_sim.domain.flow import Cause
from ric_sim.domain.service import ServiceSpec
from ric_sim.e2.node.ledger import Outcome
from services.cli.local.child import Restart
from services.cli.report.ledger import DayLedger


@dataclass(frozen=True, slots=True)
class PlayedDay:
    """The catalogue of the city and what became of every request; `ledger.service` indexes `services`."""

    services: Sequence[ServiceSpec]
    ledger: DayLedger


@dataclass(frozen=True, slots=True)
class StoreFindings:
    """What the store says after the day.

    Attributes:
        commits_ok: reservations taken.
        aborts_by_cause: label of the first violated constraint -> aborted commits.
        violations: of the audit, in words; empty when it passed.
        accepted_without_commit: flows that the nodes carry and the log does not know.
        commit_without_acceptance: flows that the log holds to their end and the nodes do not carry.
        displaced: reservations that gave way to flows of higher priority.
        displaced_unlike_nodes: flows displaced in the log and not at the nodes, or the other way round.
    """

    commits_ok: int
    aborts_by_cause: Mapping[str, int]
    violations: Sequence[str]
    accepted_without_commit: int
    commit_without_acceptance: int
    displaced: int = 0
    displaced_unlike_nodes: int = 0

    @property
    def ok(self) -> bool:
        disagreements = self.accepted_without_commit, self.commit_without_acceptance, self.displaced_unlike_nodes
        return not (self.violations or any(disagreements))


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the launcher itself measured."""

    start_up_s: float
    memory_mb_peak: float
    restarts: Sequence[Restart]
    killed_at_stop: Sequence[str]
    interrupted: bool


_OF_THE_NODES = (
    "requests",
    "accepted",
    "gos",
    "gos_by_service",
    "latency_ms_by_service",
    "decision_ms",
    "decisions_per_s",
    "wall_s",
    "redelivered",
    "defaulted",
    "answered_twice",
    "forgotten",
    "clock_skew_ms",
    "outages",
)
"""Taken over from nodes_summary.json as they are."""


def compose(
    nodes: Mapping[str, Any], day: PlayedDay, store: StoreFindings, facts: RunFacts, identity: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole summary, JSON-ready. Ratios are 0 to 1; a figure that nothing was measured for is None.

    Args:
        nodes: content of nodes_summary.json (`ric_sim.e2.node.summary.summarise`).
        identity: what was run (profile, seed, hashes, versions), copied as it is.
    """
    preempting = identity.get("preemption") or store.displaced
    heals = [heal_time_s(restart, day, float(nodes["began_unix_s"])) for restart in facts.restarts]
    return {
        **identity,
        **{name: nodes[name] for name in _OF_THE_NODES},
        "latency_p95_ms_by_service": latency_p95_ms_by_service(day),
        "start_up_s": round(facts.start_up_s, 2),
        "commits": {"ok": store.commits_ok, "aborted": sum(store.aborts_by_cause.values())},
        "aborts_by_cause": dict(store.aborts_by_cause),
        "rejects_by_cause": causes(day.ledger, Outcome.REJECTED),
        "defaults_by_cause": causes(day.ledger, Outcome.DEFAULT),
        "heal_s": {"max": max((heal for heal in heals if heal is not None), default=None), "each": heals},
        "restarts": dict(Counter(restart.name for restart in facts.restarts)),
        "audit": {
            "ok": store.ok,
            "violations": list(store.violations),
            "accepted_without_commit": store.accepted_without_commit,
            "commit_without_acceptance": store.commit_without_acceptance,
            **({"displaced_unlike_nodes": store.displaced_unlike_nodes} if preempting else {}),
        },
        **({"displaced": store.displaced} if preempting else {}),
        "memory_mb_peak": round(facts.memory_mb_peak, 1),
        "killed_at_stop": list(facts.killed_at_stop),
        "interrupted": facts.interrupted,
    }


def failures(summary: Mapping[str, Any]) -> list[str]:
    """Why the run is not a success, in words; empty when it is one."""
    audit = summary["audit"]
    found = [f"audit: {violation}" for violation in audit["violations"][:1]]
    checks = {
        "accepted flow(s) that the commit log does not know": audit["accepted_without_commit"],
        "committed flow(s) that the nodes do not carry": audit["commit_without_acceptance"],
        "flow(s) displaced in the log but not at the nodes, or the other way round": audit.get("displaced_unlike_nodes", 0),
        "request(s) answered twice": summary["answered_twice"],
        "request(s) never answered": summary["forgotten"],
        "process(es) that did not stop when told": len(summary["killed_at_stop"]),
    }
    return found + [f"{count} {what}" for what, count in checks.items() if count]


def latency_p95_ms_by_service(day: PlayedDay) -> dict[str, float | None]:
    """95th percentile of the end-to-end latency of accepted flows, by service key."""
    ledger = day.ledger
    accepted = {spec.key: ledger.accepted & (ledger.service == index) for index, spec in enumerate(day.services)}
    return {
        key: round(float(np.percentile(ledger.latency_us[mine], 95)) / 1000, 3) if mine.any() else None
        for key, mine in accepted.items()
    }


def causes(ledger: DayLedger, outcome: Outcome) -> dict[str, int]:
    """Label of the cause -> requests with that outcome, most frequent first."""
    values, counts = np.unique(ledger.cause[ledger.outcome == outcome], return_counts=True)
    ranked = sorted(zip(values.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1])
    return {Cause(value).label: count for value, count in ranked}


def heal_time_s(restart: Restart, day: PlayedDay, began_unix_s: float) -> float | None:
    """From the death of a process to the first answer that came after its replacement took work.

    Counts the answers of the service the process serves, of all services for a process that serves all. None when it
    never came back.
    """
    if restart.ready_unix_s is None:
        return None
    index = next((i for i, spec in enumerate(day.services) if restart.name == f"routing-{spec.key}"), None)
    ledger = day.ledger
    answered_us = ledger.answered_us if index is None else ledger.answered_us[ledger.service == index]
    answered_s = began_unix_s + answered_us / 1e6
    after_s = answered_s[answered_s >= restart.ready_unix_s]
    healed_s = float(after_s.min()) if len(after_s) else restart.ready_unix_s
    return round(healed_s - restart.died_unix_s, 3)
