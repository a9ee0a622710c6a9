"""One slicing actor's weights as bytes: safetensors, with a spec in its metadata that says what they are and what they fit.

The same bytes are a file and a message. The metadata has one entry, `ricity`, the JSON of `ActorSpec` plus `format` and
`sha256`, the digest of all the rest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError

from ric_sim.domain.errors import WeightsCorrupt, WeightsMismatch, WeightsMissing

FORMAT = 1
"""Of the spec itself."""

OBSERVATION_VERSION = 1
"""Of what `World.observe` puts into its numbers; raised when their meaning changes."""

_KEY = "ricity"
_MOST_BYTES = 64 * 2**20

Tensors = Mapping[str, npt.NDArray[np.float32]]


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


_SPEC = TypeAdapter(ActorSpec)


@dataclass(frozen=True)
class ActorWeights:
    """A spec and its tensors (float32, finite, shapes as `ActorSpec.shapes`); `sha256` over both, in hex."""

    spec: ActorSpec
    tensors: Tensors

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256(json.dumps(asdict(self.spec), sort_keys=True).encode())
        for name in sorted(self.tensors):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self.tensors[name]).tobytes())
        return digest.hexdigest()


def encode_actor(weights: ActorWeights) -> bytes:
    """The bytes of verified weights.

    Raises:
        WeightsMismatch, WeightsCorrupt: the tensors are not what the spec says, or not finite.
    """
    _check("weights to be written", weights)
    stated = {"format": FORMAT, **asdict(weights.spec), "sha256": weights.sha256}
    tensors = {name: np.ascontiguousarray(values) for name, values in weights.tensors.items()}
    return safetensors.numpy.save(tensors, metadata={_KEY: json.dumps(stated, sort_keys=True)})


def decode_actor(content: bytes, *, source: str) -> ActorWeights:
    """Weights, verified against their own digest.

    Args:
        source: file or sender, for messages.
    Raises:
        WeightsCorrupt: no weights, or damaged ones. WeightsMismatch: of another format or observation.
    """
    if len(content) > _MOST_BYTES:
        raise WeightsCorrupt(f"{source}: {len(content)} bytes, an actor has at most {_MOST_BYTES}; send one actor at a time")
    try:
        raw = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"][_KEY]
        stated: dict[str, Any] = json.loads(raw)
        tensors = safetensors.numpy.load(content)
        versions = (int(stated["format"]), int(stated["observation_version"]))
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise WeightsCorrupt(f"{source}: no readable weights ({error!r}); export or send them again") from error
    if versions != (FORMAT, OBSERVATION_VERSION):
        raise WeightsMismatch(
            f"{source}: format {versions[0]} and observations {versions[1]}, this release takes {FORMAT} and "
            f"{OBSERVATION_VERSION}: train again with it, or install the release the weights are from"
        )
    try:
        spec = _SPEC.validate_python({name: stated[name] for name in ActorSpec.__dataclass_fields__ if name in stated})
    except ValidationError as error:
        raise WeightsCorrupt(f"{source}: the spec in its metadata is unusable ({error}); export the weights again") from error
    weights = ActorWeights(spec, tensors)
    _check(source, weights)
    if weights.sha256 != stated.get("sha256"):
        raise WeightsCorrupt(
            f"{source}: its content has sha256 {weights.sha256[:12]}, its metadata says {str(stated.get('sha256'))[:12]}; "
            "export or send the weights again"
        )
    return weights


def actor_file(folder: Path, agent: str) -> Path:
    """Where an actor's weights are in a folder of weights."""
    return folder / f"{agent}.safetensors"


def save_actor(path: Path, weights: ActorWeights) -> None:
    """Writes the file at once: who reads sees the old one or the new one; errors as `encode_actor`."""
    content = encode_actor(weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


def load_actor(path: Path) -> ActorWeights:
    """Reads and verifies a file.

    Raises:
        WeightsMissing: no such file. WeightsCorrupt, WeightsMismatch: as `decode_actor`.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsMissing(f"{path}: no such weights; train with `ricity train slicing` or name another folder") from error
    except OSError as error:
        raise WeightsCorrupt(f"{path}: cannot be read ({error}); check the path and its permissions") from error
    return decode_actor(content, source=str(path))


def _check(source: str, weights: ActorWeights) -> None:
    expected = weights.spec.shapes()
    if unlike := sorted(set(expected) ^ set(weights.tensors)):
        raise WeightsMismatch(f"{source}: tensors {', '.join(unlike)} are missing or unknown: expected {sorted(expected)}")
    for name, shape in expected.items():
        values = weights.tensors[name]
        if values.shape != shape or values.dtype != np.float32:
            raise WeightsMismatch(f"{source}: {name} is {values.dtype} {values.shape}, expected float32 {shape}: train again")
        if not np.isfinite(values).all():
            raise WeightsCorrupt(f"{source}: {name} has numbers that are not finite: the training diverged, take earlier weights")
