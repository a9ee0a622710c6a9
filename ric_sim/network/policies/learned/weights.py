"""One agent's weights as a file: safetensors, with a spec in its metadata that says what they are and what they fit.

The metadata has one entry, `ricity`, the JSON of `WeightsSpec` plus `format` and `sha256`, the digest of all the rest. Tensors
bear the names of the module that was trained (`xapps.learning.networks.RoutingNetwork`); what a city's graph
contributes is not in the file, so weights serve every city.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError

from ric_sim.domain.errors import OutOfRange, WeightsCorrupt, WeightsMismatch, WeightsMissing
from ric_sim.network.episodes.kernels import N_CONTEXT_FEATURES, N_DYNAMIC_FEATURES, N_SLOT_FEATURES
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.episodes.space import FEATURE_VERSION, N_STATIC_FEATURES

FORMAT = 1
"""Of the spec itself."""

ALL_SERVICES = "all"
"""The service of weights that serve every one."""

SUFFIX = ".safetensors"
N_CONVOLUTIONS = 3
_SPEC_KEY = "ricity"
_MOST_BYTES = 64 * 2**20
_SHIPPED = Path(__file__).with_name("shipped")

Tensors = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Widths:
    """Units of the layers: of the graph convolutions, of the context's embedding, of the two of the trunk, of the pointer."""

    graph: int
    context: int
    trunk: tuple[int, int]
    pointer: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every tensor; a layer's weight is [outputs, inputs]."""
        n_vertex = N_STATIC_FEATURES + N_DYNAMIC_FEATURES
        layers = {
            **{f"convolutions.{index}": (self.graph, self.graph if index else n_vertex) for index in range(N_CONVOLUTIONS)},
            "embed_context": (self.context, N_CONTEXT_FEATURES),
            "trunk_in": (self.trunk[0], self.context + 2 * self.graph),
            "trunk_out": (self.trunk[1], self.trunk[0]),
            "from_trunk": (self.pointer, self.trunk[1]),
            "value": (1, self.trunk[1]),
            "admit_in": (self.context, N_CONTEXT_FEATURES),
            "admit_out": (1, self.context),
        }
        plain = {
            "from_slot": (self.pointer, N_SLOT_FEATURES),
            "from_vertex": (self.pointer, self.graph),
            "score": (1, self.pointer),
            "direct": (1, N_SLOT_FEATURES),
        }
        shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": shape for name, shape in {**layers, **plain}.items()}
        shapes.update({f"{name}.bias": shape[:1] for name, shape in layers.items()})
        return shapes


@dataclass(frozen=True)
class Lineage:
    """Where weights come from.

    Attributes:
        seed, config_hash, git_commit: of the training.
        steps: decisions learnt from. train_days: `<profile>/<seed>` of the days played.
    """

    seed: int = 0
    config_hash: str = ""
    git_commit: str = ""
    steps: int = 0
    train_days: tuple[str, ...] = ()


@dataclass(frozen=True)
class WeightsSpec:
    """What weights are and what they fit.

    Attributes:
        algorithm: `amarl` or `sarl`.
        service: key of the service they route, or `ALL_SERVICES`.
        widths: of the layers.
        mask: the rules they have learnt under and decide under.
        lineage: where they come from.
        feature_version: of the observations they take.
    """

    algorithm: str
    service: str
    widths: Widths
    mask: MaskRules = field(default_factory=MaskRules)
    lineage: Lineage = field(default_factory=Lineage)
    feature_version: int = FEATURE_VERSION


_SPEC = TypeAdapter(WeightsSpec)


@dataclass(frozen=True)
class Weights:
    """A spec and its tensors (float32, finite, shapes as `Widths.shapes`); `sha256` over both, in hex."""

    spec: WeightsSpec
    tensors: Tensors

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256(json.dumps(_plain(self.spec), sort_keys=True).encode())
        for name in sorted(self.tensors):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self.tensors[name]).tobytes())
        return digest.hexdigest()


