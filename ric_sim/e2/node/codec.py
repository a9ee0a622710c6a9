"""Messages of the node side of the association: what goes out, and what comes in, checked. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ric_sim.domain.errors import Conflict, InvalidInput, Overloaded, RicityError
from ric_sim.domain.flow import Cause
from ric_sim.e2 import PROTOCOL_VERSION, RAN_FUNCTION_KPM, RAN_FUNCTION_RC, kpm
from ric_sim.e2.codec import cause_from_proto, flow_to_proto
from ric_sim.e2.identity import E2Node, global_id_message
from ric_sim.e2.node.ledger import Outcome, Settlement
from ric_sim.e2.node.player import Sending
from ric_sim.e2.node.subscriptions import InsertSubscription, ReportSubscription, Subscription
from ric_sim.network.city import City, NodeKind
from ric_sim.network.traffic import Day
from ricity.e2.v1 import common_pb2, termination_pb2

_KPM_OID = "1.3.6.1.4.1.53148.1.2.2.2"
_RC_OID = "1.3.6.1.4.1.53148.1.1.2.3"

_MAX_COUNT = 32_767
_MAX_LATENCY_US = 2**40

_OUTCOMES = {"applied": Outcome.APPLIED, "rejected": Outcome.REJECTED, "default_action": Outcome.DEFAULT}


def setup_request(city: City, nodes: Sequence[E2Node], agent_id: str) -> termination_pb2.SetupRequest:
    """Who the agent is and what its nodes offer."""
    return termination_pb2.SetupRequest(
        protocol_version=PROTOCOL_VERSION,
        agent_id=agent_id,
        city_fingerprint=city.fingerprint,
        nodes=[
            termination_pb2.E2NodeConfig(
                global_id=global_id_message(node.global_id),
                ran_name=node.ran_name,
                node_name=node.node_name,
                ran_functions=_ran_functions(city, node),
            )
            for node in nodes
        ],
    )


def _ran_functions(city: City, node: E2Node) -> list[common_pb2.RanFunction]:
    """Every node reports; only O-DUs have O-RUs, and so requests to suspend."""
    functions = [
        common_pb2.RanFunction(
            ran_function_id=RAN_FUNCTION_KPM, oid=_KPM_OID, name="ORAN-E2SM-KPM", revision=1, measurements=_measurements()
        )
    ]
    if node.kind == NodeKind.O_DU:
        keys = [spec.key for spec in city.services]
        functions.append(
            common_pb2.RanFunction(
                ran_function_id=RAN_FUNCTION_RC, oid=_RC_OID, name="ORAN-E2SM-RC", revision=1, insert_services=keys
            )
        )
    return functions


def _measurements() -> list[common_pb2.Measurement]:
    return [
        common_pb2.Measurement(
            name=spec.name, unit=spec.unit, minimum=spec.minimum, maximum=spec.maximum, labels=spec.labels, meaning=spec.meaning
        )
        for spec in kpm.CATALOGUE
    ]


def insert_batch(sendings: Iterable[Sending], *, now_ms: int) -> termination_pb2.InsertBatch:
    """The INSERT indications of these requests."""
    requests = []
    for sending in sendings:
        request = flow_to_proto(sending.flow, ran_name=sending.ran_name, time_to_wait_ms=sending.remaining_ms)
        request.resent = sending.resent
        requests.append(request)
    return termination_pb2.InsertBatch(now_ms=now_ms, requests=requests)


def subscription(message: termination_pb2.NodeSubscription) -> Subscription:
    """The subscription asked for. Raises `InvalidInput` for an action that its RAN function does not have."""
    action = message.WhichOneof("action")
    ran_names = tuple(message.ran_names)
    if message.ran_function_id == RAN_FUNCTION_RC and action == "insert":
        return InsertSubscription(message.subscription_id, ran_names, tuple(message.insert.service_keys))
    if message.ran_function_id == RAN_FUNCTION_KPM and action == "report":
        names = tuple(dict.fromkeys(message.report.action.measurement_names))
        period_ms = message.report.trigger.granularity_period_ms
        return ReportSubscription(message.subscription_id, ran_names, names, period_ms)
    raise InvalidInput(
        f"RAN function {message.ran_function_id} with action {action or 'none'} is not offered: "
        f"expected KPM ({RAN_FUNCTION_KPM}) with report, or RC ({RAN_FUNCTION_RC}) with insert"
    )


def admitted(message: termination_pb2.NodeSubscription) -> termination_pb2.ConnectRequest:
    """The nodes do what was asked."""
    result = termination_pb2.SubscriptionResult(subscription_id=message.subscription_id, admitted=True)
    return termination_pb2.ConnectRequest(subscription_result=result)


def refused(message: termination_pb2.NodeSubscription, error: RicityError) -> termination_pb2.ConnectRequest:
    """The nodes do not: E2AP cause and, in its detail, what they offer."""
    cause = common_pb2.Cause(ric=_ric_cause(message, error), detail=str(error))
    result = termination_pb2.SubscriptionResult(subscription_id=message.subscription_id, admitted=False, cause=cause)
    return termination_pb2.ConnectRequest(subscription_result=result)


def _ric_cause(message: termination_pb2.NodeSubscription, error: RicityError) -> common_pb2.RicCause.ValueType:
    if message.ran_function_id not in (RAN_FUNCTION_KPM, RAN_FUNCTION_RC):
        return common_pb2.RIC_CAUSE_RAN_FUNCTION_ID_INVALID
    if isinstance(error, Conflict):
        return common_pb2.RIC_CAUSE_DUPLICATE_ACTION
    if isinstance(error, Overloaded):
        return common_pb2.RIC_CAUSE_EXCESSIVE_ACTIONS
    return common_pb2.RIC_CAUSE_ACTION_NOT_SUPPORTED


def settlement(answer: termination_pb2.Answer) -> Settlement:
    """The final record an answer stands for. Raises `InvalidInput` for one without outcome, or with an impossible amount."""
    outcome = answer.WhichOneof("outcome")
    if outcome is None:
        raise InvalidInput("the answer has no outcome: expected applied, rejected or default_action")
    if max(answer.attempts, answer.deliveries) > _MAX_COUNT or answer.applied.latency_us > _MAX_LATENCY_US:
        raise InvalidInput("the answer states an impossible latency or count")
    decided = outcome in ("applied", "rejected")
    return Settlement(
        outcome=_OUTCOMES[outcome],
        cause=Cause.NONE if outcome == "applied" else cause_from_proto(getattr(answer, outcome)),
        latency_us=answer.applied.latency_us,
        n_links=len(answer.applied.links),
        attempts=answer.attempts,
        deliveries=answer.deliveries,
        instance=f"{answer.xapp}/{answer.xapp_version}/{answer.instance_id}" if decided else "",
    )


def flow_index(day: Day, flow_id: str) -> int:
    """Row of the flow in the day; -1 if it is not one of the day's."""
    digits = flow_id[len(day.name) + 1 :]
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        return -1
    index = int(digits)
    return index if index < len(day) and day.flow_id(index) == flow_id else -1
