"""The replacement of an xApp that there can be only one of.

    start -> stop -> wait_ready -> shift -> done (succeeded)
      |                  |           |
      '------------------'-----------'----> restore -> discard -> done (aborted: the old version runs again)

The old version ends before the new one starts, which goes on from what it has kept. Who uses it does without meanwhile; how
long is the rollout's downtime.
"""

from __future__ import annotations

from dataclasses import replace

from services.manager.lifecycle.model import Rollout, RolloutState, Step, Strategy
from services.manager.lifecycle.rollout import RollingUpgrade, Seen, Upgrade


class Replacement(RollingUpgrade):
    """Moves replacements on; keeps nothing of its own."""

    async def _start(self, rollout: Rollout, seen: Seen) -> Rollout:
        ours = {workload.instance_id for workload in seen.workloads}
        if foreign := [row.instance_id for row in seen.attached_old(rollout) if row.workload_id not in ours]:
            return self._abort(rollout, f"{', '.join(foreign)} was started by others: it has to end first, and they can end it")
        return rollout.at_step(Step.STOP, self._now(), f"{rollout.from_version or 'nothing'} is stopped")

    async def _stop(self, rollout: Rollout, seen: Seen) -> Rollout:
        if leaving := seen.workloads_of(rollout, new=False):
            for workload in leaving:
                await self._driver.stop(workload.instance_id)
            return rollout
        return rollout.at_step(Step.WAIT_READY, self._now(), f"starting {rollout.to_version}")

    async def _wait_ready(self, rollout: Rollout, seen: Seen) -> Rollout:
        if self._ready(rollout, seen):
            downtime_s = self._down_s(rollout)
            text = f"{rollout.to_version} is ready after {downtime_s:.1f} s without any"
            return rollout.at_step(Step.SHIFT, self._now(), text, downtime_s=downtime_s)
        return await super()._wait_ready(rollout, seen)

    async def _shift(self, rollout: Rollout, seen: Seen) -> Rollout:
        if fault := self._fault(rollout, seen):
            return self._abort(rollout, fault)
        if self._now() - rollout.step_at < rollout.plan.step_s:
            return rollout
        return self._ended(rollout, RolloutState.SUCCEEDED, f"{rollout.to_version} serves")

    async def _restore(self, rollout: Rollout, seen: Seen) -> Rollout:
        if leaving := seen.workloads_of(rollout, new=True):
            for workload in leaving:
                await self._driver.stop(workload.instance_id)
            return rollout
        return rollout.at_step(Step.DISCARD, self._now(), f"{rollout.from_version or 'nothing'} is started again")

    async def _discard(self, rollout: Rollout, seen: Seen) -> Rollout:
        is_back = not rollout.from_version or bool(seen.ric.of(rollout.xapp, rollout.from_version))
        if not is_back and self._now() - rollout.step_at < rollout.plan.ready_within_s:
            return rollout
        text = f"{rollout.from_version or 'nothing'} serves as before" if is_back else f"{rollout.from_version} is not back yet"
        return self._ended(replace(rollout, downtime_s=self._down_s(rollout)), RolloutState.ABORTED, text)

    def _down_s(self, rollout: Rollout) -> float:
        """Since the old version was told to end; 0 if it never was."""
        stopped_at = next((event.at for event in rollout.events if event.step == Step.STOP), self._now())
        return self._now() - stopped_at


class ByStrategy:
    """An `Upgrade` of every kind."""

    def __init__(self, rolling: Upgrade, replacement: Upgrade) -> None:
        self._rolling, self._replacement = rolling, replacement

    async def advance(self, rollout: Rollout, seen: Seen) -> Rollout:
        """As `RollingUpgrade.advance`."""
        chosen = self._replacement if rollout.strategy == Strategy.REPLACE else self._rolling
        return await chosen.advance(rollout, seen)
