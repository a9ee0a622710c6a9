"""`xapp.yaml`: what an xApp is called, reads, may write and needs. Whatever starts xApps finds and reads these files.

Names follow the O-RAN SC xApp descriptor where it has them: `xapp_name`, `version`, `controls`, `livenessProbe` and
`readinessProbe`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ric_sim.domain.errors import MalformedFile, UnknownKey
from ric_sim.e2.subscriptions import MAX_PERIOD_MS, MIN_PERIOD_MS
from ric_sim.radio.config import MAX_DUS
from xapps.sdk.settings import SEMVER

XAPPS_FOLDER = Path(__file__).parents[1]
DESCRIPTOR_NAME = "xapp.yaml"
SERVICE_MARK = "{service}"
"""Stands for the service key in `xapp_name` and in insert subscriptions of an xApp with one instance per service."""

DU_MARK = "{du}"
"""Stands for the O-DU's index in `xapp_name` of an xApp with one instance per O-DU."""

_SERVICE_KEY = r"^[a-z][a-z0-9-]{0,31}$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for key in values:
                if key not in cls.model_fields:
                    raise UnknownKey(f"{DESCRIPTOR_NAME} key", key, cls.model_fields)
        return values


class ReportSubscription(_Section):
    """Measurements of every node that offers them (KPM REPORT)."""

    measurements: tuple[str, ...] = Field(min_length=1)
    period_ms: int = Field(ge=MIN_PERIOD_MS, le=MAX_PERIOD_MS, description="Granularity period in emulated time.")


class Subscriptions(_Section):
    """What the xApp reads."""

    inserts: tuple[str, ...] = Field((), description="Service keys whose suspended requests it decides; may be `{service}`.")
    reports: tuple[ReportSubscription, ...] = ()
    frames: bool = Field(default=False, description="KPIs of every frame of its O-DU, from the radio network.")
    experience: bool = Field(default=False, description="What the actors did and what came of it, from the slicing dApps.")


_ANSWERED_BY: dict[str, frozenset[str]] = {
    "inserts": frozenset({"route", "reject"}),
    "frames": frozenset({"slice"}),
    "experience": frozenset({"weights"}),
}
"""Kind of subscription -> controls, of which it needs one or more."""


class Resources(_Section):
    """Limits of one instance, for containers."""

    cpus: float = Field(default=1.0, gt=0, le=64)
    memory_mib: int = Field(default=512, ge=64)


class HttpGet(_Section):
    path: str = Field(pattern="^/")
    port: str = "status"


class Probe(_Section):
    """As Kubernetes and the O-RAN descriptor spell it."""

    httpGet: HttpGet
    initialDelaySeconds: int = Field(default=1, ge=0)
    periodSeconds: int = Field(default=5, ge=1)


