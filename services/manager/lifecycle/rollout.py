"""The steps of a rolling upgrade.

    start -> wait_ready -> shift -> drain -> stop -> done (succeeded)
      |          |           |        |
      |          |  <--------|--------|  (the new version has lost the RIC)
      '----------'-----------'--------'----> restore -> discard -> done (aborted: the old version serves as before)

Every step is made good against what is seen, never against what was done before: repeated after a crash of the manager it
ends in the same state, so a rollout that was cut off anywhere simply goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ric_sim.domain.errors import DeploymentFailed
from services.manager.lifecycle.driver import Driver, Workload, WorkloadState
from services.manager.lifecycle.model import WHOLE_WEIGHT, Counts, Desired, Rollout, RolloutState, Step, Strategy
from services.manager.lifecycle.ric_view import Attached, RicView, Roster

Settings = dict[str, str]

ABORTABLE = (Step.START, Step.WAIT_READY, Step.SHIFT, Step.DRAIN)
"""While the old version is still there to go back to."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look shows of the xApp of a rollout."""

    ric: RicView
    workloads: Sequence[Workload]

    def workloads_of(self, rollout: Rollout, *, new: bool) -> list[Workload]:
        """Of the new version, or of any other one."""
        return [w for w in self.workloads if w.name == rollout.xapp and (w.version == rollout.to_version) == new]

    def attached_old(self, rollout: Rollout) -> list[Attached]:
        """Instances at the RIC that are not of the new version, whoever started them."""
        return [row for row in self.ric.attached if row.name == rollout.xapp and row.version != rollout.to_version]


class Upgrade(Protocol):
    """Moves rollouts on."""

    async def advance(self, rollout: Rollout, seen: Seen) -> Rollout:
        """As `RollingUpgrade.advance`."""
        ...


