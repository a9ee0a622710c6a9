"""Configuration of a training: everything that defines it but its seed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ric_sim.domain.errors import MalformedFile
from ric_sim.envs.lanes import MaskRules
from ric_sim.network.city import City
from xapps.learning.networks import NetworkShape, RoutingNetwork
from xapps.learning.ppo import PpoSettings


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrafficConfig(_Section):
    """What is trained on. Only days of the training split, none of them the published one."""

    profiles: tuple[str, ...] = Field(description="Cities trained in at once; the policies serve all of them.")
    days: int = Field(1, ge=1, le=8, description="Days drawn per profile.")
    hold_scale: float = Field(
        1.29, gt=0, description="Factor on holding times; 1.29 is the ratio of loads the paper's splits have."
    )
    lanes: int = Field(64, ge=1, description="Worlds in lockstep per profile and day.")
    stretch: int = Field(2000, ge=10, description="Requests a world plays before it starts afresh elsewhere in the day.")
    filled: int = Field(350, ge=0, description="Requests a world carries by a plain rule before anyone learns from it.")
    validation_flows: int = Field(6400, ge=64, description="Requests of the validation day per profile, spread over it.")


class NetworkConfig(_Section):
    """Widths; see `NetworkShape`."""

    graph: int = 64
    context: int = 64
    trunk: tuple[int, int] = (256, 128)
    pointer: int = 64
    prior: float = Field(3.0, ge=0, description="How strongly a longer way counts against a hop before anything is learnt.")

    @property
    def shape(self) -> NetworkShape:
        return NetworkShape(self.graph, self.context, self.trunk, self.pointer)

    def untrained(self, city: City) -> RoutingNetwork:
        """The network an agent begins with; initialised from torch's random stream."""
        return RoutingNetwork(city, self.shape, prior=self.prior)


class MaskConfig(_Section):
    """See `MaskRules`."""

    lookahead: Literal["snapshot", "idle"] = "snapshot"
    detour_ms: dict[str, float] = Field(default_factory=dict)
    revisits: bool = True
    regret_ms: float | None = None
    decline: bool = False

    @property
    def rules(self) -> MaskRules:
        return MaskRules(self.lookahead, self.detour_ms, self.revisits, self.regret_ms, self.decline)


class RewardConfig(_Section):
    """What a decision earns."""

    kind: Literal["team", "paper"] = Field("team", description="`paper`: section 4.3, selfish. `team`: hops, refusals, scarcity.")
    hop_per_ms: float = Field(0.002, ge=0, description="team: cost of each millisecond a hop adds.")
    refusal: float = Field(1.0, gt=0, description="team: cost of a refused request.")
    scarcity: float = Field(1.0, ge=0, description="team: weight of the refusals a commit is expected to cause others.")
    scarcity_most: float = Field(
        1.0, gt=0, description="team: refusals one commit is charged at most; above 1, it may pay to decline."
    )
    scarcity_learning_rate: float = Field(1e-3, gt=0)
    scarcity_first: int = Field(1500, ge=0, description="team: minibatches the scarcity model learns before the agents begin to.")
    scarcity_steps: int = Field(20, ge=0, description="team: minibatches it learns after each rollout.")


class PpoConfig(_Section):
    """See `PpoSettings`."""

    rollout: int = Field(ge=1)
    minibatch: int = Field(ge=1)
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    final_learning_rate: float | None = Field(
        None, ge=0, description="Reached linearly at `total_steps`; none: constant, as it is for Ray and --store."
    )
    gamma: float = Field(ge=0, le=1)
    gae_lambda: float = Field(ge=0, le=1)
    clip: float = Field(0.2, gt=0)
    entropy: float = Field(0.001, ge=0)
    value: float = Field(0.5, ge=0)
    max_grad_norm: float = Field(0.5, gt=0)

    @property
    def settings(self) -> PpoSettings:
        return PpoSettings(**self.model_dump(exclude={"final_learning_rate"}))


class TrainingConfig(_Section):
    """One YAML file in services/trainer/configs."""

    name: str
    traffic: TrafficConfig
    network: NetworkConfig
    mask: MaskConfig
    reward: RewardConfig
    amarl: PpoConfig
    sarl: PpoConfig
    ticks: int = Field(64, ge=1, description="Decisions of every lane between two looks at the learners.")
    total_steps: int = Field(ge=1, description="Decisions of all agents together after which training ends.")
    evaluate_every: int = Field(ge=1, description="Decisions between two evaluations.")
    patience: int = Field(5, ge=1, description="Training ends after so many evaluations without improvement.")
    matmul_precision: Literal["highest", "high", "medium"] = Field("highest", description="medium: bfloat16 kernels, faster.")

    @property
    def digest(self) -> str:
        """16 hex digits; equal for equal configurations."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def load_config(path: Path) -> TrainingConfig:
    """Reads a configuration.

    Raises:
        MalformedFile: missing, no YAML, or a key that is unknown, missing or out of range.
    """
    try:
        return TrainingConfig.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise MalformedFile(f"{path}: {error.strerror or error}; expected a training configuration") from None
    except yaml.YAMLError as error:
        raise MalformedFile(f"{path}: no YAML: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise MalformedFile(f"{path}: {wrong}") from None