class Descriptor(_Section):
    """One xApp. With `services` or `dus` it has an instance for each of them, without it has one."""

    xapp_name: str = Field(pattern=r"^[a-z][a-z0-9-]*(\{service\}|\{du\})?$", max_length=48)
    version: str = Field(pattern=f"^{SEMVER.pattern}$")
    description: str = Field(min_length=1)
    module: str = Field(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+$", description="Started with `python -m`.")
    services: tuple[str, ...] = Field((), description="Service keys; `RICITY_SERVICE` of an instance is one of them.")
    dus: int = Field(0, ge=0, le=MAX_DUS, description="O-DUs; `RICITY_DU` of an instance is the index of one of them.")
    env: dict[str, str] = Field({}, description="RICITY_* variables every instance gets.")
    subscriptions: Subscriptions
    controls: tuple[Literal["route", "reject", "slice", "weights"], ...] = Field(
        (), description="What it may write: answers to inserts, to frames, to experience."
    )
    resources: Resources = Resources()
    livenessProbe: Probe = Probe(httpGet=HttpGet(path="/ric/v1/health/alive"))
    readinessProbe: Probe = Probe(httpGet=HttpGet(path="/ric/v1/health/ready"))

    @model_validator(mode="after")
    def _fit_together(self) -> Descriptor:
        marked = SERVICE_MARK in self.xapp_name, SERVICE_MARK in self.subscriptions.inserts
        if any(marked) != bool(self.services) or marked[0] < bool(self.services):
            raise ValueError(f"an xApp with `services` has {SERVICE_MARK} in its xapp_name, one without has it nowhere")
        if (DU_MARK in self.xapp_name) != bool(self.dus):
            raise ValueError(f"an xApp with `dus` has {DU_MARK} in its xapp_name, one without has it nowhere")
        for kind, answers in _ANSWERED_BY.items():
            if bool(getattr(self.subscriptions, kind)) != bool(answers & set(self.controls)):
                named = " or ".join(sorted(answers))
                raise ValueError(f"what waits for an answer: `subscriptions.{kind}` and `controls` {named} need each other")
        if not any((*map(self.subscriptions.__getattribute__, _ANSWERED_BY), self.subscriptions.reports)):
            raise ValueError("subscriptions: expected inserts, reports, frames or experience")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """What tells the instances apart: service keys or indices of O-DUs; empty for an only one."""
        return self.services or tuple(str(du) for du in range(self.dus))

    def instances(self, services: Iterable[str] | None = None) -> tuple[XappInstance, ...]:
        """What to start: one instance per service or O-DU, or the only one.

        Args:
            services: service keys of another city than the built-in one; None takes those of the file.
        """
        if not self.keys:
            return (self.instance(),)
        return tuple(self.instance(key) for key in (services if self.services and services is not None else self.keys))

    def instance(self, key: str | None = None) -> XappInstance:
        """One instance: the one for a service key or an O-DU's index, or the only one.

        Raises:
            UnknownKey: the xApp needs a key and none is named, or takes none and one is named.
        """
        if (key is None) == bool(self.keys):
            raise UnknownKey(f"instance of xApp {self.xapp_name}", key, self.keys)
        key = key or ""
        told = {"RICITY_SERVICE": key} if self.services else {"RICITY_DU": key} if self.dus else {}
        inserts = tuple(item.replace(SERVICE_MARK, key) for item in self.subscriptions.inserts)
        return XappInstance(
            xapp_name=self.xapp_name.replace(SERVICE_MARK, key).replace(DU_MARK, key),
            version=self.version,
            module=self.module,
            env=self.env | told,
            inserts=inserts,
            reports=self.subscriptions.reports,
            resources=self.resources,
        )


@dataclass(frozen=True, slots=True)
class XappInstance:
    """One process (or container) to start, and what it does once it runs.

    Attributes:
        xapp_name: as it registers; unique among all xApps.
        env: RICITY_* variables that make it this instance.
        inserts: service keys it subscribes to.
    """

    xapp_name: str
    version: str
    module: str
    env: Mapping[str, str]
    inserts: tuple[str, ...]
    reports: tuple[ReportSubscription, ...]
    resources: Resources


def load_descriptor(path: Path) -> Descriptor:
    """Reads one `xapp.yaml`.

    Raises:
        UnknownKey: a key that no descriptor has; names the nearest.
        MalformedFile: unreadable, no YAML, or a value that does not fit; says which, what was given and what is expected.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedFile(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise MalformedFile(f"{path}: is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise MalformedFile(f"{path}: expected a mapping with xapp_name, version, module and subscriptions")
    try:
        return Descriptor.model_validate(values)
    except ValidationError as error:
        issues = "; ".join(f"{'.'.join(map(str, issue['loc'])) or 'file'}: {issue['msg']}" for issue in error.errors())
        raise MalformedFile(f"{path}: {issues}") from error


def find_descriptors(folder: Path = XAPPS_FOLDER) -> dict[str, Descriptor]:
    """Every deployable xApp by the name of its folder; folders that begin with `_` (the template) are not deployed.

    Raises:
        MalformedFile: a descriptor that does not fit, two xApps of one name, or one whose module is not in its folder.
    """
    found: dict[str, Descriptor] = {}
    owner: dict[str, str] = {}
    for path in sorted(folder.glob(f"*/{DESCRIPTOR_NAME}")):
        name = path.parent.name
        if name.startswith("_"):
            continue
        descriptor = load_descriptor(path)
        if not descriptor.module.startswith(f"xapps.{name}."):
            raise MalformedFile(f"{path}: module {descriptor.module} is not in this folder; expected xapps.{name}.main or alike")
        for instance in descriptor.instances():
            other = owner.setdefault(instance.xapp_name, name)
            if other != name:
                raise MalformedFile(f"{path}: xApp name {instance.xapp_name} is taken by xapps/{other}: names are unique")
        found[name] = descriptor
    return found
