"""What the store says after the day: the audit, its counters, and whether it agrees with the nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ric_sim.domain.reservation import Change, ChangeKind
from ric_sim.network.city import City
from ric_sim.network.traffic import Day
from ric_sim.store.audit import audit
from ric_sim.store.base import StoreLayout
from ric_sim.store.codec import Counters
from ric_sim.store.redis_store import RedisStore
from services.cli.report.ledger import DayLedger
from services.cli.report.summary import StoreFindings


def examine_store(store: RedisStore, city: City, day: Day, ledger: DayLedger) -> tuple[StoreFindings, list[Change]]:
    """Audits the namespace and compares its log with the nodes' ledger; also returns the log."""
    report = audit(store, StoreLayout(city.n_links, city.n_nodes, city.limits, city.fingerprint))
    changes = list(store.changes())
    without_commit, without_acceptance = disagreements(changes, day, ledger)
    counters = store.counters()
    displaced, unlike = displacements(changes, day, ledger)
    findings = StoreFindings(
        commits_ok=counters.committed,
        aborts_by_cause=aborts_by_cause(counters),
        violations=[str(violation) for violation in report.violations],
        accepted_without_commit=without_commit,
        commit_without_acceptance=without_acceptance,
        displaced=displaced,
        displaced_unlike_nodes=unlike,
    )
    return findings, changes


def disagreements(changes: Sequence[Change], day: Day, ledger: DayLedger) -> tuple[int, int]:
    """Flows that the nodes carry without a reservation that was held, and reservations held that they do not carry."""
    committed = {change.flow_id for change in changes if change.kind == ChangeKind.COMMIT}
    given_back = {change.flow_id for change in changes if change.kind == ChangeKind.RELEASE}
    displaced = {change.flow_id for change in changes if change.kind == ChangeKind.PREEMPT}
    held = committed - given_back
    carried = {day.flow_id(index) for index in np.flatnonzero(ledger.accepted).tolist()}
    return len(carried - held), len(held - displaced - carried)


def displacements(changes: Sequence[Change], day: Day, ledger: DayLedger) -> tuple[int, int]:
    """Reservations that gave way to others, and for how many flows log and nodes do not agree about that."""
    logged = {change.flow_id for change in changes if change.kind == ChangeKind.PREEMPT}
    rows = np.flatnonzero(ledger.displaced).tolist() if ledger.displaced is not None else []
    carried = {day.flow_id(index) for index in np.flatnonzero(ledger.accepted).tolist()}
    return len(logged), len(logged & carried ^ {day.flow_id(index) for index in rows})


def aborts_by_cause(counters: Counters) -> dict[str, int]:
    """Label of the first violated constraint -> aborted commits."""
    prefix = "aborted_"
    return {name.removeprefix(prefix): value for name, value in counters._asdict().items() if name.startswith(prefix)}
