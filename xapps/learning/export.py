"""From a trained network to a weight file."""

from __future__ import annotations

from pathlib import Path

from ric_sim.domain.weight_file import SUFFIX
from ric_sim.network.policies.learned.weights import Lineage, Weights, WeightsSpec, save_weights, widths_of
from xapps.learning.config import TrainingConfig
from xapps.learning.networks import RoutingNetwork


def export(
    network: RoutingNetwork, folder: Path, *, algorithm: str, service: str, config: TrainingConfig, lineage: Lineage
) -> Path:
    """Writes `<folder>/<algorithm>/<service>.safetensors` at once and returns its path.

    Raises:
        WeightsCorrupt: a parameter is not finite; the file that was there stays.
    """
    tensors = {name: values.detach().numpy().astype("float32") for name, values in network.state_dict().items()}
    spec = WeightsSpec(algorithm, service, widths_of(tensors), config.mask.rules, lineage)
    path = folder / algorithm / f"{service}{SUFFIX}"
    save_weights(path, Weights(spec, tensors))
    return path
