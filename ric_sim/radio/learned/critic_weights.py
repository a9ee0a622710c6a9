"""A critic's networks as one weight file, beside the actors it teaches: what another critic can go on from.

The replay and the optimisers' state are not in it; they are in the critic's own checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from ric_sim.domain.weight_file import Tensors, WeightKind
from ric_sim.radio.learned.weights import OBSERVATION_VERSION

CRITIC = "critic"
"""Stem of its file in a folder of weights."""


@dataclass(frozen=True)
class CriticSpec:
    """What the networks are and what they fit.

    Attributes:
        agents: the actors that are taught, in the order of the tensors' rows.
        n_dus, observation, decoding: of the network, as in `ActorSpec`.
        tensor_shapes: name -> shape of every tensor.
        version: of the newest weights that were pushed.
        variant, config_hash, seed, steps: of the learning.
        n_updates: updates made so far.
    """

    agents: tuple[str, ...]
    n_dus: int
    observation: str
    decoding: str
    tensor_shapes: dict[str, tuple[int, ...]]
    version: int = 0
    variant: str = ""
    config_hash: str = ""
    seed: int = 0
    steps: int = 0
    n_updates: int = 0
    observation_version: int = OBSERVATION_VERSION

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every tensor."""
        return self.tensor_shapes


CRITIC_WEIGHTS = WeightKind(
    CriticSpec, "observations", "observation_version", OBSERVATION_VERSION, advice="let a critic publish its own"
)


@dataclass(frozen=True)
class CriticNetworks:
    """A spec and its tensors; `sha256` over both, in hex."""

    spec: CriticSpec
    tensors: Tensors

    @property
    def sha256(self) -> str:
        return CRITIC_WEIGHTS.digest(self.spec, self.tensors)


def encode_networks(networks: CriticNetworks) -> bytes:
    """The bytes of verified networks; errors as `WeightKind.encode`."""
    return CRITIC_WEIGHTS.encode(networks.spec, networks.tensors)
