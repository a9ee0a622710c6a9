"""What a publication brings: weight files of each kind of model, verified, and what an xApp must be like to take them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ric_sim.domain.errors import WeightsCorrupt, WeightsMismatch
from ric_sim.domain.weight_file import SUFFIX
from ric_sim.network.episodes.space import FEATURE_VERSION
from ric_sim.network.policies.learned import Lineage, load_weights
from ric_sim.network.policies.learned.weights import ROUTING_WEIGHTS
from ric_sim.radio.decoding import action_dim
from ric_sim.radio.encoding import ENCODABLE
from ric_sim.radio.learned.critic_weights import CRITIC, CRITIC_WEIGHTS, CriticSpec
from ric_sim.radio.learned.weights import ACTOR_WEIGHTS, OBSERVATION_VERSION, ActorSpec
from ric_sim.radio.world import OBSERVATIONS
from services.registry.model import Kind, ModelFile, ModelName


@dataclass(frozen=True, slots=True)
class AgentWeights:
    """One verified file.

    Attributes:
        content: its bytes as the registry keeps them.
        fits: what the xApp's network must be like, by name; empty where weights fit every network.
    """

    agent: str
    sha256: str
    content: bytes
    lineage: Lineage
    fits: dict[str, Any] = field(default_factory=dict)


def feature_version(name: ModelName) -> int:
    """Of the inputs that this release makes for models of this kind."""
    return FEATURE_VERSION if name.kind is Kind.ROUTING else OBSERVATION_VERSION


def read_source(name: ModelName, source: Path) -> dict[str, AgentWeights]:
    """Every agent a source has, at least those the name requires, each verified, and all fit for one network.

    Args:
        source: a folder as xApps take it, or the one file of a single agent.
    Raises:
        WeightsMissing, WeightsCorrupt, WeightsMismatch: files that are not there, damaged, or do not fit the name, the release
            or each other.
    """
    if name.agent and source.is_file():
        return {name.agent: read_agent(name, name.agent, source)}
    place = source / name.folder if (source / name.folder).is_dir() else source
    return _checked_team(name, {agent: read_agent(name, agent, place / f"{agent}{SUFFIX}") for agent in _agents(name, place)})


def read_agent(name: ModelName, agent: str, path: Path) -> AgentWeights:
    """One file of a model, verified; errors as `read_source`."""
    if name.kind is Kind.ROUTING:
        weights = load_weights(path, algorithm=name.variant, service=agent)
        content = ROUTING_WEIGHTS.encode(weights.spec, weights.tensors, source=str(path))
        return AgentWeights(agent, weights.sha256, content, weights.spec.lineage)
    if agent == CRITIC:
        critic, tensors = CRITIC_WEIGHTS.read(path)
        content, sha256 = CRITIC_WEIGHTS.encode(critic, tensors), CRITIC_WEIGHTS.digest(critic, tensors)
        return AgentWeights(agent, sha256, content, _lineage(critic), _fits(critic))
    actor, tensors = ACTOR_WEIGHTS.read(path)
    _check_actor(name, agent, actor, source=str(path))
    content, sha256 = ACTOR_WEIGHTS.encode(actor, tensors), ACTOR_WEIGHTS.digest(actor, tensors)
    return AgentWeights(agent, sha256, content, _lineage(actor), _fits(actor))


def read_blob(name: ModelName, file: ModelFile, path: Path) -> AgentWeights:
    """A published file, read again. Raises as `read_source`; `WeightsCorrupt` also if it holds other weights."""
    weights = read_agent(name, file.agent, path)
    if weights.sha256 != file.sha256:
        raise WeightsCorrupt(f"{path}: other weights than were published under this name; publish the right ones again")
    return weights


def _agents(name: ModelName, place: Path) -> Iterable[str]:
    if name.kind is Kind.ROUTING:
        found = [] if name.agent or name.variant == "sarl" else sorted(path.stem for path in place.glob(f"*{SUFFIX}"))
        return dict.fromkeys([*name.required, *found])
    if name.kind is Kind.CRITIC:
        return (CRITIC, *CRITIC_WEIGHTS.read(place / f"{CRITIC}{SUFFIX}")[0].agents)
    n_dus = ACTOR_WEIGHTS.read(place / f"du_0{SUFFIX}")[0].n_dus
    return [f"du_{index}" for index in range(n_dus)]


def _checked_team(name: ModelName, agents: dict[str, AgentWeights]) -> dict[str, AgentWeights]:
    first = next(iter(agents.values()))
    for other in agents.values():
        if other.fits != first.fits:
            raise WeightsMismatch(
                f"{name.text}: {first.agent} is for {first.fits}, {other.agent} for {other.fits}: publish files of one training"
            )
    return agents


def _check_actor(name: ModelName, agent: str, spec: ActorSpec, *, source: str) -> None:
    """That a dApp can decide with it."""
    if spec.agent != agent:
        raise WeightsMismatch(f"{source}: weights of {spec.agent!r}, expected {agent!r}: the file has the wrong name")
    if name.kind is Kind.SLICING and spec.variant != name.variant:
        raise WeightsMismatch(f"{source}: weights of variant {spec.variant!r}: publish them as slicing-{spec.variant}")
    if spec.decoding not in ENCODABLE:
        raise WeightsMismatch(
            f"{source}: decoding {spec.decoding!r}, and controls carry quotas: expected one of {', '.join(ENCODABLE)}"
        )
    dims = spec.observation_dim, spec.action_dim
    expected = OBSERVATIONS.get(spec.observation, 0), action_dim(spec.decoding)
    if dims != expected:
        raise WeightsMismatch(
            f"{source}: {dims[0]} inputs and {dims[1]} outputs for observation {spec.observation!r} and decoding "
            f"{spec.decoding!r}, which have {expected[0]} and {expected[1]}: train again with this release"
        )


def _fits(spec: ActorSpec | CriticSpec) -> dict[str, Any]:
    return {"n_dus": spec.n_dus, "observation": spec.observation, "decoding": spec.decoding}


def _lineage(spec: ActorSpec | CriticSpec) -> Lineage:
    return Lineage(seed=spec.seed, config_hash=spec.config_hash, steps=spec.steps)
