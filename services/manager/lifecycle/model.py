"""What is kept of xApps: which versions there are, which is wanted, and every change of version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

WHOLE_WEIGHT = 100
MAX_EVENTS = 200


class Step(StrEnum):
    """Of a rolling upgrade, in order; the last two are the way back."""

    START = "start"
    WAIT_READY = "wait_ready"
    SHIFT = "shift"
    DRAIN = "drain"
    STOP = "stop"
    DONE = "done"
    RESTORE = "restore"
    DISCARD = "discard"


class RolloutState(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    ABORTED = "aborted"


class Strategy(StrEnum):
    """How a version takes another one's place."""

    ROLLING = "rolling"  # requests shift from the old one to the new one
    HANDOVER = "handover"  # the new dApp stands by until it gets the O-DU
    REPLACE = "replace"  # the old one ends before the new one starts


OLD_SERVES = {
    Strategy.ROLLING: (Step.START, Step.WAIT_READY, Step.SHIFT, Step.RESTORE, Step.DISCARD),
    Strategy.HANDOVER: (Step.START, Step.WAIT_READY, Step.SHIFT, Step.RESTORE, Step.DISCARD),
    Strategy.REPLACE: (Step.START, Step.DISCARD),
}
"""Steps at which the old version is kept running."""


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """How an upgrade is done.

    Attributes:
        weights_percent: share of the new version, step by step; the last is 100.
        step_s: how long each share is kept.
        ready_within_s: the new version has to be attached and subscribed by then.
        drain_within_s: how long the old version may take to answer what it holds before it is asked to end.
        max_crashes: a new version that ended so often while it was awaited is given up.
        max_failed_ratio: of the requests the new version has answered, at most this share may have failed (its agent raised
            an error, or the time-to-wait ran out); looked at from `guard_after` requests on.
    """

    weights_percent: tuple[int, ...] = (10, 50, 100)
    step_s: float = 1.0
    ready_within_s: float = 60.0
    drain_within_s: float = 10.0
    max_crashes: int = 3
    max_failed_ratio: float = 0.05
    guard_after: int = 20


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of an xApp at the RIC (`RequestTotals`)."""

    received: int = 0
    answered: int = 0
    defaulted: int = 0
    given_up: int = 0
    doubled: int = 0
    waiting: int = 0

    @property
    def unanswered(self) -> int:
        """Requests that no instance answered: default actions, and those of which no trace is left."""
        return self.received - self.answered - self.waiting


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a rollout; `at` in seconds since the epoch."""

    at: float
    step: Step
    text: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """One change of version.

    Attributes:
        from_version: what served before; empty if nothing did.
        abort_asked: by an operator.
        shift_index: position in the plan's weights while shifting.
        started_at, step_at, ended_at: seconds since the epoch; `step_at` is when this step (or share) began.
        first: the RIC's counts before anything was done; zero once the RIC has restarted, which counts from zero.
        before_restart: lost, doubled and requests until then.
        lost: requests that no instance of the xApp answered: the node took its default action, or no trace of them is left.
        doubled: answers to requests that had been answered.
        requests: that reached the RIC for the xApp meanwhile.
        downtime_s: of a replacement: from the end of the old version to a new or the old one that is ready.
        silent_since: seconds since the epoch: since then the driver does not answer and everything stays as it is; 0: it answers.
        waits_for: why the driver does not answer; empty: it does.
        stalled: it has waited for the driver for longer than the new version may take to be ready.
        waited_s: for the driver, whenever it did not answer. That time is nobody's: no limit of the plan counts it.

    Of a dApp, requests are the frames of its O-DU, and lost are those without a control.
    """

    rollout_id: str
    xapp: str
    from_version: str
    to_version: str
    replicas: int
    plan: RolloutPlan
    started_at: float
    step: Step = Step.START
    state: RolloutState = RolloutState.RUNNING
    shift_index: int = 0
    step_at: float = 0.0
    ended_at: float = 0.0
    reason: str = ""
    abort_asked: bool = False
    first: Counts | None = None
    latest: Counts | None = None
    before_restart: tuple[int, int, int] = (0, 0, 0)
    lost: int = 0
    doubled: int = 0
    requests: int = 0
    events: tuple[Event, ...] = ()
    strategy: Strategy = Strategy.ROLLING
    downtime_s: float = 0.0
    silent_since: float = 0.0
    waits_for: str = ""
    stalled: bool = False
    waited_s: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.state == RolloutState.RUNNING

    def at_step(self, step: Step, now: float, text: str, **changes: Any) -> Rollout:
        """The rollout at the begin of a step."""
        return replace(self, step=step, step_at=now, **changes).noted(now, text)

    def counted(self, counts: Counts) -> Rollout:
        """With what the RIC counts now."""
        first, earlier = self.first or counts, self.before_restart
        if self.latest is not None and counts.received < self.latest.received:
            first, earlier = Counts(), (self.lost, self.doubled, self.requests)
        return replace(
            self,
            first=first,
            latest=counts,
            before_restart=earlier,
            lost=earlier[0] + counts.unanswered - first.unanswered,
            doubled=earlier[1] + counts.doubled - first.doubled,
            requests=earlier[2] + counts.received - first.received,
        )

    def waiting_s(self, now: float) -> float:
        """How long it has waited for the driver until now."""
        return self.waited_s + (max(0.0, now - self.silent_since) if self.silent_since else 0.0)

    def waiting(self, now: float, silence: str) -> Rollout:
        """As it stands while the driver does not answer."""
        waiting = replace(self, silent_since=self.silent_since or now, waits_for=silence)
        most_s = self.plan.ready_within_s
        if self.stalled or now - waiting.silent_since <= most_s:
            return waiting
        return replace(waiting, stalled=True).noted(now, f"has waited for the driver for more than {most_s:g} s: {silence}")

    def resumed(self, now: float) -> Rollout:
        """As it goes on once the driver answers, from the step it was at."""
        if not self.silent_since:
            return self
        waited_s = self.waiting_s(now)
        away_s = waited_s - self.waited_s
        going_on = replace(self, silent_since=0.0, waits_for="", stalled=False, step_at=self.step_at + away_s, waited_s=waited_s)
        return going_on.noted(now, f"the driver answers again after {away_s:.1f} s") if self.stalled else going_on

    def noted(self, now: float, text: str) -> Rollout:
        """With one more event; the oldest are dropped."""
        return replace(self, events=(*self.events, Event(now, self.step, text))[-MAX_EVENTS:])


@dataclass(frozen=True, slots=True)
class Desired:
    """What an operator wants to run.

    Attributes:
        standby: further versions that are kept attached, and how many of each: candidates of an A/B test. Their weight is 0
            unless a test gives them some.
        config: `RICITY_*` variables on top of the descriptor's.
        config_generation: counts the changes of `config`; an instance runs one of them.
        config_floor: an instance that was started with an older generation is replaced; one started since is told of the newer
            ones while it runs.
    """

    version: str
    replicas: int = 1
    standby: Mapping[str, int] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    config_generation: int = 1
    config_floor: int = 1


@dataclass(frozen=True, slots=True)
class CataloguedXapp:
    """One xApp by the name it has at the RIC.

    Attributes:
        documents: version -> descriptor, in order of onboarding.
        desired: None until it is deployed.
        previous_version: what `rollback` goes back to; empty if there was no other.
        deleted: on its way out: its instances are being stopped.
    """

    name: str
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    desired: Desired | None = None
    previous_version: str = ""
    deleted: bool = False
