"""What an operator does with xApps: onboard, deploy, upgrade, roll back, configure, remove. A call is kept before it answers."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ric_sim.domain.errors import (
    ConfigRefused,
    Conflict,
    DriverUnavailable,
    InvalidInput,
    NotFound,
    RicUnreachable,
    RolloutUnderway,
    TrialUnderway,
)
from ric_sim.telemetry import counter
from services.manager.lifecycle.configuration import GENERATION, ConfigPath, Configured
from services.manager.lifecycle.descriptor import Place, XappVersion, du_of, place_of, unfold
from services.manager.lifecycle.model import CataloguedXapp, Desired, Rollout, RolloutPlan, Strategy
from services.manager.lifecycle.reconciler import Reconciler
from services.manager.lifecycle.rollout import ABORTABLE
from services.manager.lifecycle.state_file import StateFile

MAX_REPLICAS = 16
MAX_DAPPS = 2
"""Of one O-DU: one decides, the other stands by; an upgrade brings as many of the new version."""

MAX_XAPPS = 1000
MAX_VERSIONS = 200
_VARIABLE = re.compile(r"RICITY_[A-Z0-9_]{1,60}")
_STRATEGIES = {Place.RIC: Strategy.ROLLING, Place.RADIO: Strategy.HANDOVER, Place.CRITIC: Strategy.REPLACE}
_RESERVED = frozenset({"RICITY_INSTANCE_ID", "RICITY_XAPP_VERSION", "RICITY_RIC", "RICITY_SERVICE", "RICITY_DU", GENERATION})


class Catalogue:
    """Versions by name, unfolded from the kept descriptors."""

    def __init__(self, state: StateFile) -> None:
        self._state = state

    def find(self, name: str) -> CataloguedXapp:
        """The xApp; `NotFound` if there is none of that name, or it is being removed."""
        xapp = self._state.xapps.get(name)
        if xapp is None or xapp.deleted:
            raise NotFound(
                f"no xApp {name!r:.80} in the catalogue: onboard its descriptor, `ricity xapp list` shows what there is"
            )
        return xapp

    def place(self, name: str) -> Place:
        """What an xApp attaches to, by the descriptor onboarded last; the RIC if it is not in the catalogue."""
        xapp = self._state.xapps.get(name)
        return place_of(list(xapp.documents.values())[-1]) if xapp and xapp.documents else Place.RIC

    def names_at(self, place: Place) -> list[str]:
        """The xApps that attach there."""
        return [name for name in self._state.xapps if self.place(name) == place]

    def dapps(self) -> dict[int, str]:
        """O-DU -> the dApp that decides for it."""
        documents = {name: list(self._state.xapps[name].documents.values())[-1] for name in self.names_at(Place.RADIO)}
        return {du_of(name, document): name for name, document in documents.items()}

    def version(self, name: str, version: str) -> XappVersion:
        """One version of an xApp; `NotFound` names those there are."""
        documents = self.find(name).documents
        if version not in documents:
            known = ", ".join(documents)
            raise NotFound(f"no version {version!r:.80} of {name}: onboard it, or choose one of {known}")
        return next(unfolded for unfolded in unfold(documents[version]) if unfolded.name == name)


class Lifecycle:
    """The operations; the reconciler makes them come true."""

    def __init__(self, state: StateFile, catalogue: Catalogue, reconciler: Reconciler) -> None:
        self._state = state
        self.catalogue = catalogue
        self.reconciler = reconciler
        self.trial_of: Callable[[str], str] = lambda name: ""
        """Id of the A/B test of an xApp that is under way; empty: none."""

    @property
    def xapps(self) -> Mapping[str, CataloguedXapp]:
        """The catalogue by name."""
        return self._state.xapps

    @property
    def rollouts(self) -> Mapping[str, Rollout]:
        """By id, oldest first."""
        return self._state.rollouts

    def rollout(self, rollout_id: str) -> Rollout:
        """Raises `NotFound`."""
        if rollout_id not in self._state.rollouts:
            raise NotFound(f"no rollout {rollout_id!r:.80}: GET /v1/rollouts lists them")
        return self._state.rollouts[rollout_id]

    def onboard(self, document: Any) -> list[str]:
        """Takes a descriptor into the catalogue; starts nothing. The same again changes nothing.

        Returns:
            Names of its xApps: one per service or O-DU, or one.

        Raises:
            MalformedFile: does not fit the schema.
            Conflict: the version is there with another descriptor, or the xApp is being removed.
        """
        changed = []
        for unfolded in unfold(document):
            xapp = self._state.xapps.get(unfolded.name) or CataloguedXapp(unfolded.name)
            if xapp.deleted:
                raise Conflict(f"{xapp.name} is being removed: wait until it is gone")
            if xapp.documents.get(unfolded.version, document) != document:
                raise Conflict(f"{xapp.name} {unfolded.version} is there with another descriptor: give this one another version")
            if len(xapp.documents) >= MAX_VERSIONS or len(self._state.xapps) >= MAX_XAPPS:
                raise InvalidInput(f"the catalogue takes {MAX_XAPPS} xApps of {MAX_VERSIONS} versions: remove some first")
            changed.append(replace(xapp, documents={**xapp.documents, unfolded.version: document}))
        self._state.put_xapps(*changed)
        return [xapp.name for xapp in changed]

    def deploy(self, name: str, version: str, replicas: int, *, standby: bool = False) -> Desired:
        """Wants `replicas` instances (0 stops them) of a version; another number is a change of scale.

        Args:
            standby: beside the version that serves, at weight 0, for an A/B test to give it a share.

        Raises:
            NotFound, InvalidInput; Conflict: another version is deployed, which only an upgrade replaces; RolloutUnderway;
                DriverUnavailable.
        """
        xapp = self.catalogue.find(name)
        self._check_quiet(name)
        self.catalogue.version(name, version)
        if not 0 <= replicas <= MAX_REPLICAS:
            raise InvalidInput(f"replicas {replicas}: expected 0 to {MAX_REPLICAS}")
        self._check_abilities(name)
        self._check_place(name, replicas, standby=standby)
        desired = _with_standby(xapp, version, replicas) if standby else _with_serving(xapp, version, replicas)
        self._check_driver(name)
        self._state.put_xapps(replace(xapp, desired=desired))
        self.reconciler.on_change(name, "deployed" if replicas else "undeployed")
        return desired

    def upgrade(self, name: str, to_version: str, plan: RolloutPlan) -> Rollout:
        """Begins a rolling upgrade.

        Raises:
            NotFound; InvalidInput: it runs that version, or the plan makes no sense, or the driver runs no such xApps;
                RolloutUnderway; TrialUnderway; RicUnreachable: what serves now is not known; DriverUnavailable.
        """
        xapp = self.catalogue.find(name)
        self._check_free(name)
        self.catalogue.version(name, to_version)
        self._check_abilities(name)
        _check_plan(plan)
        from_version = self._serving(xapp)
        if from_version == to_version:
            raise InvalidInput(f"{name} runs {to_version} already: name another version")
        self._check_driver(name)
        replicas = max(1, xapp.desired.replicas) if xapp.desired else 1
        now = time.time()
        strategy = _STRATEGIES[self.catalogue.place(name)]
        if strategy != Strategy.ROLLING:
            plan = replace(plan, weights_percent=(100,))  # an O-DU is one dApp's or another's
        rollout = Rollout(
            uuid.uuid4().hex[:12], name, from_version, to_version, replicas, plan, now, step_at=now, strategy=strategy
        )
        self._state.put_rollout(rollout.noted(now, f"{from_version or 'nothing'} to {to_version}"))
        return self._state.rollouts[rollout.rollout_id]

    def rollback(self, name: str, plan: RolloutPlan) -> Rollout:
        """Ends the rollout that is under way, or goes back to the version before the last upgrade.

        The end of a rollout that waits for the driver is kept, too, and comes with the driver.

        Raises:
            NotFound; InvalidInput: there was no version before; RolloutUnderway: too far to be ended, its old version stops;
                TrialUnderway; DriverUnavailable: there is no rollout to be ended, and none can begin.
        """
        xapp = self.catalogue.find(name)
        rollout = self.reconciler.rollout_of(name)
        if rollout is None:
            if not xapp.previous_version:
                raise InvalidInput(f"{name} has had no version before this one: nothing to go back to")
            return self.upgrade(name, xapp.previous_version, plan)
        if rollout.step not in ABORTABLE:
            raise RolloutUnderway(f"rollout {rollout.rollout_id} of {name} is at {rollout.step}: wait for its end, then repeat")
        asked = replace(rollout, abort_asked=True)
        self._state.put_rollout(asked)
        return asked

    def promote(self, name: str, *, winner: str, loser: str) -> None:
        """The verdict of an A/B test: `winner` is wanted, `loser` is not. Nothing for an xApp that others have deployed.

        A winner that others have started is theirs to keep; of the loser there are no instances then.
        """
        xapp = self._state.xapps.get(name)
        if xapp is None or xapp.deleted or xapp.desired is None:
            return
        desired, previous = xapp.desired, xapp.previous_version
        standby = {version: count for version, count in desired.standby.items() if version not in (winner, loser)}
        if winner in xapp.documents:
            previous = previous if desired.version == winner else desired.version
            desired = replace(desired, version=winner)
        elif desired.version == loser:
            desired = replace(desired, replicas=0)
        self._state.put_xapps(replace(xapp, desired=replace(desired, standby=standby), previous_version=previous))
        self.reconciler.on_change(name, "modified")

    async def configure(self, name: str, config: Mapping[str, str]) -> Configured:
        """Replaces the configuration. Instances take it while they run, or others are started with it and take over.

        Raises:
            NotFound, RolloutUnderway, TrialUnderway; InvalidInput: not deployed, or a variable that is none of the xApp's;
            ConfigRefused: an instance does not take it; RicUnreachable; DriverUnavailable; Conflict: changed by somebody else
            meanwhile. Nothing has changed then.
        """
        xapp = self.catalogue.find(name)
        self._check_free(name)
        desired = xapp.desired
        if desired is None:
            raise InvalidInput(f"{name} is not deployed: `ricity xapp deploy {name}` first")
        for key in config:
            if not _VARIABLE.fullmatch(key) or key in _RESERVED:
                raise InvalidInput(f"configuration key {key!r:.80}: expected a RICITY_* setting of the xApp, in upper case")
        if dict(desired.config) == dict(config):
            return Configured(desired, ConfigPath.UNCHANGED)
        self._check_driver(name)
        path, reason = await self._path_of(xapp, desired, config)
        self._check_free(name)
        if self.catalogue.find(name) != xapp:
            raise Conflict(f"{name} was changed by somebody else meanwhile: look at it again, then repeat")
        generation = desired.config_generation + 1
        floor = desired.config_floor if path == ConfigPath.LIVE else generation
        desired = replace(desired, config=dict(config), config_generation=generation, config_floor=floor)
        self._state.put_xapps(replace(xapp, desired=desired))
        counter("ricity_manager_configurations_total").labels(outcome=path).inc()
        self.reconciler.on_change(name, "modified")
        return Configured(desired, path, reason)

    def remove(self, name: str) -> None:
        """Stops an xApp's instances, then forgets it.

        Raises `NotFound`, `RolloutUnderway`, `TrialUnderway`, `DriverUnavailable`.
        """
        xapp = self.catalogue.find(name)
        self._check_free(name)
        self._check_driver(name)
        self._state.put_xapps(replace(xapp, deleted=True))

    async def _path_of(self, xapp: CataloguedXapp, desired: Desired, config: Mapping[str, str]) -> tuple[ConfigPath, str]:
        try:
            return await self.reconciler.path_of(xapp, desired, config)
        except ConfigRefused:
            counter("ricity_manager_configurations_total").labels(outcome="refused").inc()
            raise

    def _serving(self, xapp: CataloguedXapp) -> str:
        """The version that serves now; of an xApp that others have started, the one with the largest weight."""
        if xapp.desired is not None and xapp.desired.replicas > 0:
            return xapp.desired.version
        if not self.reconciler.sees(xapp.name):
            raise RicUnreachable(
                f"the {self.catalogue.place(xapp.name)} does not answer, so which version of {xapp.name} serves is not known:"
                " ask again later"
            )
        rows = [row for row in self.reconciler.view.attached if row.name == xapp.name]
        return max(rows, key=lambda row: row.weight).version if rows else ""

    def _check_abilities(self, name: str) -> None:
        """The driver runs xApps of its place."""
        place, driver = self.catalogue.place(name), self.reconciler.driver
        if place not in driver.places:
            what = {Place.RIC: "an xApp of the RIC", Place.RADIO: "a dApp of the radio network", Place.CRITIC: "the critic"}
            raise InvalidInput(
                f"{name} is {what[place]}, which the driver {driver.name!r} does not run: expected an xApp of the RIC; "
                "change the chart's values and `helm upgrade` (docs/upgrade.md)"
            )

    def _check_driver(self, name: str) -> None:
        """The driver answered the last look: what is asked for can begin at once."""
        if silence := self.reconciler.driver_silence:
            raise DriverUnavailable(f"{name} stays as it is: {silence}. Then repeat; `ricity xapp catalogue` tells of the driver")

    def _check_place(self, name: str, replicas: int, *, standby: bool) -> None:
        """What no xApp of its place can do."""
        place = self.catalogue.place(name)
        if place != Place.RIC and standby:
            raise InvalidInput(f"{name} gets no requests that an A/B test could split: upgrade it, which waits until it is fit")
        most = {Place.RIC: MAX_REPLICAS, Place.RADIO: MAX_DAPPS, Place.CRITIC: 1}[place]
        if replicas > most:
            raise InvalidInput(f"replicas {replicas} of {name}: expected 0 to {most}")

    def _check_free(self, name: str) -> None:
        """Neither a rollout nor an A/B test has the xApp's versions in its hands."""
        self._check_quiet(name)
        if trial := self.trial_of(name):
            raise TrialUnderway(
                f"A/B test {trial} of {name} decides between its versions: wait for the verdict, or end it with "
                f"`ricity ab stop {trial}`"
            )

    def _check_quiet(self, name: str) -> None:
        rollout = self.reconciler.rollout_of(name)
        if rollout is not None:
            raise RolloutUnderway(
                f"{name} is being upgraded to {rollout.to_version} (rollout {rollout.rollout_id}, {rollout.step}): "
                f"wait for its end, or end it with `ricity xapp rollback {name}`"
            )


def _check_plan(plan: RolloutPlan) -> None:
    weights = plan.weights_percent
    if not weights or weights[-1] != 100 or any(a >= b for a, b in zip((0, *weights), weights, strict=False)):
        raise InvalidInput(f"weights_percent {list(weights)}: expected rising shares in 1 to 100, the last one 100")


def _with_serving(xapp: CataloguedXapp, version: str, replicas: int) -> Desired:
    desired = xapp.desired
    if desired is not None and desired.replicas > 0 and desired.version != version:
        raise Conflict(
            f"{xapp.name} is deployed as {desired.version}: `ricity xapp upgrade {xapp.name} --to {version}` replaces it"
        )
    if desired is None:
        return Desired(version, replicas)
    standby = {key: count for key, count in desired.standby.items() if key != version}
    return replace(desired, version=version, replicas=replicas, standby=standby if replicas else {})


def _with_standby(xapp: CataloguedXapp, version: str, replicas: int) -> Desired:
    desired = xapp.desired
    if desired is None or desired.version == version:
        raise InvalidInput(f"{version} of {xapp.name} cannot stand by: deploy another version, which serves, first")
    others = {key: count for key, count in desired.standby.items() if key != version}
    return replace(desired, standby={**others, version: replicas} if replicas else others)
