"""How a new configuration of an xApp reaches its instances: while they run, or by others that are started with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ric_sim.domain.errors import ConfigRefused
from ricity.e2.v1 import admin_pb2
from services.manager.lifecycle.descriptor import unfold
from services.manager.lifecycle.driver import Workload, WorkloadState
from services.manager.lifecycle.model import CataloguedXapp, Desired
from services.manager.lifecycle.ric_view import Attached, ConfigurableRoster
from services.manager.lifecycle.rollout import Seen

GENERATION = "RICITY_CONFIG_GENERATION"
"""In an instance's settings: the generation of the xApp's configuration it was started with."""


class ConfigPath(StrEnum):
    """How a configuration comes about."""

    LIVE = "live"  # every instance takes it while it runs
    REPLACEMENT = "replacement"  # instances that are started with it take over from those that run
    AT_START = "at_start"  # none runs: the next one to be started has it
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Configured:
    """What is wanted now. `reason`: why it cannot come about live; empty if it can."""

    desired: Desired
    path: ConfigPath
    reason: str = ""


async def choose_path(
    ric: ConfigurableRoster, seen: Seen, xapp: CataloguedXapp, desired: Desired, config: Mapping[str, str]
) -> tuple[ConfigPath, str]:
    """How the configuration that is to follow `desired` can come about, and why not live. Changes nothing.

    Raises:
        ConfigRefused: an instance says what is wrong with it. RicUnreachable: nobody could be asked.
    """
    versions = (desired.version, *desired.standby)
    running = [w for w in seen.workloads if w.name == xapp.name and w.state == WorkloadState.RUNNING and w.version in versions]
    if not running:
        return ConfigPath.AT_START, ""
    if older := [w.instance_id for w in running if started_generation(w) < desired.config_floor]:
        return ConfigPath.REPLACEMENT, f"{older[0]} is being replaced for an earlier one"
    rows = {row.workload_id: row for row in seen.ric.attached if row.name == xapp.name and not row.draining}
    if starting := [w.instance_id for w in running if w.instance_id not in rows]:
        return ConfigPath.REPLACEMENT, f"{starting[0]} is not attached and cannot be told"
    for version in versions:
        asked = [rows[w.instance_id] for w in running if w.version == version]
        before = whole_settings(xapp, version, desired.config)
        after = whole_settings(xapp, version, config)
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        if reason := await _objection(ric, asked, desired.config_generation + 1, after) or _fixed(asked, changed):
            return ConfigPath.REPLACEMENT, reason
    return ConfigPath.LIVE, ""


def whole_settings(xapp: CataloguedXapp, version: str, config: Mapping[str, str]) -> dict[str, str]:
    """`RICITY_*` variables of a version: its descriptor's, and the configuration on top of them."""
    spec = next(unfolded for unfolded in unfold(xapp.documents[version]) if unfolded.name == xapp.name)
    return {**spec.env, **config}


def settings_of(desired: Desired | None) -> dict[str, str]:
    """Variables of an instance that is started now."""
    if desired is None:
        return {GENERATION: "1"}
    return {**desired.config, GENERATION: str(desired.config_generation)}


def started_generation(workload: Workload) -> int:
    """Of the configuration it was started with; 0: started by others."""
    return int(workload.settings.get(GENERATION, 0))


def _fixed(rows: Iterable[Attached], changed: set[str]) -> str:
    """What of it an instance reads at its start only."""
    for row in rows:
        if fixed := sorted(changed - row.live_settings):
            return f"{', '.join(fixed)}: read at the start only"
    return ""


async def _objection(ric: ConfigurableRoster, rows: Sequence[Attached], generation: int, settings: Mapping[str, str]) -> str:
    """Which instance cannot be asked. Raises `ConfigRefused` for one that says no."""
    if not rows:
        return ""
    told = {each.instance_id: each for each in await ric.configure(rows, generation, settings, check_only=True)}
    for row in rows:
        answer = told.get(row.instance_id)
        if answer is not None and answer.outcome == admin_pb2.CONFIG_OUTCOME_REFUSED:
            raise ConfigRefused(f"{row.name} {row.version} ({row.instance_id}) does not take it: {answer.reason}")
        if answer is None or answer.outcome != admin_pb2.CONFIG_OUTCOME_ACCEPTED:
            return f"{row.instance_id} does not answer"
    return ""
