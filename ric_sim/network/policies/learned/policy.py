"""Learned policies behind the interface of all policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ric_sim.domain.errors import PolicyFailed, UnknownKey, WeightsMissing
from ric_sim.domain.flow import Cause, FlowRequest
from ric_sim.network.chain import ChainReader
from ric_sim.network.city import City, NodeKind
from ric_sim.network.episodes import kernels
from ric_sim.network.episodes.batch import new_episodes, new_observations
from ric_sim.network.episodes.space import episode_arrays
from ric_sim.network.policies.base import DECLINED, NO_ROUTE_CAPACITY, NO_ROUTE_LATENCY, Plan
from ric_sim.network.policies.learned.inference import model_of, sparse_graph
from ric_sim.network.policies.learned.kernels_inference import UNDECIDED, walk
from ric_sim.network.policies.learned.weights import ALL_SERVICES, Weights, WeightsSpec, Widths, load_weights, weight_files

ALGORITHMS = ("amarl", "sarl")

_REFUSALS = {kernels.NO_ROOM: NO_ROUTE_CAPACITY, kernels.NO_TIME: NO_ROUTE_LATENCY, kernels.DECLINED: DECLINED}


class LearnedPolicy:
    """Walks hop by hop inside the mask to where the agent of the request's service scores highest; ties to the lowest action.

    Features, mask and steps are those of training. Not for use by two threads at a time.
    """

    def __init__(self, name: str, city: City, weights: Mapping[str, Weights]) -> None:
        """`weights` by service key; a request of another service is refused."""
        self.name = name
        self.weights = dict(weights)
        self._city = city
        self._arrays = episode_arrays(city)
        self._checker = ChainReader(city)
        self._episodes = new_episodes(self._arrays, 1)
        self._seen = new_observations(self._arrays, 1)
        graph = sparse_graph(city)
        models = {id(each): model_of(each.tensors) for each in self.weights.values()}
        self._agents = {
            city.service_index[key]: (
                (*each.spec.mask.limits(city), each.spec.mask.idle_floor),
                (models[id(each)], graph),
            )
            for key, each in self.weights.items()
        }

    def plan(self, used: npt.NDArray[np.uint32], flow: FlowRequest) -> Plan:
        """As `RoutingPolicy.plan`.

        Raises:
            WeightsMissing: the policy was built without weights for the request's service.
            PolicyFailed: the agent's scores overflowed.
        """
        self._checker.check(flow)
        if flow.service not in self._agents:
            key = self._city.services[flow.service].key
            raise WeightsMissing(f"flow {flow.flow_id}: policy {self.name} has weights for {sorted(self.weights)}, not for {key}")
        limits, network = self._agents[flow.service]
        episodes = self._episodes
        episodes.request[0] = (flow.service, flow.direction, flow.ru, flow.upf, flow.bandwidth_kbps, flow.arrival_ms)
        episodes.used[0] = used
        status = walk(self._arrays, episodes, limits, network, self._seen)
        if status == kernels.ARRIVED:
            links = episodes.links[0, : episodes.n_links[0]].tolist()
            return Plan(tuple(links), Cause.NONE, int(episodes.latency_us[0]))
        if status == UNDECIDED:
            key = self._city.services[flow.service].key
            raise PolicyFailed(
                f"flow {flow.flow_id}: the scores of the {key} agent ({self.weights[key].sha256[:12]}) are not finite: "
                "replace its weights"
            )
        return _REFUSALS[status]


def load_policy(
    name: str, city: City, algorithm: str, *, folder: Path | None = None, services: Iterable[str] | None = None
) -> LearnedPolicy:
    """A policy with the weights of a folder, each file verified.

    Args:
        algorithm: one of `ALGORITHMS`.
        folder: see `weight_files`; None, the weights that come with Ricity.
        services: keys of the services it is to route; None, all of the city.
    Raises:
        UnknownKey: a service the city does not have.
        WeightsMissing: there is no file for a service.
        WeightsCorrupt, WeightsMismatch: see `load_weights`.
    """
    keys = list(city.service_index) if services is None else list(services)
    for key in keys:
        if key not in city.service_index:
            raise UnknownKey("service", key, city.service_index)
    loaded: dict[Path, Weights] = {}
    weights: dict[str, Weights] = {}
    for key, path in weight_files(algorithm, keys, folder).items():
        if path not in loaded:
            loaded[path] = load_weights(path, algorithm=algorithm, service=key)
        weights[key] = loaded[path]
    return LearnedPolicy(name, city, weights)


def compile_kernels(city: City) -> None:
    """Compiles what learned policies need, or loads it from the on-disk cache; takes no weights."""
    widths = Widths(graph=1, context=1, trunk=(1, 1), pointer=1)
    blank = {name: np.zeros(shape, dtype=np.float32) for name, shape in widths.shapes().items()}
    weights = Weights(WeightsSpec(ALGORITHMS[0], ALL_SERVICES, widths), blank)
    ru, upf = int(city.nodes_of(NodeKind.O_RU)[0]), int(city.nodes_of(NodeKind.UPF)[0])
    service = int(city.upf_service[upf])
    spec = city.services[service]
    flow = FlowRequest("warm-up", service, spec.directions[0], ru, upf, 1, 1, arrival_ms=0, holding_ms=1)
    LearnedPolicy("warm-up", city, {spec.key: weights}).plan(np.zeros(city.n_resources, dtype=np.uint32), flow)
