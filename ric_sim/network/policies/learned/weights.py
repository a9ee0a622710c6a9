"""One routing agent's weights as a file (`ric_sim.domain.weight_file`).

Tensors bear the names of the module that was trained (`xapps.learning.networks.RoutingNetwork`); what a city's graph
contributes is not in the file, so weights serve every city.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ric_sim.domain.errors import WeightsMismatch
from ric_sim.domain.weight_file import SUFFIX, Tensors, WeightKind, write_whole
from ric_sim.network.episodes.kernels import N_CONTEXT_FEATURES, N_DYNAMIC_FEATURES, N_SLOT_FEATURES
from ric_sim.network.episodes.rules import MaskRules
from ric_sim.network.episodes.space import FEATURE_VERSION, N_STATIC_FEATURES

ALL_SERVICES = "all"
"""The service of weights that serve every one."""

N_CONVOLUTIONS = 3
_SHIPPED = Path(__file__).with_name("shipped")


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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every tensor."""
        return self.widths.shapes()


ROUTING_WEIGHTS = WeightKind(
    WeightsSpec, "features", "feature_version", FEATURE_VERSION, advice="train with `ricity train routing`"
)


@dataclass(frozen=True)
class Weights:
    """A spec and its tensors (float32, finite, shapes as `Widths.shapes`); `sha256` over both, in hex."""

    spec: WeightsSpec
    tensors: Tensors

    @property
    def sha256(self) -> str:
        return ROUTING_WEIGHTS.digest(self.spec, self.tensors)


def save_weights(path: Path, weights: Weights) -> None:
    """Writes the file at once: who reads sees the old one or the new one; errors as `WeightKind.encode`."""
    write_whole(path, ROUTING_WEIGHTS.encode(weights.spec, weights.tensors, source=str(path)))


def load_weights(path: Path, *, algorithm: str, service: str) -> Weights:
    """Reads and verifies a file.

    Args:
        algorithm, service: what the weights must be for; weights for all services fit each.
    Raises:
        WeightsMissing: no such file.
        WeightsCorrupt: not a weight file, or one that is damaged.
        WeightsMismatch: other features, tensors, algorithm or service than asked for.
    """
    weights = Weights(*ROUTING_WEIGHTS.read(path))
    _check_purpose(path, weights.spec, algorithm, service)
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


def _check_purpose(path: Path, spec: WeightsSpec, algorithm: str, service: str) -> None:
    if spec.algorithm != algorithm:
        raise WeightsMismatch(f"{path}: weights of {spec.algorithm!r}, expected {algorithm!r}: name the folder of that algorithm")
    if spec.service not in (service, ALL_SERVICES):
        raise WeightsMismatch(f"{path}: weights for service {spec.service!r}, expected {service!r}: the file has the wrong name")
