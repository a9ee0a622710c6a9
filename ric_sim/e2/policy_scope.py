"""What an A1 policy means in one city: from names to services, links and priorities."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ric_sim.domain.errors import InvalidInput, OutOfRange, UnknownKey
from ric_sim.domain.priority import check_priority
from ric_sim.e2.slice_guarantees import Guarantee, guarantee_of
from ric_sim.network.city import City, NodeKind
from ricity.a1.v1 import policy_pb2

MAX_POLICY_ID_LENGTH = 128
_NEAR_NAMES = 8

_NONE: frozenset[int] = frozenset()
_OTHERS_EXIST = (NodeKind.O_DU, NodeKind.O_CU, NodeKind.UPF)
"""Kinds of which a flow may choose one: only there do SHALL and PREFER say something."""


@dataclass(frozen=True, slots=True)
class Directive:
    """A policy in terms of one city.

    Attributes:
        services: indices of the services in its scope.
        forbidden, avoided: links (resources) without room, always or unless there is no other way.
        priority: of flows of these services, None: it says nothing about that.
        guarantee: DL throughput of the slice in the radio network, None: it says nothing about that.
        reason: why no part of Ricity can enforce it; UNSPECIFIED when one can.
    """

    services: tuple[int, ...]
    forbidden: frozenset[int] = _NONE
    avoided: frozenset[int] = _NONE
    priority: int | None = None
    guarantee: Guarantee | None = None
    reason: policy_pb2.NotEnforcedReason.ValueType = policy_pb2.NOT_ENFORCED_REASON_UNSPECIFIED


def directive_of(city: City, policy: policy_pb2.Policy) -> Directive:
    """What a policy demands.

    Raises:
        UnknownKey: a service, link or node the city does not have.
        OutOfRange: an id or priority that cannot be.
    """
    check_policy_id(policy.policy_id)
    services = _services(city, policy.scope)
    if policy.inapplicable:
        return Directive(services, reason=policy.inapplicable)
    if not services:
        return Directive((), reason=policy_pb2.NOT_ENFORCED_REASON_SCOPE_NOT_APPLICABLE)
    forbidden, avoided = set[int](), set[int]()
    for statement in policy.steering:
        links = _links_to_leave(city, statement)
        if links is None:
            return Directive(services, reason=policy_pb2.NOT_ENFORCED_REASON_STATEMENT_NOT_APPLICABLE)
        is_strict = statement.preference in (policy_pb2.PREFERENCE_FORBID, policy_pb2.PREFERENCE_SHALL)
        (forbidden if is_strict else avoided).update(links)
    priority = None
    if policy.HasField("priority"):
        priority = policy.priority.priority
        check_priority(priority, f"policy {policy.policy_id}")
    guarantee = None
    if policy.HasField("guarantee"):
        guarantee = guarantee_of(policy)
        if guarantee is None:
            return Directive(services, reason=policy_pb2.NOT_ENFORCED_REASON_SCOPE_NOT_APPLICABLE)
    return Directive(services, frozenset(forbidden), frozenset(avoided - forbidden), priority, guarantee)


def check_policy_id(policy_id: str) -> None:
    """Raises `OutOfRange` unless it is 1 to 128 printable ASCII characters."""
    if not 1 <= len(policy_id) <= MAX_POLICY_ID_LENGTH or not policy_id.isascii() or not policy_id.isprintable():
        raise OutOfRange(f"policy id {policy_id[:40]!r}: expected 1 to {MAX_POLICY_ID_LENGTH} printable ASCII characters")


def _services(city: City, scope: policy_pb2.Scope) -> tuple[int, ...]:
    for key in scope.service_keys:
        if key not in city.service_index:
            raise UnknownKey("service", key, city.service_index)
    return tuple(
        index
        for index, spec in enumerate(city.services)
        if (not scope.service_keys or spec.key in scope.service_keys) and scope.slice in ("", str(spec.slice_id))
    )


def _links_to_leave(city: City, statement: policy_pb2.Steering) -> frozenset[int] | None:
    """The links a statement takes away; None if it says nothing that routes could obey."""
    if not statement.preference:
        raise OutOfRange("a steering statement without preference: expected SHALL, PREFER, AVOID or FORBID")
    named = frozenset(_link(city, name) for name in statement.links)
    nodes = [_node(city, name) for name in statement.nodes]
    if not named and not nodes:
        return None
    if statement.preference in (policy_pb2.PREFERENCE_AVOID, policy_pb2.PREFERENCE_FORBID):
        return named | _links_at(city, nodes)
    if named or any(city.node_kind[node] not in _OTHERS_EXIST for node in nodes):
        return None
    return _links_at(city, _others_of_their_kind(city, nodes))


def _others_of_their_kind(city: City, nodes: Iterable[int]) -> list[int]:
    chosen = set(nodes)
    kinds = {(int(city.node_kind[node]), int(city.upf_service[node])) for node in chosen}
    pairs = zip(city.node_kind.tolist(), city.upf_service.tolist(), strict=True)
    return [node for node, pair in enumerate(pairs) if pair in kinds and node not in chosen]


def _links_at(city: City, nodes: Iterable[int]) -> frozenset[int]:
    """Every route through, from or to a node uses one of them."""
    at = np.isin(city.link_src, list(nodes)) | np.isin(city.link_dst, list(nodes))
    return frozenset(np.flatnonzero(at).tolist())


def _node(city: City, name: str) -> int:
    if name not in city.node_names:
        near = difflib.get_close_matches(name, city.node_names, n=_NEAR_NAMES, cutoff=0.4)
        raise UnknownKey("node (the nearest are listed)", name, near or city.node_names[:_NEAR_NAMES])
    return city.node_names.index(name)


def _link(city: City, name: str) -> int:
    source, separator, target = name.partition(">")
    if not separator:
        raise InvalidInput(f"link {name[:80]!r}: expected <source node>><target node>, e.g. {_link_name(city, 0)}")
    ends = _node(city, source), _node(city, target)
    found = np.flatnonzero((city.link_src == ends[0]) & (city.link_dst == ends[1]))
    if not len(found):
        near = np.flatnonzero(city.link_src == ends[0]).tolist()
        raise UnknownKey("link", name, (_link_name(city, link) for link in near))
    return int(found[0])


def _link_name(city: City, link: int) -> str:
    return f"{city.node_names[city.link_src[link]]}>{city.node_names[city.link_dst[link]]}"
