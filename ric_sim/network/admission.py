"""From a route to the reservation it needs: checks the path, sums demands, states the latency terms.

The one place where a route's demands and delays are defined; planners, the memory store, the Redis script and the
E2 termination all use these numbers. Integers throughout, so that all of them agree to the microsecond.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ric_sim.domain.errors import InvalidRoute, OutOfRange
from ric_sim.domain.flow import ANY_UPF, FlowRequest
from ric_sim.domain.reservation import CommitRequest
from ric_sim.domain.service import Direction, ServiceSpec
from ric_sim.network.city import LAST_HOST_KIND, PROCESSING_WEIGHT_PERCENT, City, NodeKind

MAX_ROUTE_LINKS = 64
"""Longest route the interface takes; the city's own routes have 7 to 30 links."""

# Plain integers: comparing enum members costs more than the rest of the walk.
_UPLINK_CHAIN = tuple(int(kind) for kind in (NodeKind.O_RU, NodeKind.O_DU, NodeKind.O_CU, NodeKind.UPF))
_DOWNLINK_CHAIN = _UPLINK_CHAIN[::-1]
_O_RU, _UPF = int(NodeKind.O_RU), int(NodeKind.UPF)


def processing_coefficient_ns(spec: ServiceSpec, tier: int, bandwidth_kbps: int) -> int:
    """T_s * g(b) * w_f in nanoseconds: the processing delay of the flow on a fully used host of that tier.

    g(b) = 0.5 + 0.5 b / mean b (docs/city.md, "Processing delay"). Integer division, rounds down.
    """
    weight = PROCESSING_WEIGHT_PERCENT[tier]
    return spec.processing_ns * weight * (spec.mean_bandwidth_kbps + bandwidth_kbps) // (200 * spec.mean_bandwidth_kbps)


def host_processing_us(used_ucores: int, coefficient_ns: int, nominal_ucores: int) -> int:
    """Processing delay on one host, from the snapshot without the flow's own load. Rounds down."""
    return used_ucores * coefficient_ns // (nominal_ucores * 1000)


def commit_request(
    city: City, flow: FlowRequest, links: Sequence[int], *, priority: int = 0, displaces: bool = True
) -> CommitRequest:
    """The reservation that carrying `flow` over `links` needs.

    Args:
        links: directed link indices in order, from the source to the destination.
        priority, displaces: of the reservation, `CommitRequest`.
    Raises:
        InvalidRoute: it does not connect, starts or ends elsewhere, skips a stage of the chain, or forwards through a host.
        OutOfRange: a link index that does not exist, or more than `MAX_ROUTE_LINKS` links.
    """
    route = tuple(links)
    hosts, propagation_us = _walk(city, flow, route)
    spec = city.services[flow.service]
    bandwidth_kbps, n_links = flow.bandwidth_kbps, city.n_links
    entries = dict.fromkeys(route, bandwidth_kbps)
    if len(entries) < len(route):
        entries = {link: bandwidth_kbps * count for link, count in Counter(route).items()}
    terms = []
    for node in hosts:
        tier, _, nominal_ucores = city.node_table[node]
        demand_ucores = bandwidth_kbps * spec.compute_ucore_per_kbps[tier]
        if demand_ucores:
            entries[n_links + node] = demand_ucores
        coefficient_ns = processing_coefficient_ns(spec, tier, bandwidth_kbps)
        if coefficient_ns:
            terms.append((n_links + node, coefficient_ns, nominal_ucores))
    return CommitRequest(
        flow_id=flow.flow_id,
        service=flow.service,
        expiry_ms=flow.end_ms,
        budget_us=spec.latency_budget_us,
        propagation_us=propagation_us,
        entries=tuple(entries.items()),
        hosts=tuple(terms),
        route=route,
        priority=priority,
        displaces=displaces,
    )


def _walk(city: City, flow: FlowRequest, links: Sequence[int]) -> tuple[list[int], int]:
    """Hosts of the chain in order and total propagation, or the reason why this is no route of the flow."""
    if not 1 <= len(links) <= MAX_ROUTE_LINKS:
        raise OutOfRange(f"flow {flow.flow_id}: a route has 1 to {MAX_ROUTE_LINKS} links, got {len(links)}")
    uplink = flow.direction == Direction.UPLINK
    chain = _UPLINK_CHAIN if uplink else _DOWNLINK_CHAIN
    node = flow.ru if uplink else flow.upf
    hosts = [node]
    propagation_us = 0
    table, n_links = city.link_table, city.n_links
    for link in links:
        if not 0 <= link < n_links:
            raise OutOfRange(f"flow {flow.flow_id}: link {link} does not exist, the city has links 0 to {n_links - 1}")
        source, target, latency_us, kind = table[link]
        if source != node:
            at, stands = city.node_names[source], city.node_names[node]
            raise InvalidRoute(f"flow {flow.flow_id}: link {link} leaves {at} but the route stands at {stands}")
        node = target
        propagation_us += latency_us
        if kind <= LAST_HOST_KIND:
            _check_host(city, flow, node, chain, stage=len(hosts))
            hosts.append(node)
    if len(hosts) != len(chain) or node != hosts[-1]:
        raise InvalidRoute(
            f"flow {flow.flow_id}: the route ends at {city.node_names[node]} after {len(hosts)} of {len(chain)} functions"
        )
    return hosts, propagation_us


def _check_host(city: City, flow: FlowRequest, node: int, chain: Sequence[int], *, stage: int) -> None:
    """Hosts never forward transit traffic: one may be entered only to run the chain's next function there."""
    kind, upf_service, _ = city.node_table[node]
    if stage >= len(chain) or kind != chain[stage]:
        expected = NodeKind(chain[stage]).name if stage < len(chain) else "nothing more"
        raise InvalidRoute(f"flow {flow.flow_id}: the route enters {city.node_names[node]} where {expected} comes next")
    if kind == _O_RU and node != flow.ru:
        raise InvalidRoute(f"flow {flow.flow_id}: the route ends at {city.node_names[node]}, not at {city.node_names[flow.ru]}")
    if kind == _UPF and not (upf_service == city.upf_pool[flow.service] and flow.upf in (ANY_UPF, node)):
        raise InvalidRoute(f"flow {flow.flow_id}: {city.node_names[node]} does not serve {city.services[flow.service].key}")
