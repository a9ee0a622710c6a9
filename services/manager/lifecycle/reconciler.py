"""Makes what runs into what is wanted, look by look: nothing depends on having seen a change happen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ric_sim.domain.errors import DeploymentFailed, RicityError
from ric_sim.telemetry import gauge
from ricity.e2.v1 import admin_pb2
from services.manager.lifecycle.attempts import Attempts
from services.manager.lifecycle.configuration import ConfigPath, choose_path, settings_of, started_generation, whole_settings
from services.manager.lifecycle.driver import Driver, Workload, WorkloadState
from services.manager.lifecycle.model import OLD_SERVES, WHOLE_WEIGHT, CataloguedXapp, Desired, Rollout, RolloutState
from services.manager.lifecycle.ric_view import ConfigurableRoster, RicView
from services.manager.lifecycle.rollout import Seen, Upgrade, desired_after, ending_of
from services.manager.lifecycle.rollout_metrics import count_ended
from services.manager.lifecycle.state_file import StateFile

LOOK_EVERY_S = 0.25


class Reconciler:
    """One task per xApp that has something to do; xApps do not wait for each other."""

    def __init__(self, state: StateFile, driver: Driver, ric: ConfigurableRoster, upgrade: Upgrade, *, log: Any) -> None:
        self._state = state
        self.driver = driver
        self._ric = ric
        self._upgrade = upgrade
        self._log = log
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._said: dict[str, str] = {}
        self.attempts = Attempts()
        self.driver_silence = ""
        """Why the driver did not answer the last look; empty: it did."""
        self.view = RicView()
        self.workloads: tuple[Workload, ...] = ()
        self._sees_anything = self.ric_answers = False
        self.on_change: Callable[[str, str], None] = lambda name, event: None
        """Told of an xApp's name and `deployed`, `modified`, `restarted` or `undeployed`."""
        self.place_of: Callable[[str], str] = lambda name: "ric"
        """What an xApp attaches to."""
        self.is_single: Callable[[str], bool] = lambda name: False
        """Whether there can be only one instance of an xApp: the old one ends before the new one starts."""

    def sees(self, name: str) -> bool:
        """Whether what `view` says of an xApp is what is so now."""
        return self._sees_anything and self.place_of(name) not in self.view.unseen

    async def run(self) -> None:
        """Looks and acts until cancelled. Whoever does not answer is asked again."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Looks once and sets to work for every xApp that is not being worked on."""
        try:
            self.view = (await self._ric.look()).of_workloads(self.workloads)
            self._sees_anything, self.ric_answers = True, "ric" not in self.view.unseen
        except RicityError as error:
            self._sees_anything = self.ric_answers = False
            self._tell("ric", error)
        for place, silence in self.view.unseen.items():
            self._tell(place, silence)
        try:
            self.workloads = tuple(await self.driver.workloads())
        except RicityError as error:
            self._tell("driver", error)
            self.driver_silence = str(error)
            self._note_silence()
            return
        self.driver_silence = ""
        self._said.pop("driver", None)
        self._note_silence()
        self.view = self.view.of_workloads(self.workloads)
        gauge("ricity_manager_active_rollouts").set(sum(r.is_running for r in self._state.rollouts.values()))
        seen = Seen(self.view, self.workloads)
        for xapp in list(self._state.xapps.values()):
            if xapp.name not in self._tasks:
                task = asyncio.create_task(self._work(xapp, seen))
                self._tasks[xapp.name] = task
                task.add_done_callback(partial(self._done, xapp.name))

    def _note_silence(self) -> None:
        """Rollouts wait for a driver that does not answer, and go on from where they are once it does."""
        now = time.time()
        for rollout in list(self._state.rollouts.values()):
            if rollout.is_running and rollout.xapp not in self._tasks:
                after = rollout.waiting(now, self.driver_silence) if self.driver_silence else rollout.resumed(now)
                if after != rollout:
                    self._state.put_rollout(after)

    async def settle(self) -> None:
        """Waits for what is under way."""
        await asyncio.gather(*self._tasks.values())

    async def close(self) -> None:
        """Stops wherever it is; the next manager goes on from there."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def rollout_of(self, name: str) -> Rollout | None:
        """The rollout that is under way for an xApp."""
        return next((r for r in self._state.rollouts.values() if r.xapp == name and r.is_running), None)

    async def path_of(self, xapp: CataloguedXapp, desired: Desired, config: Mapping[str, str]) -> tuple[ConfigPath, str]:
        """How a configuration that is to follow `desired` would come about; as `choose_path`."""
        return await choose_path(self._ric, Seen(self.view, self.workloads), xapp, desired, config)

    async def _work(self, xapp: CataloguedXapp, seen: Seen) -> None:
        rollout = self.rollout_of(xapp.name)
        await self._try(xapp.name, self._run_wanted(xapp, rollout, seen))
        if rollout is not None and self.sees(xapp.name):
            await self._try(rollout.rollout_id, self._advance(rollout, seen))

    async def _try(self, what: str, activity: Coroutine[Any, Any, None]) -> None:
        """What fails is tried again at the next look; what cannot be run does not keep an upgrade from replacing it."""
        try:
            await activity
        except RicityError as error:
            self._tell(what, error)
        else:
            self._said.pop(what, None)

    async def _run_wanted(self, xapp: CataloguedXapp, rollout: Rollout | None, seen: Seen) -> None:
        name, desired = xapp.name, xapp.desired
        if xapp.deleted:
            await self._remove(xapp, seen)
            return
        if desired is not None and (rollout is None or rollout.step in OLD_SERVES[rollout.strategy]):
            await self._keep_alive(name, desired, seen)
        self.attempts.forget_others(name, () if desired is None else (desired.version, *desired.standby))
        if desired is not None and rollout is None:
            await self._retire_others(name, desired, seen)
            await self._keep_standby(name, desired, seen)
            await self._give_weight(name, desired, seen)

    async def _advance(self, rollout: Rollout, seen: Seen) -> None:
        self._keep(rollout, await self._upgrade.advance(rollout, seen))

    def _done(self, name: str, task: asyncio.Task[None]) -> None:
        del self._tasks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("lifecycle.failed", xapp=name, exc_info=error)

    def _keep(self, before: Rollout, after: Rollout) -> None:
        if after == before:
            return
        if after.step != before.step or after.shift_index != before.shift_index:
            event = after.events[-1]
            self._log.info("rollout.step", rollout=after.rollout_id, xapp=after.xapp, step=after.step, text=event.text)
        # Meanwhile an operator may have asked for its end.
        after = replace(after, abort_asked=self._state.rollouts[after.rollout_id].abort_asked)
        if after.is_running:
            self._state.put_rollout(after)
            return
        xapp = self._state.xapps[after.xapp]
        if after.state == RolloutState.SUCCEEDED:
            xapp = replace(xapp, desired=desired_after(after, xapp.desired), previous_version=after.from_version)
        self._state.put_rollout(after, xapp)
        count_ended(after)
        self.on_change(xapp.name, "modified")

    # --- no rollout ----------------------------------------------------------------------------------------------------

    async def _keep_alive(self, name: str, desired: Desired, seen: Seen) -> None:
        """As many instances of the wanted version as wanted, on the newest configuration."""
        mine = [w for w in seen.workloads if w.name == name and w.version == desired.version]
        for ended in [w for w in mine if w.state == WorkloadState.EXITED]:
            self._crashed(name, ended)
            await self.driver.stop(ended.instance_id)
        running = [w for w in mine if w.state == WorkloadState.RUNNING]
        current = [w for w in running if _can_run(w, desired, seen)]
        older = [w for w in running if w not in current]
        if older and self.is_single(name):
            await self._retire(older)
            older = []
        if missing := desired.replicas - len(current):
            await self._start(name, desired, missing)
        n_ready = self._n_ready(current, seen)
        if n_ready >= desired.replicas:
            self.attempts.works(name, desired.version)
        await self._retire(current[desired.replicas :])
        if older and n_ready >= desired.replicas:
            await self._retire(older)
        await self._configure(name, desired, current, seen)

    async def _configure(self, name: str, desired: Desired, current: Iterable[Workload], seen: Seen) -> None:
        """Tells instances of what is newer than their configuration; one that does not take it while it runs is replaced."""
        started = {workload.instance_id: started_generation(workload) for workload in current}
        generation = desired.config_generation
        behind = [
            row
            for row in seen.ric.of(name, desired.version)
            if not row.draining and 0 < (row.config_generation or started.get(row.workload_id, 0)) < generation
            if row.workload_id in started
        ]
        if not behind or not self.sees(name):
            return
        settings = whole_settings(self._state.xapps[name], desired.version, desired.config)
        for told in await self._ric.configure(behind, generation, settings, check_only=False):
            if told.outcome == admin_pb2.CONFIG_OUTCOME_REFUSED:
                self._replace_older(name, generation, f"{told.instance_id}: {told.reason}")
        if deaf := [row for row in behind if not row.live_settings]:
            self._replace_older(name, generation, f"{deaf[0].instance_id}: takes nothing while it runs")

    def _replace_older(self, name: str, generation: int, reason: str) -> None:
        xapp = self._state.xapps[name]
        if xapp.desired is not None and xapp.desired.config_generation == generation:
            self._log.warning("config.not_live", xapp=name, generation=generation, reason=reason)
            self._state.put_xapps(replace(xapp, desired=replace(xapp.desired, config_floor=generation)))

    async def _retire_others(self, name: str, desired: Desired, seen: Seen) -> None:
        """Versions that nobody wants: former candidates, and what was there before the xApp was deployed.

        They serve until those that are wanted do.
        """
        wanted = {desired.version, *desired.standby}
        mine = [workload for workload in seen.workloads if workload.name == name]
        ready = self._n_ready((workload for workload in mine if workload.version == desired.version), seen)
        if ready >= desired.replicas or self.is_single(name):
            await self._retire(workload for workload in mine if workload.version not in wanted)

    async def _keep_standby(self, name: str, desired: Desired, seen: Seen) -> None:
        """Candidates attach with weight 0, also to a RIC that has restarted and knows no weights."""
        for version, replicas in desired.standby.items():
            if not any(w.name == name and w.version == version for w in seen.workloads):
                await self._ric.set_weight(name, version, 0, keep=True)
            config = {**desired.config, "RICITY_WEIGHT": "0"}
            await self._keep_alive(name, replace(desired, version=version, replicas=replicas, config=config), seen)

    async def _give_weight(self, name: str, desired: Desired, seen: Seen) -> None:
        """A former candidate that serves alone still registers with weight 0, should the RIC or it restart."""
        serving = seen.ric.of(name, desired.version)
        if serving and not desired.standby and all(row.weight == 0 for row in serving):
            await self._ric.set_weight(name, desired.version, WHOLE_WEIGHT, keep=False)

    async def _start(self, name: str, desired: Desired, missing: int) -> None:
        if missing < 0 or self.attempts.is_paused(name, desired.version):
            return
        settings = settings_of(desired)
        try:
            for _ in range(missing):
                await self.driver.start(name, desired.version, settings)
        except DeploymentFailed as error:
            pause_s = self.attempts.failed(name, desired.version, str(error))
            self._log.warning("xapp.not_started", xapp=name, version=desired.version, error=str(error), again_in_s=pause_s)

    async def _retire(self, workloads: Iterable[Workload]) -> None:
        for workload in workloads:
            await self.driver.stop(workload.instance_id)

    async def _remove(self, xapp: CataloguedXapp, seen: Seen) -> None:
        mine = [w for w in seen.workloads if w.name == xapp.name]
        await self._retire(mine)
        if not mine:
            self.attempts.forget_others(xapp.name, ())
            self._state.remove_xapp(xapp.name)
            self.on_change(xapp.name, "undeployed")

    def _n_ready(self, workloads: Iterable[Workload], seen: Seen) -> int:
        attached = {row.workload_id for row in seen.ric.attached if not row.draining and row.subscriptions > 0}
        return sum(workload.instance_id in attached for workload in workloads)

    def _crashed(self, name: str, ended: Workload) -> None:
        pause_s = self.attempts.failed(name, ended.version, f"it ended by itself: {ending_of(ended)}")
        self._log.warning(
            "xapp.died", xapp=name, version=ended.version, exit_code=ended.exit_code, said=ended.detail, again_in_s=pause_s
        )
        self.on_change(name, "restarted")

    def _tell(self, what: str, error: RicityError) -> None:
        """Logs an error once, not at every look."""
        if self._said.get(what) != str(error):
            self._said[what] = str(error)
            self._log.warning("lifecycle.waits", what=what, error=str(error), code=error.code)


def _can_run(workload: Workload, desired: Desired, seen: Seen) -> bool:
    """It has the wanted configuration or can be told of it. One from the future is of a manager that has lost its memory."""
    says = max((row.config_generation for row in seen.ric.attached if row.workload_id == workload.instance_id), default=0)
    return desired.config_floor <= started_generation(workload) <= desired.config_generation and says <= desired.config_generation
