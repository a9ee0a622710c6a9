"""Weight files as networks that can go on learning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from ric_sim.domain.errors import InvalidInput, WeightsMismatch
from ric_sim.network.city import City
from ric_sim.network.policies.learned.weights import Weights, load_weights, weight_files
from xapps.learning.config import MaskConfig, NetworkConfig, TrainingConfig
from xapps.learning.networks import NetworkShape, RoutingNetwork


def load_team(folder: Path, services: Iterable[str]) -> dict[str, Weights]:
    """Weights of AMARL's agents by service key, verified.

    Raises:
        WeightsMissing, WeightsCorrupt: see `load_weights`.
        WeightsMismatch: also if the agents differ in widths or mask, for they are to play in the same lanes.
        InvalidInput: no service asked for.
    """
    files = weight_files("amarl", services, folder)
    team = {key: load_weights(path, algorithm="amarl", service=key) for key, path in files.items()}
    if not team:
        raise InvalidInput(f"no agent to take from {folder}: expected at least one service whose agent stays")
    first, *others = team.values()
    for other in others:
        if (other.spec.widths, other.spec.mask) != (first.spec.widths, first.spec.mask):
            raise WeightsMismatch(
                f"{folder}: the agents of {first.spec.service} and {other.spec.service} differ in widths or mask: "
                "take all of them from one run"
            )
    return team


def network_of(city: City, weights: Weights) -> RoutingNetwork:
    """A network with these weights."""
    widths = weights.spec.widths
    network = RoutingNetwork(city, NetworkShape(widths.graph, widths.context, widths.trunk, widths.pointer))
    network.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in weights.tensors.items()})
    return network


def fitted(config: TrainingConfig, team: Mapping[str, Weights], profiles: tuple[str, ...] | None = None) -> TrainingConfig:
    """The configuration with widths and mask of the team, and other profiles if there are any."""
    spec = next(iter(team.values())).spec
    network = NetworkConfig(**asdict(spec.widths), prior=config.network.prior)
    mask = MaskConfig.model_validate(asdict(spec.mask))
    traffic = config.traffic if profiles is None else config.traffic.model_copy(update={"profiles": profiles})
    return config.model_copy(update={"network": network, "mask": mask, "traffic": traffic})