class RollingUpgrade:
    """Moves rollouts on; keeps nothing of its own."""

    def __init__(
        self,
        driver: Driver,
        ric: Roster,
        *,
        now: Callable[[], float],
        settings: Callable[[str, str], Settings],
        subscriptions: Callable[[str, str], int],
    ) -> None:
        """
        Args:
            now: seconds since the epoch.
            settings: variables for an instance, by name and version.
            subscriptions: how many an instance takes part in once it works, by name and version.
        """
        self._driver = driver
        self._ric = ric
        self._now = now
        self._settings = settings
        self._subscriptions = subscriptions
        self._steps: dict[Step, Callable[[Rollout, Seen], Any]] = {
            Step.START: self._start,
            Step.WAIT_READY: self._wait_ready,
            Step.SHIFT: self._shift,
            Step.DRAIN: self._drain,
            Step.STOP: self._stop,
            Step.RESTORE: self._restore,
            Step.DISCARD: self._discard,
        }

    async def advance(self, rollout: Rollout, seen: Seen) -> Rollout:
        """Does what the step asks for; returns the rollout as it is then, to be kept before this is called again.

        Raises `RicUnreachable`, `DriverUnavailable`: nothing is lost, try again.
        """
        rollout = rollout.counted(seen.ric.counts.get(rollout.xapp, Counts()))
        if rollout.abort_asked and rollout.step in ABORTABLE:
            return self._abort(rollout, "an operator asked for it")
        moved: Rollout = await self._steps[rollout.step](rollout, seen)
        return moved

    # --- the way there -------------------------------------------------------------------------------------------------

    async def _start(self, rollout: Rollout, seen: Seen) -> Rollout:
        await self._weigh(rollout, 0)
        fault = await self._ensure_new(rollout, seen)
        if fault:
            return self._abort(rollout, fault)
        return rollout.at_step(Step.WAIT_READY, self._now(), f"starting {rollout.replicas} of {rollout.to_version} at weight 0")

    async def _wait_ready(self, rollout: Rollout, seen: Seen) -> Rollout:
        await self._weigh(rollout, 0)
        if len(self._ready(rollout, seen)) >= rollout.replicas:
            return rollout.at_step(Step.SHIFT, self._now(), f"{rollout.to_version} is attached and subscribed", shift_index=0)
        fault = await self._ensure_new(rollout, seen)
        waited_s = self._now() - rollout.step_at
        if not fault and waited_s > rollout.plan.ready_within_s:
            fault = f"{rollout.to_version} is not ready after {rollout.plan.ready_within_s:g} s: not attached and subscribed"
        return self._abort(rollout, fault) if fault else rollout

    async def _shift(self, rollout: Rollout, seen: Seen) -> Rollout:
        if fault := self._fault(rollout, seen):
            return self._abort(rollout, fault)
        if not self._ready(rollout, seen):
            return self._wait_again(rollout)
        weights = rollout.plan.weights_percent
        await self._weigh(rollout, weights[rollout.shift_index])
        if self._now() - rollout.step_at < rollout.plan.step_s or self._is_unjudged(rollout, seen):
            return rollout
        if rollout.shift_index + 1 < len(weights):
            following = rollout.shift_index + 1
            return rollout.at_step(Step.SHIFT, self._now(), f"{weights[following]} % to the new version", shift_index=following)
        return rollout.at_step(Step.DRAIN, self._now(), f"{rollout.from_version or 'nothing'} drains")

    async def _drain(self, rollout: Rollout, seen: Seen) -> Rollout:
        if fault := self._fault(rollout, seen):
            return self._abort(rollout, fault)
        if not self._ready(rollout, seen):
            return self._wait_again(rollout)
        await self._weigh(rollout, WHOLE_WEIGHT)
        held = sum(row.outstanding for row in seen.attached_old(rollout))
        if held and self._now() - rollout.step_at < rollout.plan.drain_within_s:
            return rollout
        text = f"it still holds {held} requests: they go to the new version" if held else "it has answered everything"
        return rollout.at_step(Step.STOP, self._now(), text)

    async def _stop(self, rollout: Rollout, seen: Seen) -> Rollout:
        if leaving := seen.workloads_of(rollout, new=False):
            for workload in leaving:
                await self._driver.stop(workload.instance_id)
            return rollout
        ours = {workload.instance_id for workload in seen.workloads}
        foreign = [row for row in seen.attached_old(rollout) if row.workload_id not in ours]
        await self._ric.set_weight(rollout.xapp, rollout.to_version, WHOLE_WEIGHT, keep=False)
        if rollout.from_version and not foreign:
            await self._ric.set_weight(rollout.xapp, rollout.from_version, WHOLE_WEIGHT, keep=False)
        rest = f"; {len(foreign)} started by others stay attached at weight 0" if foreign else ""
        return self._ended(rollout, RolloutState.SUCCEEDED, f"{rollout.to_version} serves alone{rest}")

    # --- the way back --------------------------------------------------------------------------------------------------

    async def _restore(self, rollout: Rollout, seen: Seen) -> Rollout:
        await self._weigh(rollout, 0)
        held = sum(row.outstanding for row in seen.ric.of(rollout.xapp, rollout.to_version))
        if held and self._now() - rollout.step_at < rollout.plan.drain_within_s:
            return rollout
        return rollout.at_step(Step.DISCARD, self._now(), f"{rollout.to_version} is stopped")

    async def _discard(self, rollout: Rollout, seen: Seen) -> Rollout:
        if leaving := seen.workloads_of(rollout, new=True):
            for workload in leaving:
                await self._driver.stop(workload.instance_id)
            return rollout
        for version in filter(None, (rollout.from_version, rollout.to_version)):
            await self._ric.set_weight(rollout.xapp, version, WHOLE_WEIGHT, keep=False)
        return self._ended(rollout, RolloutState.ABORTED, f"{rollout.from_version or 'nothing'} serves as before")

    def _wait_again(self, rollout: Rollout) -> Rollout:
        """It lives, but has lost the RIC, or the RIC its memory: back to weight 0 until it is there again."""
        return rollout.at_step(Step.WAIT_READY, self._now(), f"{rollout.to_version} is not attached any more")

    def _abort(self, rollout: Rollout, reason: str) -> Rollout:
        return rollout.at_step(Step.RESTORE, self._now(), f"given up: {reason}", reason=reason)

    def _ended(self, rollout: Rollout, state: RolloutState, text: str) -> Rollout:
        now = self._now()
        return replace(rollout.at_step(Step.DONE, now, text), state=state, ended_at=now)

    # --- shared --------------------------------------------------------------------------------------------------------

    async def _weigh(self, rollout: Rollout, new_percent: int) -> None:
        """The new version's share; also for instances that attach later. Said anew at every look: a RIC may have restarted."""
        await self._ric.set_weight(rollout.xapp, rollout.to_version, new_percent, keep=True)
        if rollout.from_version:
            await self._ric.set_weight(rollout.xapp, rollout.from_version, WHOLE_WEIGHT - new_percent, keep=True)

    async def _ensure_new(self, rollout: Rollout, seen: Seen) -> str:
        """Starts what is missing of the new version; says why it cannot be, else nothing."""
        mine = seen.workloads_of(rollout, new=True)
        ended = [workload for workload in mine if workload.state == WorkloadState.EXITED]
        if len(ended) >= rollout.plan.max_crashes:
            return f"{rollout.to_version} ended {len(ended)} times before it was ready: {ending_of(ended[-1])}"
        try:
            for _ in range(rollout.replicas - (len(mine) - len(ended))):
                settings = self._settings(rollout.xapp, rollout.to_version)
                await self._driver.start(rollout.xapp, rollout.to_version, settings)
        except DeploymentFailed as error:
            return str(error)
        return ""

    def _ready(self, rollout: Rollout, seen: Seen) -> list[Attached]:
        wanted = self._subscriptions(rollout.xapp, rollout.to_version)
        attached = seen.ric.of(rollout.xapp, rollout.to_version)
        return [row for row in attached if not row.draining and row.subscriptions >= wanted]

    def _is_unjudged(self, rollout: Rollout, seen: Seen) -> bool:
        """A dApp has yet to decide as many frames as the guard wants to see; requests may never come, frames always do."""
        waited_s = self._now() - rollout.step_at
        n_asked = _asked(seen.ric.of(rollout.xapp, rollout.to_version))
        has_time = rollout.strategy == Strategy.HANDOVER and waited_s < rollout.plan.ready_within_s
        return has_time and n_asked < rollout.plan.guard_after

    def _fault(self, rollout: Rollout, seen: Seen) -> str:
        """Why the new version must not have any traffic; nothing if it may."""
        if ended := [w for w in seen.workloads_of(rollout, new=True) if w.state == WorkloadState.EXITED]:
            last = ended[-1]
            if len(seen.workloads_of(rollout, new=True)) - len(ended) < rollout.replicas:
                return f"{rollout.to_version} died while it was given traffic: {ending_of(last)}"
        rows = seen.ric.of(rollout.xapp, rollout.to_version)
        failed = sum(row.failed + row.defaulted for row in rows)
        asked = _asked(rows)
        most = rollout.plan.max_failed_ratio
        if asked >= rollout.plan.guard_after and failed > most * asked:
            return f"guard: {failed} of {asked} requests of {rollout.to_version} failed, more than {most:.0%}"
        return ""


def _asked(rows: Sequence[Attached]) -> int:
    return sum(row.answered + row.defaulted for row in rows)


def desired_after(rollout: Rollout, desired: Desired | None) -> Desired:
    """What is wanted once the rollout has succeeded."""
    if desired is None:
        return Desired(rollout.to_version, rollout.replicas)
    standby = {version: count for version, count in desired.standby.items() if version != rollout.to_version}
    return replace(desired, version=rollout.to_version, replicas=rollout.replicas, standby=standby)


def ending_of(workload: Workload) -> str:
    """How an instance ended, for people."""
    code = workload.exit_code
    how = "" if code is None else f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return ", ".join(filter(None, (how, workload.detail))) or "it says nothing"
