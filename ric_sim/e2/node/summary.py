"""What a played day comes to: figures of the ledger, JSON-ready."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ric_sim.domain.flow import Cause
from ric_sim.e2.node.ledger import Ledger, Outcome
from ric_sim.e2.node.player import DayPlayer


def progress(player: DayPlayer, now_s: float) -> dict[str, Any]:
    """Where the day stands; cheap enough for several times a second.

    `requests` is the whole day, `settled` have their final record, `now_ms` is emulated time.
    """
    ledger = player.ledger
    wall_s = player.played_s(now_s)
    return {
        "requests": len(player.day),
        "raised": ledger.n_raised,
        "settled": ledger.n_settled,
        "accepted": ledger.n_accepted,
        "outstanding": len(player.outstanding),
        "gos": _ratio(ledger.n_accepted, ledger.n_settled),
        "decisions_per_s": round(ledger.n_settled / wall_s, 1) if wall_s else None,
        "now_ms": player.emulated_ms(now_s),
        "wall_s": round(wall_s, 3),
        "connected": player.connected,
        "done": player.done,
    }


def summarise(player: DayPlayer, *, began_unix_s: float | None) -> dict[str, Any]:
    """The day's figures. Ratios are 0 to 1; a figure that nothing was measured for is None.

    A flow that gave way to another (`displaced`, there only if any did) is accepted but does not count as served in the GoS.

    Args:
        player: of a day that is done, or was stopped.
        began_unix_s: wall clock at which the day began; the ledger's times count from there.
    """
    ledger = player.ledger
    keys = [spec.key for spec in player.city.services]
    wall_s = _wall_s(ledger)
    return {
        "requests": ledger.n_raised,
        "answered": ledger.n_settled,
        "accepted": ledger.n_accepted,
        "forgotten": ledger.n_raised - ledger.n_settled,
        "answered_twice": ledger.answered_twice,
        "late": ledger.late,
        "unknown_answers": ledger.unknown,
        "gos": _ratio(ledger.n_accepted - len(ledger.displaced), ledger.n_raised),
        "gos_by_service": _gos_by_service(ledger, keys),
        "latency_ms_by_service": _latency_ms_by_service(ledger, keys),
        "decision_ms": _decision_ms(ledger),
        "defaulted": int((ledger.outcome == Outcome.DEFAULT).sum()),
        "defaulted_by_node": int(ledger.by_node.sum()),
        "redelivered": int(np.maximum(ledger.deliveries.astype(np.int64) - 1, 0).sum()),
        "resent": int(ledger.resent.sum()),
        "by_cause": _by_cause(ledger),
        "decided_by": _decided_by(ledger),
        "clock_skew_ms": _clock_skew_ms(player),
        "wall_s": wall_s,
        "decisions_per_s": round(ledger.n_settled / wall_s, 1) if wall_s else None,
        "outages": [asdict(outage) for outage in player.outages.outages],
        "longest_gap_s_by_service": dict(zip(keys, [round(gap, 3) for gap in player.outages.longest_gap_s], strict=True)),
        "began_unix_s": began_unix_s,
        **({"displaced": len(ledger.displaced)} if ledger.displaced else {}),
    }


def _wall_s(ledger: Ledger) -> float | None:
    """From the first request raised to the last final record."""
    settled = ledger.outcome != Outcome.PENDING
    if not settled.any():
        return None
    return round(float(ledger.answered_us[settled].max() - ledger.raised_us[ledger.raised_us >= 0].min()) / 1e6, 3)


def _gos_by_service(ledger: Ledger, keys: Sequence[str]) -> dict[str, float | None]:
    raised, accepted = ledger.raised_us >= 0, (ledger.outcome == Outcome.APPLIED) & ~ledger.displaced_flows()
    mine = {key: ledger.service == service for service, key in enumerate(keys)}
    return {key: _ratio(int((accepted & of).sum()), int((raised & of).sum())) for key, of in mine.items()}


def _latency_ms_by_service(ledger: Ledger, keys: Sequence[str]) -> dict[str, float | None]:
    accepted = ledger.outcome == Outcome.APPLIED
    latency = {key: ledger.latency_us[accepted & (ledger.service == service)] for service, key in enumerate(keys)}
    return {key: round(float(values.mean()) / 1000, 3) if len(values) else None for key, values in latency.items()}


def _decision_ms(ledger: Ledger) -> dict[str, float | None]:
    decision_us = ledger.decision_us()
    if not len(decision_us):
        return {"p50": None, "p99": None, "max": None}
    p50, p99 = np.percentile(decision_us, (50, 99))
    return {"p50": round(p50 / 1000, 3), "p99": round(p99 / 1000, 3), "max": round(float(decision_us.max()) / 1000, 3)}


def _by_cause(ledger: Ledger) -> dict[str, int]:
    """Label -> requests that were not accepted for that cause, most frequent first."""
    refused = (ledger.outcome == Outcome.REJECTED) | (ledger.outcome == Outcome.DEFAULT)
    return {Cause(cause).label: count for cause, count in Counter(ledger.cause[refused].tolist()).most_common()}


def _decided_by(ledger: Ledger) -> dict[str, int]:
    """`<xapp>/<version>/<instance id>` -> requests it decided."""
    counts = np.bincount(ledger.instance[ledger.instance >= 0], minlength=len(ledger.instances)).tolist()
    return dict(zip(ledger.instances, counts, strict=True))


def _clock_skew_ms(player: DayPlayer) -> float | None:
    """Mean emulated time between a request's arrival and its answer. Far from 0 at speed max, the load would be distorted."""
    ledger = player.ledger
    decided = ledger.instance >= 0
    return round(float((ledger.answered_ms - player.day.arrival_ms)[decided].mean()), 1) if decided.any() else None


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
