"""An A/B test: what was asked for, how far it is, and how it is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from ric_sim.domain.errors import InvalidInput, OutOfRange
from services.manager.ab.counts import Counts
from services.manager.ab.judge import Judge
from services.manager.ab.rules import Rules, Verdict
from services.manager.ab.split_test import SplitTest

SPLIT_WEIGHT = 10_000
"""Weights of the two versions add up to it while a test runs: a hundredth of a percent is the finest split."""

WHOLE_WEIGHT = 100
"""Of a version that serves alone: what an xApp registers with by itself."""


class State(StrEnum):
    RUNNING = "running"
    PROMOTING = "promoting"  # the verdict is on disk and being carried out
    ROLLING_BACK = "rolling_back"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ABANDONED = "abandoned"  # a rollout, or the loss of the baseline, took the split out of the test's hands

    @property
    def is_active(self) -> bool:
        """Something is still to be done."""
        return self in (State.RUNNING, State.PROMOTING, State.ROLLING_BACK)


@dataclass(frozen=True, slots=True)
class Spec:
    """What is compared.

    Attributes:
        xapp: name as it registers at the RIC.
        baseline, candidate: versions as they register.
        candidate_percent: share of the requests the candidate gets, 0.1 to 90.

    Raises:
        InvalidInput: an xApp against itself. OutOfRange: a share that cannot be.
    """

    xapp: str
    baseline: str
    candidate: str
    candidate_percent: float = 5.0
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        if self.baseline == self.candidate:
            raise InvalidInput(f"version {self.baseline} of {self.xapp} against itself: name two versions")
        if not 0.1 <= self.candidate_percent <= 90:
            raise OutOfRange(f"candidate_percent {self.candidate_percent}: expected 0.1 to 90, e.g. 5")

    @property
    def versions(self) -> tuple[str, str]:
        """Baseline and candidate."""
        return self.baseline, self.candidate

    def weights(self, state: State) -> dict[str, int]:
        """Delivery weight by version; in an order in which they can be set one after the other."""
        candidate = round(SPLIT_WEIGHT * self.candidate_percent / 100)
        if state is State.RUNNING:
            return {self.baseline: SPLIT_WEIGHT - candidate, self.candidate: candidate}
        if state in (State.PROMOTING, State.PROMOTED):
            return {self.candidate: WHOLE_WEIGHT, self.baseline: 0}
        return {self.baseline: WHOLE_WEIGHT, self.candidate: 0}


@dataclass
class AbTest:
    """One test.

    Attributes:
        verdict, reason: None and what is waited for, while it runs.
        epoch, cursor: of the RIC's windows: what was read last.
        skipped: windows that were not judged, because the split changed in them.
        missed: windows that were gone before they were read.
        holds: this test's weights are kept up, also after the verdict.
    """

    test_id: str
    spec: Spec
    judge: Judge
    started_unix_s: float
    state: State = State.RUNNING
    verdict: Verdict | None = None
    reason: str = "the evidence does not suffice yet"
    ended_unix_s: float | None = None
    epoch: str = ""
    cursor: int = 0
    skipped: int = 0
    missed: int = 0
    holds: bool = True

    def decide(self, verdict: Verdict, reason: str) -> None:
        """Sets the verdict; it is then to be carried out."""
        self.verdict, self.reason = verdict, reason
        self.state = State.PROMOTING if verdict is Verdict.BETTER else State.ROLLING_BACK

    def abandon(self, reason: str) -> None:
        """Ends the test without touching the split."""
        self.verdict, self.reason = Verdict.UNDECIDED, reason
        self.state, self.holds = State.ABANDONED, False

    def summary(self) -> dict[str, Any]:
        """Without evidence and series."""
        spec = self.spec
        return {
            "id": self.test_id,
            "xapp": spec.xapp,
            "baseline": spec.baseline,
            "candidate": spec.candidate,
            "candidate_percent": spec.candidate_percent,
            "state": str(self.state),
            "verdict": str(self.verdict) if self.verdict is not None else None,
            "reason": self.reason,
            "started_at": self.started_unix_s,
            "ended_at": self.ended_unix_s,
            "requests": self.judge.requests,
            "gain": self.judge.gain,
            "gain_interval": list(self.judge.gain_interval),
        }

    def report(self) -> dict[str, Any]:
        """Everything, for JSON."""
        names = ("at_ms", "requests", "gain", "low", "high", "log_evidence_worse", "log_evidence_better")
        windows = {"windows_skipped": self.skipped, "windows_missed": self.missed}
        return {
            **self.summary(),
            "rules": asdict(self.spec.rules),
            "evidence": {**self.judge.evidence(), **windows},
            "series": [dict(zip(names, point, strict=True)) for point in self.judge.track],
        }

    # --- on disk -------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Everything needed to go on."""
        judge = self.judge
        record = {
            name: getattr(self, name)
            for name in ("test_id", "started_unix_s", "reason", "ended_unix_s", "epoch", "cursor", "skipped", "missed", "holds")
        }
        return record | {
            "state": str(self.state),
            "verdict": self.verdict and str(self.verdict),
            "spec": asdict(self.spec),
            "judge": {
                "services": judge.services,
                "overall": _test_json(judge.overall),
                "guarding": {name: _test_json(test) for name, test in judge.guarding.items()},
                "by_service": {name: _test_json(test) for name, test in judge.by_service.items()},
                "totals": {key: [asdict(counts) for counts in pair] for key, pair in judge.totals.items()},
                "track": judge.track,
            },
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> AbTest:
        """The inverse of `to_json`. Raises KeyError, TypeError, ValueError or InvalidInput for anything else."""
        spec = Spec(**{**record["spec"], "rules": Rules(**record["spec"]["rules"])})
        kept = record["judge"]
        judge = Judge(
            tuple(kept["services"]),
            spec.rules,
            overall=_test(kept["overall"]),
            guarding={name: _test(each) for name, each in kept["guarding"].items()},
            by_service={name: _test(each) for name, each in kept["by_service"].items()},
            totals={key: (_counts(pair[0]), _counts(pair[1])) for key, pair in kept["totals"].items()},
            track=kept["track"],
        )
        changed = {
            "spec": spec,
            "judge": judge,
            "state": State(record["state"]),
            "verdict": Verdict(record["verdict"]) if record["verdict"] else None,
        }
        return cls(**{**record, **changed})


def _test_json(test: SplitTest) -> dict[str, Any]:
    return {
        "requests": test.requests,
        "events": test.events,
        "log_ratios": test.log_ratios.tolist(),
        "log_evidence": test.log_evidence.tolist(),
    }


def _test(kept: dict[str, Any]) -> SplitTest:
    log_ratios = np.array(kept["log_ratios"], dtype=float)
    log_evidence = np.array(kept.get("log_evidence", log_ratios), dtype=float)  # one kept before the two were told apart
    return SplitTest(kept["requests"], kept["events"], log_ratios, log_evidence)


def _counts(kept: dict[str, Any]) -> Counts:
    return Counts(**{**kept, "latency_counts": tuple(kept["latency_counts"])})
