"""Between the wire (proto/ricity) and the domain. Everything that comes in is checked here, before anything acts on it."""

from __future__ import annotations

from collections.abc import Sequence

from ric_sim.domain.errors import OutOfRange, UnknownKey
from ric_sim.domain.flow import ANY_UPF, Cause, FlowRequest
from ric_sim.domain.reservation import Change, CommitOutcome, CommitStatus, Snapshot, UsedAmounts
from ric_sim.domain.service import Direction
from ric_sim.e2.store_gate import MAX_TIME_MS
from ric_sim.network.city import City, NodeKind
from ricity.e2.v1 import common_pb2
from ricity.store.v1 import store_pb2

MAX_FLOW_ID_LENGTH = 128
MAX_BANDWIDTH_KBPS = 100_000_000  # 100 Gbps: no link of a city carries more
MAX_TIME_TO_WAIT_MS = 60_000  # E2AP: w60s

# Plain integers and a dictionary: these run for every request, and enum look-ups would cost more than the checks.
_DIRECTIONS = {int(direction): direction for direction in Direction}
_UPLINK = int(Direction.UPLINK)
_O_RU = int(NodeKind.O_RU)


def flow_from_proto(city: City, request: common_pb2.ServiceRequest) -> FlowRequest:
    """The request as a domain object.

    Raises:
        OutOfRange: an amount, time or node that cannot be; UnknownKey: a service the city does not have. Nothing changed.
    """
    flow_id = request.flow_id
    if not 1 <= len(flow_id) <= MAX_FLOW_ID_LENGTH or not flow_id.isascii() or not flow_id.isprintable():
        raise OutOfRange(f"flow id {flow_id[:40]!r}: expected 1 to {MAX_FLOW_ID_LENGTH} printable ASCII characters")
    service = request.service
    if service >= len(city.services):
        raise UnknownKey("service index", service, (f"{i} ({spec.key})" for i, spec in enumerate(city.services)))
    spec = city.services[service]
    direction = _DIRECTIONS.get(request.direction)
    if direction not in spec.directions:
        allowed = ", ".join(f"{int(d)} ({d.name.lower()})" for d in spec.directions)
        raise OutOfRange(f"flow {flow_id}: {spec.key} has direction {allowed}, got {request.direction}")
    _check_amounts(request)
    _check_nodes(city, request)
    return FlowRequest(
        flow_id,
        service,
        direction,
        request.ru,
        request.upf,
        request.bandwidth_kbps,
        request.n_requests,
        request.arrival_ms,
        request.holding_ms,
    )


def _check_amounts(request: common_pb2.ServiceRequest) -> None:
    if not 1 <= request.bandwidth_kbps <= MAX_BANDWIDTH_KBPS:
        raise OutOfRange(f"flow {request.flow_id}: bandwidth {request.bandwidth_kbps} kbps is not in 1 to {MAX_BANDWIDTH_KBPS}")
    if request.n_requests < 1:
        raise OutOfRange(f"flow {request.flow_id}: n_requests is {request.n_requests}, expected at least 1")
    if request.arrival_ms > MAX_TIME_MS or not 1 <= request.holding_ms <= MAX_TIME_MS:
        raise OutOfRange(
            f"flow {request.flow_id}: arrival {request.arrival_ms} ms or holding {request.holding_ms} ms out of range"
        )


def _check_nodes(city: City, request: common_pb2.ServiceRequest) -> None:
    nodes = city.node_table
    if request.ru >= len(nodes) or nodes[request.ru][0] != _O_RU:
        raise OutOfRange(f"flow {request.flow_id}: node {request.ru} is not an O-RU of the city")
    if request.direction == _UPLINK:
        if request.upf != ANY_UPF:
            raise OutOfRange(f"flow {request.flow_id}: an uplink flow leaves the UPF open (upf {ANY_UPF}), got {request.upf}")
    elif not 0 <= request.upf < len(nodes) or nodes[request.upf][1] != city.upf_pool[request.service]:
        raise OutOfRange(f"flow {request.flow_id}: node {request.upf} is not a UPF of {city.services[request.service].key}")


