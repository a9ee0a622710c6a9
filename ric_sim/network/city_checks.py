"""What must hold between the parts of a city, whoever built it. Each check names the first part that breaks it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ric_sim.domain.errors import InvalidInput
from ric_sim.domain.service import Tier
from ric_sim.network.admission import processing_coefficient_ns
from ric_sim.network.city import City, NodeKind

MAX_DEGREE = 256
"""Most links that leave one node: the width of the next-hop tables."""

_EXACT_INTEGERS = 2**53
"""Below this the store's arithmetic (doubles) is exact."""

_DOWNLINK_CHAIN = (NodeKind.UPF, NodeKind.O_CU, NodeKind.O_DU, NodeKind.O_RU)


def check_city(city: City) -> None:
    """Raises `InvalidInput` for the first thing that makes a city unusable.

    Names and slices are unique, links join two nodes both ways and once, every service has hosts for its whole chain, a
    route leads from every O-RU to every UPF, and no processing delay leaves the range of exact integers.
    """
    check_unique("node", city.node_names)
    check_unique("service", (spec.key for spec in city.services))
    _check_sharing(city)
    check_unique("slice (sst, sd)", (str(spec.slice_id) for spec in city.services))
    _check_directions(city)
    _check_links(city)
    _check_compute(city)
    _check_chain_hosts(city)
    _check_connected(city)
    _check_routes(city)


def check_unique(what: str, names: Iterable[str]) -> None:
    """Raises `InvalidInput` if a name occurs twice; `what` says what it names."""
    seen = set()
    for name in names:
        if name in seen:
            raise InvalidInput(f"{what} {name!r} occurs twice: give each its own")
        seen.add(name)


def _check_sharing(city: City) -> None:
    """Must come before anything that asks for a service's UPFs."""
    sharing = {spec.key: spec.shares_upfs_of for spec in city.services}
    for key, owner in sharing.items():
        if owner is None:
            continue
        if owner not in sharing or owner == key or sharing[owner] is not None:
            raise InvalidInput(
                f"service {key!r} shares the UPFs of {owner!r}, expected another service of the city that has UPFs of its own"
            )


def _check_directions(city: City) -> None:
    for spec in city.services:
        if len(set(spec.directions)) < len(spec.directions):
            raise InvalidInput(f"service {spec.key!r} lists a direction twice: list uplink and downlink at most once")


def _check_links(city: City) -> None:
    ends = list(zip(city.link_src.tolist(), city.link_dst.tolist(), strict=True))
    seen = set()
    for source, target in ends:
        name = _link_name(city, source, target)
        if source == target:
            raise InvalidInput(f"link {name} leads back to where it starts: join two different nodes")
        if (source, target) in seen:
            raise InvalidInput(f"link {name} occurs twice: state it once, with the capacity of both")
        seen.add((source, target))
    for source, target in ends:
        if (target, source) not in seen:
            raise InvalidInput(
                f"link {_link_name(city, source, target)} has no way back: add the link {_link_name(city, target, source)}"
            )
    degree = (city.out_links >= 0).sum(axis=1)
    widest = int(degree.argmax())
    if degree[widest] > MAX_DEGREE:
        raise InvalidInput(
            f"{degree[widest]} links leave {city.node_names[widest]}, at most {MAX_DEGREE} may: put switches in between"
        )


def _link_name(city: City, source: int, target: int) -> str:
    return f"{city.node_names[source]} -> {city.node_names[target]}"


def _check_compute(city: City) -> None:
    """A host admits no more than it has, and used x coefficient of any flow that fits a link stays exact."""
    largest_kbps = int(city.link_capacity_kbps.max())
    for node, kind in enumerate(city.node_kind.tolist()):
        if not NodeKind(kind).is_host:
            continue
        nominal, limit = int(city.compute_nominal_ucores[node]), int(city.compute_limit_ucores[node])
        name = city.node_names[node]
        if limit > nominal:
            raise InvalidInput(
                f"{name}: compute_limit_ucores {limit} is more than compute_nominal_ucores {nominal}: lower it, usually to 80 %"
            )
        for index, spec in enumerate(city.services):
            if kind == NodeKind.UPF and city.upf_service[node] != city.upf_pool[index]:
                continue
            if limit * processing_coefficient_ns(spec, Tier(kind), largest_kbps) >= _EXACT_INTEGERS:
                raise InvalidInput(
                    f"{name}: the processing delay of service {spec.key!r} at {limit} micro-cores and {largest_kbps} kbps is "
                    "beyond exact integers: lower processing_ns, the compute limit or the link capacities"
                )


def _check_chain_hosts(city: City) -> None:
    kinds = set(city.node_kind.tolist())
    for kind in (NodeKind.O_RU, NodeKind.O_DU, NodeKind.O_CU):
        if kind not in kinds:
            raise InvalidInput(f"there is no {kind.name}, which the chain of every service needs: add at least one")
    served = set(city.upf_service.tolist())
    for index, spec in enumerate(city.services):
        if city.upf_pool[index] not in served:
            raise InvalidInput(f"service {spec.key!r} has no UPF: add a node of kind upf with service {spec.key!r}")


def _check_connected(city: City) -> None:
    reached = {0}
    queue = deque(reached)
    while queue:
        new = set(_successors(city, queue.popleft())) - reached
        reached |= new
        queue.extend(new)
    lost = [name for node, name in enumerate(city.node_names) if node not in reached]
    if lost:
        raise InvalidInput(f"no links lead from {city.node_names[0]} to {_listed(lost)}: join all nodes into one network")


def _check_routes(city: City) -> None:
    radio_units = set(city.nodes_of(NodeKind.O_RU).tolist())
    for upf in city.nodes_of(NodeKind.UPF).tolist():
        lost = sorted(radio_units - _served_radio_units(city, upf))
        if lost:
            raise InvalidInput(
                f"no route leads from {city.node_names[upf]} over an O-CU and an O-DU to "
                f"{_listed([city.node_names[node] for node in lost])}: hosts forward no transit traffic, join them to switches"
            )


def _served_radio_units(city: City, upf: int) -> set[int]:
    """O-RUs that a downlink chain from `upf` reaches; links are two-way, so also those that reach it uplink."""
    reached = {(upf, 1)}
    queue = deque(reached)
    while queue:
        node, stage = queue.popleft()
        for neighbour in _successors(city, node):
            kind = city.node_kind[neighbour]
            if NodeKind(kind).is_host:
                if stage == len(_DOWNLINK_CHAIN) or kind != _DOWNLINK_CHAIN[stage]:
                    continue
                state = (neighbour, stage + 1)
            else:
                state = (neighbour, stage)
            if state not in reached:
                reached.add(state)
                queue.append(state)
    return {node for node, stage in reached if stage == len(_DOWNLINK_CHAIN)}


def _successors(city: City, node: int) -> list[int]:
    return [neighbour for neighbour in city.neighbours[node].tolist() if neighbour >= 0]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} others"
