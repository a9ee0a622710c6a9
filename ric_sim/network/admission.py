"""From a route to the reservation it needs: checks the path, sums demands, states the latency terms.

The one place where a route's demands and delays are defined; planners, the memory store, the Redis script and the
E2 termination all use these numbers. Integers throughout, so that all of them agree to the microsecond.
"""

from __future__ import annotations

from collections.abc import Sequence

from ric_sim.domain.errors import InvalidRoute, OutOfRange
from ric_sim.domain.flow import ANY_UPF, FlowRequest
from ric_sim.domain.reservation import CommitRequest
from ric_sim.domain.service import Direction, ServiceSpec
from ric_sim.network.city import PROCESSING_WEIGHT_PERCENT, City, NodeKind

MAX_ROUTE_LINKS = 64
"""Longest route the interface takes; the city's own routes have 7 to 30 links."""

_UPLINK_CHAIN = (NodeKind.O_RU, NodeKind.O_DU, NodeKind.O_CU, NodeKind.UPF)


def processing_coefficient_ns(spec: ServiceSpec, tier: int, bandwidth_kbps: int) -> int:
    """T_s * g(b) * w_f in nanoseconds: the processing delay of the flow on a fully used host of that tier.

    g(b) = 0.5 + 0.5 b / mean b (docs/city.md, "Processing delay"). Integer division, rounds down.
    """
    weight = PROCESSING_WEIGHT_PERCENT[tier]
    return spec.processing_ns * weight * (spec.mean_bandwidth_kbps + bandwidth_kbps) // (200 * spec.mean_bandwidth_kbps)


def host_processing_us(used_ucores: int, coefficient_ns: int, nominal_ucores: int) -> int:
    """Processing delay on one host, from the snapshot without the flow's own load. Rounds down."""
    return used_ucores * coefficient_ns // (nominal_ucores * 1000)


def commit_request(city: City, flow: FlowRequest, links: Sequence[int]) -> CommitRequest:
    """The reservation that carrying `flow` over `links` needs.

    Args:
        links: directed link indices in order, from the source to the destination.
    Raises:
        InvalidRoute: it does not connect, starts or ends elsewhere, skips a stage of the chain, or forwards through a host.
        OutOfRange: a link index that does not exist, or more than `MAX_ROUTE_LINKS` links.
    """
    hosts, propagation_us = _walk(city, flow, links)
    spec = city.services[flow.service]
    entries: dict[int, int] = {}
    for link in links:
        entries[link] = entries.get(link, 0) + flow.bandwidth_kbps
    terms = []
    for node in hosts:
        tier = int(city.node_kind[node])
        resource = city.n_links + node
        entries[resource] = flow.bandwidth_kbps * spec.compute_ucore_per_kbps[tier]
        coefficient_ns = processing_coefficient_ns(spec, tier, flow.bandwidth_kbps)
        if coefficient_ns:
            terms.append((resource, coefficient_ns, int(city.compute_nominal_ucores[node])))
    return CommitRequest(
        flow_id=flow.flow_id,
        service=flow.service,
        expiry_ms=flow.end_ms,
        budget_us=spec.latency_budget_us,
        propagation_us=propagation_us,
        entries=tuple((resource, amount) for resource, amount in entries.items() if amount),
        hosts=tuple(terms),
        route=tuple(links),
    )


def _walk(city: City, flow: FlowRequest, links: Sequence[int]) -> tuple[list[int], int]:
    """Hosts of the chain in order and total propagation, or the reason why this is no route of the flow."""
    if not 1 <= len(links) <= MAX_ROUTE_LINKS:
        raise OutOfRange(f"flow {flow.flow_id}: a route has 1 to {MAX_ROUTE_LINKS} links, got {len(links)}")
    uplink = flow.direction == Direction.UPLINK
    chain = _UPLINK_CHAIN if uplink else _UPLINK_CHAIN[::-1]
    node = flow.ru if uplink else flow.upf
    hosts = [node]
    propagation_us = 0
    for link in links:
        if not 0 <= link < city.n_links:
            raise OutOfRange(f"flow {flow.flow_id}: link {link} does not exist, the city has links 0 to {city.n_links - 1}")
        source, target, latency_us, kind = city.link_table[link]
        if source != node:
            raise InvalidRoute(
                f"flow {flow.flow_id}: link {link} leaves {city.node_names[source]} but the route stands at {city.node_names[node]}"
            )
        node = target
        propagation_us += latency_us
        if kind.is_host:
            _check_host(city, flow, node, chain, stage=len(hosts))
            hosts.append(node)
    if len(hosts) != len(chain) or node != hosts[-1]:
        raise InvalidRoute(
            f"flow {flow.flow_id}: the route ends at {city.node_names[node]} after {len(hosts)} of {len(chain)} functions"
        )
    return hosts, propagation_us


def _check_host(city: City, flow: FlowRequest, node: int, chain: Sequence[NodeKind], *, stage: int) -> None:
    """Hosts never forward transit traffic: one may be entered only to run the chain's next function there."""
    name = city.node_names[node]
    if stage >= len(chain) or city.node_kind[node] != chain[stage]:
        expected = chain[stage].name if stage < len(chain) else "nothing more"
        raise InvalidRoute(f"flow {flow.flow_id}: the route enters {name} where {expected} comes next")
    if chain[stage] == NodeKind.O_RU and node != flow.ru:
        raise InvalidRoute(f"flow {flow.flow_id}: the route ends at {name}, not at {city.node_names[flow.ru]}")
    if chain[stage] == NodeKind.UPF and not (city.upf_service[node] == flow.service and flow.upf in (ANY_UPF, node)):
        raise InvalidRoute(f"flow {flow.flow_id}: {name} does not serve {city.services[flow.service].key}")
