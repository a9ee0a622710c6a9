"""Configuration of a slicing run: a size (`ci`, `full`, `paper`) with a variant laid over it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ric_sim.domain.errors import MalformedFile
from xapps.learning.slicing.sam import RhoSchedule
from xapps.learning.slicing.stacked import Activation

VARIANTS = (
    "ta-sam",
    "sac",
    "l2",
    "dropout",
    "spectral-norm",
    "plastic",
    "actor-sam",
    "critic-sam",
    "both-sam",
    "no-selective",
    "static-rho",
    "single-agent",
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldConfig(_Section):
    """The radio world trained in."""

    decoding: Literal["twobit", "share3", "soft3", "share5", "resid5"] = "resid5"
    observation: Literal["ext", "paper"] = "ext"
    profiles: tuple[str, ...] = Field(
        default=("nominal",), min_length=1, description="Traffic and mobility; replicas take them in turn."
    )
    n_dus: int = Field(default=6, ge=2, le=10)
    n_ues: int = Field(default=200, ge=1)
    replicas: int = Field(default=8, ge=1, description="Worlds in lockstep.")
    episode: int = Field(default=100, ge=1, description="Decisions before the worlds are drawn anew.")
    central: bool = Field(default=False, description="One agent sees and decides for all DUs.")
    report_noise: float = Field(
        default=0.0, ge=0, description="Observations are multiplied by 1 + U(0, this) N(0, 1) while learning."
    )


class NetworkConfig(_Section):
    """Of actors and critics alike."""

    hidden: tuple[int, ...] = Field(default=(64, 64), min_length=1)
    activation: Activation = "relu"
    layer_norm: bool = False
    head_scale: float = Field(default=0.1, gt=0, description="Of the actors' last layer at the start.")


class SacConfig(_Section):
    """Soft actor-critic."""

    learning_rate: float = Field(default=1e-3, gt=0)
    final_learning_rate: float | None = Field(default=None, gt=0, description="Reached linearly at the end; none: constant.")
    critics: Literal[1, 2] = Field(default=2, description="Actors learn from the smaller value of two; the paper has one.")
    gamma: float = Field(default=0.5, ge=0, lt=1)
    batch: int = Field(default=48, ge=2, description="Transitions per agent and update.")
    replay: int = Field(default=16_000, ge=1, description="Transitions kept per agent.")
    old_ratio: float = Field(
        default=0.25, ge=0, lt=1, description="Share of the replay that samples everything older than the rest."
    )
    warm_up: int = Field(default=60, ge=0, description="Steps of random actions at the start.")
    update_every: int = Field(default=1, ge=1, description="Steps between rounds of updates.")
    updates: int = Field(default=2, ge=1, description="Updates per round.")
    reward_offset: float = Field(default=1.7, description="Subtracted from rewards.")
    temperature: float = Field(default=0.05, gt=0, description="At the start.")
    automatic_temperature: bool = True
    target_entropy: float = Field(default=-2.0, description="Per dimension of the action, nats.")
    target_rate: float = Field(default=0.01, gt=0, le=1, description="Polyak rate of the target critics.")


class RegularisationConfig(_Section):
    """What the compared methods add to plain SAC."""

    weight_decay: float = Field(default=0.0, ge=0, description="L2, of actors and critics.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Of the critics' hidden layers.")
    spectral_norm: bool = Field(default=False, description="Of the critics' hidden layers.")
    head_reset_every: int = Field(default=0, ge=0, description="Updates between two fresh starts of all last layers; 0: never.")
    change_penalty: float = Field(default=0.0, ge=0, description="Weight of KL(slow copy of the policy || policy).")
    change_rate: float = Field(default=0.005, gt=0, le=1, description="Polyak rate of that slow copy.")


class RhoConfig(_Section):
    """See `RhoSchedule`."""

    kind: Literal["static", "dynamic", "td"] = "dynamic"
    start: float = Field(default=0.5, ge=0)
    end: float = Field(default=0.01, ge=0)

    @property
    def schedule(self) -> RhoSchedule:
        return RhoSchedule(self.kind, self.start, self.end)


class SamConfig(_Section):
    """Where sharpness-aware steps are taken."""

    critic: bool = False
    actors: Literal["none", "selected", "all"] = "none"
    rho_actor: RhoConfig = RhoConfig()
    rho_critic: RhoConfig = RhoConfig(start=0.02, end=0.0004)
    guard: float | None = Field(default=1.2, gt=1, description="L(theta+)/L(theta) above which the critic's radius is halved.")
    threshold: float = Field(default=1.0, gt=0, description="Of the TD-error variance, relative to the agents' median.")
    absolute_threshold: bool = False
    hysteresis: float = Field(default=0.1, ge=0, lt=1)
    decay: float = Field(default=0.99, ge=0, lt=1, description="Of the moving average of TD-error variances.")


class EvaluationConfig(_Section):
    """Greedy policies, on seeds no training uses."""

    every: int = Field(ge=1, description="Steps between two looks at a validation seed.")
    validation_replicas: int = Field(default=4, ge=1)
    validation_decisions: int = Field(default=50, ge=1)
    profiles: tuple[str, ...] = ("nominal",)
    seeds: tuple[int, ...] = Field(default=(901,), min_length=1)
    replicas: int = Field(default=8, ge=1)
    decisions: int = Field(default=100, ge=1)
    curvature_every: int = Field(default=0, ge=0, description="Steps between two measurements of curvature; 0: only at the end.")
    curvature_rows: int = Field(default=256, ge=2, description="Transitions per agent it is measured on.")


class SlicingConfig(_Section):
    """A whole run but its seed."""

    name: str
    variant: str = Field(default="sac", description="Name of what was laid over the size.")
    world: WorldConfig = WorldConfig()
    network: NetworkConfig = NetworkConfig()
    sac: SacConfig = SacConfig()
    regularisation: RegularisationConfig = RegularisationConfig()
    sam: SamConfig = SamConfig()
    evaluation: EvaluationConfig
    total_steps: int = Field(ge=1, description="Steps; each is one decision of every DU of every replica.")

    @property
    def digest(self) -> str:
        """16 hex digits; equal for equal configurations."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @property
    def n_agents(self) -> int:
        return 1 if self.world.central else self.world.n_dus

    @property
    def n_updates(self) -> int:
        """Updates of the whole run."""
        return max(1, (self.total_steps - self.sac.warm_up) // self.sac.update_every * self.sac.updates)


def load_slicing_config(base: Path, overlay: Path | None = None, changes: Mapping[str, Any] | None = None) -> SlicingConfig:
    """Reads a size, lays a variant over it, then single changes; sections are merged, everything else is replaced.

    The variant is named after its file.

    Raises:
        MalformedFile: a file is missing or no YAML, or a key is unknown, missing or out of range.
    """
    merged = _read(base)
    if overlay:
        merged = {**_merged(merged, _read(overlay)), "variant": overlay.stem}
    merged = _merged(merged, changes or {})
    try:
        return SlicingConfig.model_validate(merged)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        files = f"{base} with {overlay}" if overlay else str(base)
        raise MalformedFile(f"{files}: {wrong}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise MalformedFile(f"{path}: {error.strerror or error}; expected a slicing configuration") from None
    except yaml.YAMLError as error:
        raise MalformedFile(f"{path}: no YAML: {error}") from None
    if not isinstance(content, dict):
        raise MalformedFile(f"{path}: holds no keys; expected a slicing configuration, such as `name: ci`")
    return content


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(both.get(key), Mapping)
        both[key] = _merged(both[key], value) if nested else value
    return both
