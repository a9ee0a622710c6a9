"""Versions of the registry as ONNX files, for runtimes other than this project's. Needs the extra `onnx`."""

from __future__ import annotations

from pathlib import Path

from ric_sim.domain.errors import StageRefused
from ric_sim.domain.weight_file import write_whole
from ric_sim.network.policies.learned import Weights
from ric_sim.network.policies.learned.onnx_graph import routing_graph
from ric_sim.network.policies.learned.weights import ROUTING_WEIGHTS
from ric_sim.radio.learned.critic_weights import CRITIC
from ric_sim.radio.learned.onnx_graph import actor_graph
from ric_sim.radio.learned.weights import ACTOR_WEIGHTS, ActorWeights
from services.registry.model import Kind, ModelName
from services.registry.registry import Registry


def export_onnx(registry: Registry, name: str, version: int, folder: Path) -> list[Path]:
    """Writes `<agent>.onnx` for each agent that decides; a critic's own networks decide nothing and are left out.

    Raises:
        NotFound: model or version. StageRefused: the version's files have been dropped.
        WeightsMissing, WeightsCorrupt, WeightsMismatch: they are not what was published.
    """
    chosen, kind = registry.model(name).version(version), ModelName.parse(name).kind
    if chosen.collected:
        raise StageRefused(f"{name} version {version}: its files have been dropped; publish the same weights again first")
    written = []
    for agent in registry.agents(name, version):
        if agent.agent == CRITIC:
            continue
        if kind is Kind.ROUTING:
            model = routing_graph(Weights(*ROUTING_WEIGHTS.decode(agent.content, source=agent.agent)))
        else:
            model = actor_graph(ActorWeights(*ACTOR_WEIGHTS.decode(agent.content, source=agent.agent)))
        written.append(folder / f"{agent.agent}.onnx")
        write_whole(written[-1], model.SerializeToString(deterministic=True))
    return written
