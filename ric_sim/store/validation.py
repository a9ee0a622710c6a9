"""What a store refuses before it asks the server; the scripts refuse the same, so no client can corrupt a namespace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ric_sim.domain.errors import InvalidInput, OutOfRange, OversizeMessage
from ric_sim.domain.priority import check_priority
from ric_sim.domain.reservation import CommitRequest
from ric_sim.network.admission import MAX_ROUTE_LINKS
from ric_sim.store.base import StoreLayout

MAX_FLOW_ID_CHARS = 128
MAX_ENTRIES = 128
MAX_HOSTS = 16
MAX_U16 = 2**16 - 1
MAX_U32 = 2**32 - 1
MAX_EXACT = 2**53 - 1
"""Largest integer that Lua's numbers and sorted-set scores hold exactly."""


@dataclass(frozen=True, slots=True)
class ResourceBounds:
    """The part of a `StoreLayout` that requests are checked against; `limits` as plain integers for fast look-up."""

    n_links: int
    limits: tuple[int, ...]

    @classmethod
    def of(cls, layout: StoreLayout) -> ResourceBounds:
        """Bounds of a layout; `OutOfRange` if its limits do not have one value for each link and node."""
        if min(layout.n_links, layout.n_nodes) < 1 or len(layout.limits) != layout.n_links + layout.n_nodes:
            raise OutOfRange(
                f"{len(layout.limits)} limits for {layout.n_links} links and {layout.n_nodes} nodes: one for each is needed"
            )
        return cls(layout.n_links, tuple(layout.limits.tolist()))


def check_now(now_ms: int) -> None:
    """Raises `OutOfRange` unless `now_ms` is an emulated time the store can hold."""
    if not (isinstance(now_ms, int) and 0 <= now_ms <= MAX_EXACT):
        raise OutOfRange(f"now_ms {now_ms!r}: expected an integer from 0 to {MAX_EXACT}")


def check_flow_id(flow_id: str) -> None:
    """Raises `InvalidInput` unless `flow_id` is 1 to 128 printable ASCII characters."""
    if not (isinstance(flow_id, str) and flow_id.isascii() and flow_id.isprintable() and 1 <= len(flow_id) <= MAX_FLOW_ID_CHARS):
        raise InvalidInput(f"flow id {flow_id!r:.140}: expected 1 to {MAX_FLOW_ID_CHARS} printable ASCII characters")


def check_request(request: CommitRequest, bounds: ResourceBounds) -> None:
    """Refuses a request that could never be meant.

    Raises:
        InvalidInput: bad flow id, or a resource given twice.
        OversizeMessage: more entries, hosts or links than the interface takes.
        OutOfRange: an amount, time, resource or link outside its range (also NaN), or no entries.
    """
    check_flow_id(request.flow_id)
    flow_id, n_resources = request.flow_id, len(bounds.limits)
    if len(request.entries) > MAX_ENTRIES or len(request.hosts) > MAX_HOSTS or len(request.route) > MAX_ROUTE_LINKS:
        raise OversizeMessage(
            f"flow {flow_id}: {len(request.entries)} entries, {len(request.hosts)} hosts and {len(request.route)} links; "
            f"at most {MAX_ENTRIES}, {MAX_HOSTS} and {MAX_ROUTE_LINKS} are taken"
        )
    if not request.entries:
        raise OutOfRange(f"flow {flow_id}: a commit reserves at least one resource")
    for resource, amount in request.entries:
        if not (0 <= resource < n_resources and 1 <= amount <= MAX_U32):
            raise OutOfRange(
                f"flow {flow_id}: amount {amount} of resource {resource}; expected 1 to {MAX_U32} of 0 to {n_resources - 1}"
            )
    if len(dict(request.entries)) != len(request.entries):
        raise InvalidInput(f"flow {flow_id}: a resource is given twice; add its amounts up")
    if request.priority:
        check_priority(request.priority, f"flow {flow_id}")
    _check_scalars(request)
    _check_hosts(request, bounds)
    _check_route(flow_id, request.route, bounds.n_links)


def _check_scalars(request: CommitRequest) -> None:
    if not (
        0 <= request.service <= MAX_U16
        and 0 <= request.expiry_ms <= MAX_EXACT
        and 0 <= request.budget_us <= MAX_U32
        and 0 <= request.propagation_us <= MAX_U32
    ):
        raise OutOfRange(
            f"flow {request.flow_id}: service {request.service}, expiry {request.expiry_ms} ms, budget {request.budget_us} us, "
            f"propagation {request.propagation_us} us; at most {MAX_U16}, {MAX_EXACT}, {MAX_U32} and {MAX_U32}, none negative"
        )


def _check_hosts(request: CommitRequest, bounds: ResourceBounds) -> None:
    limits = bounds.limits
    for resource, coefficient_ns, nominal_ucores in request.hosts:
        if not (
            bounds.n_links <= resource < len(limits)
            and 0 <= coefficient_ns <= MAX_U32
            and 1 <= nominal_ucores <= MAX_U32
            and limits[resource] * coefficient_ns <= MAX_EXACT
        ):
            raise OutOfRange(
                f"flow {request.flow_id}: host ({resource}, {coefficient_ns} ns, {nominal_ucores} ucores); expected a compute "
                f"resource from {bounds.n_links} to {len(limits) - 1}, nominal at least 1, limit x coefficient below 2^53"
            )


def _check_route(flow_id: str, route: Sequence[int], n_links: int) -> None:
    if route and not 0 <= min(route) <= max(route) < n_links:
        raise OutOfRange(f"flow {flow_id}: a link of the route does not exist; the store has links 0 to {n_links - 1}")