def flow_to_proto(flow: FlowRequest, *, ran_name: str = "", time_to_wait_ms: int = 0) -> common_pb2.ServiceRequest:
    """The message a node sends for a request."""
    return common_pb2.ServiceRequest(
        flow_id=flow.flow_id,
        service=flow.service,
        direction=flow.direction,
        ru=flow.ru,
        upf=flow.upf,
        bandwidth_kbps=flow.bandwidth_kbps,
        n_requests=flow.n_requests,
        arrival_ms=flow.arrival_ms,
        holding_ms=flow.holding_ms,
        time_to_wait_ms=time_to_wait_ms,
        ran_name=ran_name,
    )


def snapshot_to_proto(snapshot: Snapshot) -> common_pb2.StoreSnapshot:
    """Used amounts as little-endian uint32 bytes, pressure (if any) as little-endian float32."""
    message = common_pb2.StoreSnapshot(version=snapshot.version, now_ms=snapshot.now_ms, used=amounts_to_bytes(snapshot.used))
    if snapshot.pressure is not None:
        message.pressure = snapshot.pressure.astype("<f4", copy=False).tobytes()
    return message


def amounts_to_bytes(amounts: UsedAmounts) -> bytes:
    """Little-endian uint32 per resource."""
    return amounts.astype("<u4", copy=False).tobytes()


def admission_cause(cause: Cause, detail: str = "") -> common_pb2.Cause:
    """Our admission causes; the numbers of the two enums are equal."""
    return common_pb2.Cause(admission=int(cause), detail=detail)  # type: ignore[arg-type]


def cause_from_proto(cause: common_pb2.Cause) -> Cause:
    """The admission cause an xApp gives for a reject; anything else counts as AGENT_ERROR."""
    if cause.WhichOneof("group") == "admission" and cause.admission in Cause._value2member_map_ and cause.admission:
        return Cause(cause.admission)
    return Cause.AGENT_ERROR


_STORE_STATUS = {
    CommitStatus.COMMITTED: store_pb2.COMMIT_STATUS_COMMITTED,
    CommitStatus.DUPLICATE: store_pb2.COMMIT_STATUS_DUPLICATE,
    CommitStatus.ABORTED: store_pb2.COMMIT_STATUS_ABORTED,
    CommitStatus.CONFLICT: store_pb2.COMMIT_STATUS_CONFLICT,
}


def outcome_to_proto(outcome: CommitOutcome) -> store_pb2.Outcome:
    """A commit's outcome for the store service."""
    message = store_pb2.Outcome(
        flow_id=outcome.flow_id,
        status=_STORE_STATUS[outcome.status],
        version=outcome.version,
        latency_us=outcome.latency_us,
        links=outcome.route,
        displaced=outcome.displaced,
    )
    if outcome.status == CommitStatus.ABORTED:
        message.cause.CopyFrom(admission_cause(outcome.cause))
        message.resource, message.used, message.limit = max(outcome.resource, 0), outcome.used, outcome.limit
    return message


def change_to_proto(change: Change) -> store_pb2.ChangeRecord:
    """One log record for the store service; the wire's enum has an extra zero value."""
    return store_pb2.ChangeRecord(
        version=change.version,
        kind=int(change.kind) + 1,  # type: ignore[arg-type]
        now_ms=change.now_ms,
        flow_id=change.flow_id,
        service=change.service,
        expiry_ms=change.expiry_ms,
        latency_us=change.latency_us,
        resources=[resource for resource, _ in change.entries],
        amounts=[amount for _, amount in change.entries],
        route=change.route,
        priority=change.priority,
        displaced_by=change.displaced_by,
    )


def resource_name(city: City, resource: int) -> str:
    """A resource for people: `link a>b` or `compute of a`."""
    if resource < city.n_links:
        source, target, _, _ = city.link_table[resource]
        return f"link {city.node_names[source]}>{city.node_names[target]}"
    return f"compute of {city.node_names[resource - city.n_links]}"


def names(items: Sequence[str], *, most: int = 12) -> str:
    """A short list for an error message."""
    shown = ", ".join(items[:most])
    return shown + (f" and {len(items) - most} more" if len(items) > most else "")