def save_weights(path: Path, weights: Weights) -> None:
    """Writes the file at once: who reads sees the old one or the new one.

    Raises:
        WeightsMismatch, WeightsCorrupt: the tensors are not what the spec says, or not finite.
    """
    _check_tensors(str(path), weights)
    spec = {"format": FORMAT, **_plain(weights.spec), "sha256": weights.sha256}
    tensors = {name: np.ascontiguousarray(values) for name, values in weights.tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(safetensors.numpy.save(tensors, metadata={_SPEC_KEY: json.dumps(spec, sort_keys=True)}))
    part.replace(path)


def load_weights(path: Path, *, algorithm: str, service: str) -> Weights:
    """Reads and verifies a file.

    Args:
        algorithm, service: what the weights must be for; weights for all services fit each.
    Raises:
        WeightsMissing: no such file.
        WeightsCorrupt: not a weight file, or one that is damaged.
        WeightsMismatch: other features, tensors, algorithm or service than asked for.
    """
    content = _content(path)
    try:
        raw = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"][_SPEC_KEY]
        stated = json.loads(raw)
        tensors = safetensors.numpy.load(content)
        versions = (int(stated["format"]), int(stated["feature_version"]))
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise WeightsCorrupt(f"{path}: no readable weight file ({error!r}); export or install the weights again") from error
    if versions != (FORMAT, FEATURE_VERSION):
        raise WeightsMismatch(
            f"{path}: format {versions[0]} and features {versions[1]}, this release takes format {FORMAT} and features "
            f"{FEATURE_VERSION}: train again with it, or install the release the weights are from"
        )
    weights = Weights(_spec(path, stated), tensors)
    _check_purpose(path, weights.spec, algorithm, service)
    _check_tensors(str(path), weights)
    if weights.sha256 != stated.get("sha256"):
        raise WeightsCorrupt(
            f"{path}: its content has sha256 {weights.sha256[:12]}, its metadata says {str(stated.get('sha256'))[:12]}; "
            "export or install the weights again"
        )
    return weights


def weight_files(algorithm: str, services: Iterable[str], folder: Path | None = None) -> dict[str, Path]:
    """Service key -> the file its weights are in, whether or not it exists.

    Args:
        folder: holds `<service>.safetensors` (amarl) or `all.safetensors` (sarl), itself or in a folder named after the
            algorithm; None, the weights that come with Ricity.
    """
    root = _SHIPPED if folder is None else folder
    place = root / algorithm if (root / algorithm).is_dir() else root
    shared = algorithm == "sarl"
    return {key: place / f"{ALL_SERVICES if shared else key}{SUFFIX}" for key in services}


def widths_of(tensors: Tensors) -> Widths:
    """The widths that tensors of a trained module have."""
    inner, outer = tensors["trunk_in.weight"].shape[0], tensors["trunk_out.weight"].shape[0]
    graph, context = tensors["convolutions.0.weight"].shape[0], tensors["embed_context.weight"].shape[0]
    return Widths(graph, context, (inner, outer), tensors["score.weight"].shape[1])


def _plain(spec: WeightsSpec) -> dict[str, Any]:
    """Values for JSON, the same ones whether the spec was written in code or read from a file: 4 and 4.0 are one detour."""
    return asdict(_SPEC.validate_python(asdict(spec)))


def _content(path: Path) -> bytes:
    """The whole file, at once: a file mapped into memory and cut short by its writer would end the process."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise WeightsCorrupt(f"{path}: {path.stat().st_size} bytes, weights have at most {_MOST_BYTES}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsMissing(f"{path}: no such weight file; train with `ricity train routing` or name another folder") from error
    except OSError as error:
        raise WeightsCorrupt(f"{path}: cannot be read ({error}); check the path and its permissions") from error


def _spec(path: Path, stated: Mapping[str, Any]) -> WeightsSpec:
    known = {name: stated[name] for name in WeightsSpec.__dataclass_fields__ if name in stated}
    try:
        spec = _SPEC.validate_python(known)
        for name, part in asdict(spec).items():
            if isinstance(part, dict) and part.keys() != stated.get(name, {}).keys():
                raise OutOfRange(f"{name} states {sorted(stated.get(name, {}))}: expected {sorted(part)}")
        return spec
    except (ValidationError, OutOfRange) as error:
        raise WeightsCorrupt(f"{path}: the spec in its metadata is unusable ({error}); export the weights again") from error


def _check_purpose(path: Path, spec: WeightsSpec, algorithm: str, service: str) -> None:
    if spec.algorithm != algorithm:
        raise WeightsMismatch(f"{path}: weights of {spec.algorithm!r}, expected {algorithm!r}: name the folder of that algorithm")
    if spec.service not in (service, ALL_SERVICES):
        raise WeightsMismatch(f"{path}: weights for service {spec.service!r}, expected {service!r}: the file has the wrong name")


def _check_tensors(source: str, weights: Weights) -> None:
    expected = weights.spec.widths.shapes()
    if unlike := sorted(set(expected) ^ set(weights.tensors)):
        raise WeightsMismatch(
            f"{source}: tensors {', '.join(unlike)} are missing or unknown: expected exactly {sorted(expected)}"
        )
    for name, shape in expected.items():
        values = weights.tensors[name]
        if values.shape != shape or values.dtype != np.float32:
            raise WeightsMismatch(f"{source}: {name} is {values.dtype} {values.shape}, expected float32 {shape}: train again")
        if not np.isfinite(values).all():
            raise WeightsCorrupt(
                f"{source}: {name} has numbers that are not finite: the training diverged, take an earlier state"
            )
