"""The JSON of `/v1/xapps` and `/v1/rollouts`."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from services.manager.lifecycle.configuration import ConfigPath, Configured, started_generation
from services.manager.lifecycle.descriptor import SEMVER_PATTERN
from services.manager.lifecycle.driver import Workload
from services.manager.lifecycle.model import CataloguedXapp, Desired, Rollout, RolloutPlan
from services.manager.lifecycle.reconciler import Reconciler
from services.manager.lifecycle.ric_view import Attached
from services.manager.lifecycle.service import MAX_REPLICAS


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PlanBody(_Body):
    """How an upgrade is done; all optional. Fields as `RolloutPlan`."""

    weights_percent: list[int] = Field([10, 50, 100], min_length=1, max_length=20)
    step_s: float = Field(1.0, ge=0, le=3600)
    ready_within_s: float = Field(60.0, gt=0, le=3600)
    drain_within_s: float = Field(10.0, ge=0, le=600)
    max_crashes: int = Field(3, ge=1, le=100)
    max_failed_ratio: float = Field(0.05, ge=0, le=1)
    guard_after: int = Field(20, ge=1)

    def plan(self) -> RolloutPlan:
        """As the rollout takes it."""
        values = self.model_dump(include=set(PlanBody.model_fields))
        return RolloutPlan(**{**values, "weights_percent": tuple(self.weights_percent)})


class UpgradeBody(PlanBody):
    to: str = Field(max_length=64, pattern=SEMVER_PATTERN)


class DeployBody(_Body):
    version: str = Field(max_length=64, pattern=SEMVER_PATTERN)
    replicas: int = Field(1, ge=0, le=MAX_REPLICAS)
    standby: bool = False


class InstanceDocument(BaseModel):
    """One instance.

    `state`: starting, ready, draining or failed (ended by itself). `generation`: of the configuration it says it runs, or else
    was started with; 0: none. `managed`: the manager's to stop.
    """

    instance_id: str
    state: str
    generation: int
    outstanding: int
    managed: bool


class VersionDocument(BaseModel):
    """`state`: of its best instance, `catalogued` without one. `reason`: why what is wanted of it does not start or keeps ending;
    empty once it runs. `weight`: at the RIC.
    """

    version: str
    state: str
    reason: str
    weight: int
    instances: list[InstanceDocument]


class DesiredDocument(BaseModel):
    version: str
    replicas: int
    standby: dict[str, int]
    config_generation: int
    config: dict[str, str]


class ConfiguredDocument(DesiredDocument):
    """`applied`: how it reaches the instances; `reason`: why not while they run."""

    applied: ConfigPath
    reason: str


class XappDocument(BaseModel):
    """`descriptor_version`: the one onboarded last; empty for an xApp that is attached but not in the catalogue."""

    name: str
    descriptor_version: str
    desired: DesiredDocument | None
    versions: list[VersionDocument]


class DriverDocument(BaseModel):
    """What starts and stops instances. `reason`: why it does not answer, and what to do; empty if it does."""

    name: str
    answers: bool
    reason: str


class XappsDocument(BaseModel):
    """While the driver does not answer, what it runs is told as it was last seen."""

    driver: DriverDocument
    xapps: list[XappDocument]


class OnboardedDocument(BaseModel):
    xapps: list[str]
    version: str


class EventDocument(BaseModel):
    at: float
    step: str
    text: str


class RolloutDocument(BaseModel):
    """Times in seconds since the epoch. `weight_percent`: of the new version. `requests`: seen by the RIC meanwhile.

    `strategy`: rolling; handover of an O-DU's dApp, whose requests are frames; replace, which has a downtime.
    `waits_for`: why the driver does not answer, so that everything stays as it is; empty if it does. `stalled`: that has lasted
    longer than `ready_within_s`; the rollout goes on all the same once the driver answers. `waited_s`: all in all.
    """

    id: str
    xapp: str
    from_version: str = Field(serialization_alias="from")
    to: str
    step: str
    state: str
    reason: str
    abort_asked: bool
    started_at: float
    ended_at: float | None
    duration_s: float
    weight_percent: int
    requests: int
    lost: int
    doubled: int
    strategy: str
    downtime_s: float
    waits_for: str
    stalled: bool
    waited_s: float
    events: list[EventDocument]


class RolloutsDocument(BaseModel):
    rollouts: list[RolloutDocument]


def rollout_document(rollout: Rollout, now: float) -> RolloutDocument:
    """One rollout as it stands."""
    ended_at = rollout.ended_at or None
    return RolloutDocument(
        id=rollout.rollout_id,
        xapp=rollout.xapp,
        from_version=rollout.from_version,
        to=rollout.to_version,
        step=rollout.step,
        state=rollout.state,
        reason=rollout.reason,
        abort_asked=rollout.abort_asked,
        started_at=rollout.started_at,
        ended_at=ended_at,
        duration_s=round((ended_at or now) - rollout.started_at, 3),
        weight_percent=_weight_percent(rollout),
        requests=rollout.requests,
        lost=rollout.lost,
        doubled=rollout.doubled,
        strategy=rollout.strategy,
        downtime_s=round(rollout.downtime_s, 3),
        waits_for=rollout.waits_for,
        stalled=rollout.stalled,
        waited_s=round(rollout.waiting_s(now), 3),
        events=[EventDocument(at=event.at, step=event.step, text=event.text) for event in rollout.events],
    )


def desired_document(desired: Desired) -> DesiredDocument:
    """What is wanted of one xApp."""
    return DesiredDocument(
        version=desired.version,
        replicas=desired.replicas,
        standby=dict(desired.standby),
        config_generation=desired.config_generation,
        config=dict(desired.config),
    )


def configured_document(configured: Configured) -> ConfiguredDocument:
    """What is wanted now, and how it comes about."""
    desired = desired_document(configured.desired)
    return ConfiguredDocument(**desired.model_dump(), applied=configured.path, reason=configured.reason)


def xapps_document(xapps: Iterable[CataloguedXapp], reconciler: Reconciler) -> XappsDocument:
    """Everything in the catalogue, and what else is attached to the RIC."""
    known = {xapp.name: xapp for xapp in xapps}
    names = sorted(known.keys() | {row.name for row in reconciler.view.attached})
    silence = reconciler.driver_silence
    driver = DriverDocument(name=reconciler.driver.name, answers=not silence, reason=silence)
    return XappsDocument(driver=driver, xapps=[_xapp(known.get(name) or CataloguedXapp(name), reconciler) for name in names])


def _xapp(xapp: CataloguedXapp, reconciler: Reconciler) -> XappDocument:
    attached = {row.workload_id: row for row in reconciler.view.attached if row.name == xapp.name}
    workloads = {w.instance_id: w for w in reconciler.workloads if w.name == xapp.name}
    versions: dict[str, list[InstanceDocument]] = {version: [] for version in xapp.documents}
    for instance_id in [*workloads, *(key for key in attached if key not in workloads)]:
        row, workload = attached.get(instance_id), workloads.get(instance_id)
        version = row.version if row else workload.version if workload else ""
        versions.setdefault(version, []).append(_instance(instance_id, row, workload))
    weights = {row.version: row.weight for row in attached.values()}
    desired = xapp.desired
    return XappDocument(
        name=xapp.name,
        descriptor_version=next(reversed(list(xapp.documents)), ""),
        desired=desired_document(desired) if desired else None,
        versions=[
            VersionDocument(
                version=version,
                state=_state(rows),
                reason=reconciler.attempts.reason(xapp.name, version),
                weight=weights.get(version, 0),
                instances=rows,
            )
            for version, rows in versions.items()
        ],
    )


def _instance(instance_id: str, row: Attached | None, workload: Workload | None) -> InstanceDocument:
    if row is None:
        state = "starting" if workload and workload.state == "running" else "failed"
    else:
        state = "draining" if row.draining else "ready" if row.subscriptions else "starting"
    started = started_generation(workload) if workload else 0
    return InstanceDocument(
        instance_id=instance_id,
        state=state,
        generation=(row.config_generation if row else 0) or started,
        outstanding=row.outstanding if row else 0,
        managed=workload is not None,
    )


def _state(instances: Iterable[InstanceDocument]) -> str:
    states = {instance.state for instance in instances}
    return next((name for name in ("ready", "starting", "draining", "failed") if name in states), "catalogued")


def _weight_percent(rollout: Rollout) -> int:
    if rollout.state == "succeeded" or rollout.step in ("drain", "stop"):
        return 100
    return rollout.plan.weights_percent[rollout.shift_index] if rollout.step == "shift" else 0
