"""What starts and stops xApp instances: one interface, an implementation per place where they can run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol

from services.manager.lifecycle.descriptor import Place, XappVersion

Versions = Callable[[str, str], XappVersion]
"""Name and version to what is to be started; raises `NotFound`."""

Environment = Callable[[str], Mapping[str, str]]
"""xApp name to the `RICITY_*` variables that the place it runs in gives it, such as where the RIC is."""


class WorkloadState(StrEnum):
    RUNNING = "running"  # started; whether it is attached to the RIC is the RIC's to say
    EXITED = "exited"  # ended by itself; kept until `stop` so that one can see why


@dataclass(frozen=True, slots=True)
class Workload:
    """One instance that a driver has started.

    Attributes:
        instance_id: also the id with which it registers at the RIC.
        name: of the xApp, as it registers at the RIC, e.g. `routing-video`.
        version: semantic version, as it registers at the RIC.
        exit_code: of an exited one; minus the signal for one that was killed.
        detail: of an exited one: the last it said, for people.
        settings: `RICITY_*` variables it was started with on top of its descriptor's.
    """

    instance_id: str
    name: str
    version: str
    state: WorkloadState
    exit_code: int | None = None
    detail: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


class Driver(Protocol):
    """Runs instances of xApps in one place (this machine, a container engine, a cluster).

    What a driver has started outlives the manager: a manager that starts anew finds it with `workloads`. Nothing is remembered
    anywhere else, so a manager killed between two calls loses nothing and starts nothing twice.
    All methods raise `DriverUnavailable` (retryable) when the place itself does not answer.

    Attributes:
        name: of the driver, as in `RICITY_DRIVER`.
        places: xApps of these it runs; those of others are refused before they get here.
    """

    name: ClassVar[str]
    places: ClassVar[frozenset[Place]]

    async def start(self, name: str, version: str, settings: Mapping[str, str]) -> str:
        """Starts one more instance of a version that is in the catalogue; returns its instance id at once.

        It registers at the RIC with that instance id and version. Its delivery weight is what the RIC keeps for the version
        (`SetWeight` with `keep`), so a candidate's weight is set before it is started.

        Args:
            name: of the xApp (the RIC's pool), e.g. `routing-video`.
            version: semantic version.
            settings: `RICITY_*` variables on top of those of its descriptor.

        Raises:
            NotFound: the catalogue has no such version.
            DeploymentFailed: it cannot be started (no such image or program).
        """
        ...

    async def stop(self, instance_id: str, *, grace_s: float = 10.0) -> None:
        """Asks an instance to drain and end; ends it by force after the grace. Forgets it. An unknown id is no error."""
        ...

    async def workloads(self) -> Sequence[Workload]:
        """Everything this driver has started and not stopped, exited ones too, in order of their start."""
        ...
