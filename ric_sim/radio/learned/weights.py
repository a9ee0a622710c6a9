"""One slicing actor's weights, as a file and as a message (`ric_sim.domain.weight_file`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ric_sim.domain.weight_file import SUFFIX, Tensors, WeightKind, write_whole

OBSERVATION_VERSION = 1
"""Of what `World.observe` puts into its numbers; raised when their meaning changes."""


@dataclass(frozen=True)
class ActorSpec:
    """What weights are and what they fit.

    Attributes:
        agent: `du_<index>`, or `central` for one that decides for all O-DUs.
        n_dus: O-DUs of the network it was trained in.
        observation, decoding: how its inputs are made and its outputs are read (`World`).
        observation_dim, action_dim: o and d; the network has o inputs and 2 d outputs, means and spreads.
        hidden, activation, layer_norm: of the network (relu, tanh, or crelu: relu(x) beside relu(-x)).
        version: counts what a critic pushed; larger is newer.
        variant, config_hash, seed, steps: of the training.
        observation_version: see `OBSERVATION_VERSION`.
    """

    agent: str
    n_dus: int
    observation: str
    decoding: str
    observation_dim: int
    action_dim: int
    hidden: tuple[int, ...]
    activation: Literal["relu", "tanh", "crelu"] = "relu"
    layer_norm: bool = False
    version: int = 0
    variant: str = ""
    config_hash: str = ""
    seed: int = 0
    steps: int = 0
    observation_version: int = OBSERVATION_VERSION

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every tensor; a layer's weight is [inputs, outputs]."""
        widen = 2 if self.activation == "crelu" else 1
        widths_in = (self.observation_dim, *(widen * width for width in self.hidden))
        shapes: dict[str, tuple[int, ...]] = {}
        for index, (n_in, n_out) in enumerate(zip(widths_in, (*self.hidden, 2 * self.action_dim), strict=True)):
            shapes[f"layers.{index}.weight"] = (n_in, n_out)
            shapes[f"layers.{index}.bias"] = (n_out,)
        return shapes


ACTOR_WEIGHTS = WeightKind(
    ActorSpec, "observations", "observation_version", OBSERVATION_VERSION, advice="train with `ricity train slicing`"
)


@dataclass(frozen=True)
class ActorWeights:
    """A spec and its tensors (float32, finite, shapes as `ActorSpec.shapes`); `sha256` over both, in hex."""

    spec: ActorSpec
    tensors: Tensors

    @property
    def sha256(self) -> str:
        return ACTOR_WEIGHTS.digest(self.spec, self.tensors)


def encode_actor(weights: ActorWeights) -> bytes:
    """The bytes of verified weights; errors as `WeightKind.encode`."""
    return ACTOR_WEIGHTS.encode(weights.spec, weights.tensors)


def decode_actor(content: bytes, *, source: str) -> ActorWeights:
    """Weights, verified against their own digest; `source` is a file or a sender, for messages. Errors as `WeightKind.decode`."""
    return ActorWeights(*ACTOR_WEIGHTS.decode(content, source=source))


def actor_file(folder: Path, agent: str) -> Path:
    """Where an actor's weights are in a folder of weights."""
    return folder / f"{agent}{SUFFIX}"


def save_actor(path: Path, weights: ActorWeights) -> None:
    """Writes the file at once: who reads sees the old one or the new one; errors as `encode_actor`."""
    write_whole(path, encode_actor(weights))


def load_actor(path: Path) -> ActorWeights:
    """Reads and verifies a file; errors as `WeightKind.read`."""
    return ActorWeights(*ACTOR_WEIGHTS.read(path))
