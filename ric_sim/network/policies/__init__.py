"""Routing policies by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ric_sim.domain.errors import UnknownKey
from ric_sim.domain.flow import FlowRequest
from ric_sim.network.city import City, NodeKind
from ric_sim.network.policies import prices
from ric_sim.network.policies.base import Plan, RoutingPolicy
from ric_sim.network.policies.fixed import FirstFitPolicy
from ric_sim.network.policies.layered import LayeredPolicy
from ric_sim.network.policies.learned import compile_kernels, load_policy
from ric_sim.network.policies.prices_tuned import PricedPrices, shipped_numbers
from ric_sim.network.policies.walkers import NearestFeasiblePolicy, NextHopPolicy, RandomPolicy

NEAR_HOST_MS = 4.0
"""What `specialised` charges for a near host, unless told otherwise."""

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class PolicyFactory:
    """How to build a policy.

    Attributes:
        summary: one line for people.
        build: called with the name, the city, the seed and all parameters.
        defaults: every parameter the policy has.
        algorithm: what trained its weights; empty, it has none.
        alias_of: another policy's name for which this is a second one.
    """

    summary: str
    build: Callable[[str, City, int, Parameters], RoutingPolicy]
    defaults: Parameters = field(default_factory=dict)
    algorithm: str = ""
    alias_of: str = ""


def near_host_ms(city: City) -> dict[str, float]:
    """The default of `specialised`: every service pays for near hosts but those with the tightest latency budget."""
    tightest_us = min(spec.latency_budget_us for spec in city.services)
    return {spec.key: 0.0 if spec.latency_budget_us == tightest_us else NEAR_HOST_MS for spec in city.services}


def _specialised(name: str, city: City, _seed: int, parameters: Parameters) -> RoutingPolicy:
    chosen = parameters["near_host_ms"]
    return LayeredPolicy(name, city, prices.SpecialisedPrices(city, near_host_ms(city) if chosen is None else chosen))


def _priced(name: str, city: City, _seed: int, parameters: Parameters) -> RoutingPolicy:
    chosen = parameters["numbers"]
    return LayeredPolicy(name, city, PricedPrices(city, shipped_numbers(city) if chosen is None else chosen))


def _layered(pricing: Callable[[City], prices.Pricing], *, minimax: bool = False) -> Callable[..., RoutingPolicy]:
    return lambda name, city, _seed, _parameters: LayeredPolicy(name, city, pricing(city), minimax=minimax)


def _learned(algorithm: str, summary: str, *, alias_of: str = "") -> PolicyFactory:
    """Its parameters are those of `load_policy`: `weights`, a folder; `services`, keys of those it is to route."""

    def build(name: str, city: City, _seed: int, parameters: Parameters) -> RoutingPolicy:
        return load_policy(name, city, algorithm, folder=parameters["weights"], services=parameters["services"])

    return PolicyFactory(summary, build, {"weights": None, "services": None}, algorithm, alias_of)


POLICIES: dict[str, PolicyFactory] = {
    "shortest": PolicyFactory(
        "the one shortest route on the idle city, if it fits",
        lambda name, city, _seed, _parameters: FirstFitPolicy(name, city, 1),
    ),
    "ksp": PolicyFactory(
        "the first that fits of the k shortest routes on the idle city",
        lambda name, city, _seed, parameters: FirstFitPolicy(name, city, parameters["k"]),
        {"k": 10},
    ),
    "cspf": PolicyFactory(
        "constrained shortest path first: least propagation latency among the routes that fit",
        _layered(prices.PropagationPrices),
    ),
    "cspf-total": PolicyFactory(
        "least propagation and processing latency among the routes that fit",
        _layered(prices.TotalLatencyPrices),
    ),
    "widest-shortest": PolicyFactory(
        "fewest hops, then least loaded hosts and widest links",
        _layered(prices.WidestShortestPrices),
    ),
    "least-loaded": PolicyFactory(
        "least utilisation of the fullest link or host on the route",
        _layered(prices.LeastLoadedPrices, minimax=True),
    ),
    "aap": PolicyFactory(
        "prices exponential in utilisation (Awerbuch, Azar and Plotkin)",
        lambda name, city, _seed, parameters: LayeredPolicy(name, city, prices.ExponentialPrices(city, parameters["mu"])),
        {"mu": 100.0},
    ),
    "specialised": PolicyFactory(
        "cspf with a price per service on near hosts, which keeps them free for tight latency budgets",
        _specialised,
        {"near_host_ms": None},
    ),
    "priced": PolicyFactory(
        "cspf with four tuned prices per service: near O-DUs, near O-CUs, host load and link load",
        _priced,
        {"numbers": None},
    ),
    "nearest-feasible": PolicyFactory(
        "next hop towards the nearest hosts with room, inside the mask",
        lambda name, city, _seed, _parameters: NearestFeasiblePolicy(name, city),
    ),
    "random": PolicyFactory(
        "any next hop inside the mask",
        lambda name, city, seed, _parameters: RandomPolicy(name, city, seed),
    ),
    "sarl": _learned("sarl", "one agent for all services, learnt by `ricity train routing --algo sarl`"),
    "amarl": _learned("amarl", "one agent per service, learnt by `ricity train routing --algo amarl`"),
    "learned": _learned("amarl", "the learned policy of choice, which is amarl", alias_of="amarl"),
}


def make_policy(name: str, city: City, *, seed: int = 0, **parameters: Any) -> RoutingPolicy:
    """The policy called `name` for a city.

    Args:
        seed: of the policy's own random stream, where it has one.
        parameters: override the defaults of `POLICIES[name]`.
    Raises:
        UnknownKey: no such policy, or it has no such parameter.
        OutOfRange: a parameter outside its range.
    """
    if name not in POLICIES:
        raise UnknownKey("policy", name, POLICIES)
    factory = POLICIES[name]
    for parameter in parameters:
        if parameter not in factory.defaults:
            raise UnknownKey(f"parameter of policy {name!r}", parameter, factory.defaults)
    return factory.build(name, city, seed, {**factory.defaults, **parameters})


def warm_up(city: City) -> None:
    """Compiles every kernel the policies use, or loads it from the on-disk cache; then a first plan costs no more than others.

    The cache lies beside the sources or, if that place is read-only, where `NUMBA_CACHE_DIR` says; it holds for one kind of
    processor. Run it once when installing, and before several processes start at a time.
    """
    idle = np.zeros(city.n_resources, dtype=np.uint32)
    ru, upf = int(city.nodes_of(NodeKind.O_RU)[0]), int(city.nodes_of(NodeKind.UPF)[0])
    service = int(city.upf_service[upf])
    flow = FlowRequest("warm-up", service, city.services[service].directions[0], ru, upf, 1, 1, arrival_ms=0, holding_ms=1)
    for name, factory in POLICIES.items():
        if not factory.algorithm:
            make_policy(name, city).plan(idle, flow)
    compile_kernels(city)


__all__ = [
    "POLICIES",
    "NextHopPolicy",
    "Parameters",
    "Plan",
    "PolicyFactory",
    "RoutingPolicy",
    "make_policy",
    "near_host_ms",
    "warm_up",
]
