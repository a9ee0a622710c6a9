"""The A1 policy types: their JSON schemas (draft 7), and what a policy of each asks of the RIC.

Names and fields are those of O-RAN's A1 type definitions. Ours are `serviceIdList` in a scope and `linkIdList` and
`nodeIdList` among the resources of traffic steering: a city has links and hosts where the standard has cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from ric_sim.domain.errors import InvalidInput
from ric_sim.domain.priority import HIGHEST
from ricity.a1.v1 import policy_pb2

Document = Mapping[str, Any]

STATUS_SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "enforceStatus": {"enum": ["ENFORCED", "NOT_ENFORCED"]},
        "enforceReason": {"enum": ["SCOPE_NOT_APPLICABLE", "STATEMENT_NOT_APPLICABLE", "OTHER_REASON"]},
    },
    "required": ["enforceStatus"],
    "additionalProperties": False,
}

_LEVELS_PER_PRIORITY = 16
"""3GPP priority levels 1 (highest) to 127 onto the eight priorities of a reservation."""

_MOST_KBPS = 2**53
"""More than any radio network carries; larger numbers stand for it."""

_NAMES = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 128}, "minItems": 1, "maxItems": 1000}
_SLICE = {
    "type": "object",
    "properties": {
        "sst": {"type": "integer", "minimum": 0, "maximum": 255},
        "sd": {"type": "string", "pattern": "^[0-9A-Fa-f]{6}$"},
        "plmnId": {
            "type": "object",
            "properties": {
                "mcc": {"type": "string", "pattern": "^[0-9]{3}$"},
                "mnc": {"type": "string", "pattern": "^[0-9]{2,3}$"},
            },
            "required": ["mcc", "mnc"],
            "additionalProperties": False,
        },
    },
    "required": ["sst", "sd"],
    "additionalProperties": False,
}
_PER_USER = ("ueId", "groupId", "qosId", "cellId")
"""Scopes of the standard that are accepted and cannot apply: requests here are bundles of a service, not single users."""

_ANY_ID = {"type": ["object", "string"]}
_OBJECT = {"type": "object", "minProperties": 1}


def _scope(*, required: tuple[str, ...] = ()) -> dict[str, Any]:
    properties = {"serviceIdList": _NAMES, "sliceId": _SLICE, **dict.fromkeys(_PER_USER, _ANY_ID)}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _schema(scope: Document, name: str, statement: Document) -> dict[str, Any]:
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"scope": scope, name: statement},
        "required": ["scope", name],
        "additionalProperties": False,
    }


def _numbers(*, integers: Mapping[str, tuple[int, int]], rates: tuple[str, ...] = (), shares: tuple[str, ...] = ()) -> Document:
    """Objectives by name: integers in a range, rates and times >= 0, shares from 0 to 1."""
    properties: dict[str, Any] = {
        name: {"type": "integer", "minimum": low, "maximum": high} for name, (low, high) in integers.items()
    }
    properties |= {name: {"type": "number", "minimum": 0} for name in rates}
    properties |= {name: {"type": "number", "minimum": 0, "maximum": 1} for name in shares}
    return {**_OBJECT, "properties": properties, "additionalProperties": False}


_TSP_RESOURCE = {
    "type": "object",
    "properties": {
        "preference": {"enum": ["SHALL", "PREFER", "AVOID", "FORBID"]},
        "linkIdList": _NAMES,
        "nodeIdList": _NAMES,
        "cellIdList": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 1000},
    },
    "required": ["preference"],
    "minProperties": 2,
    "additionalProperties": False,
}
_SLA = _numbers(
    integers={"dlSlicePriority": (1, 255), "maxNumberOfUes": (0, 2**31 - 1), "maxNumberOfPduSessions": (0, 2**31 - 1)},
    rates=tuple(
        f"{name}{direction}{rest}"
        for direction in ("Dl", "Ul")
        for name, rest in (
            ("gua", "ThptPerSlice"),
            ("max", "ThptPerSlice"),
            ("max", "ThptPerUe"),
            ("max", "PacketDelayPerUe"),
            ("max", "JitterPerUe"),
        )
    ),
    shares=(
        "maxDlPdcpSduPacketLossRatePerUe",
        "maxUlRlcSduPacketLossRatePerUe",
        "minDlReliabilityPerUe",
        "minUlReliabilityPerUe",
    ),
)
_QOS = _numbers(integers={"priorityLevel": (1, 127)}, rates=("gfbr", "mfbr", "pdb"))


@dataclass(frozen=True)
class PolicyType:
    """One policy type.

    Attributes:
        type_id: its name in paths; `number` in the dialect of O-RAN SC.
        schema: of the policy; `demand` puts what a valid one states into the message for the RIC.
    """

    type_id: str
    number: int
    summary: str
    schema: dict[str, Any]
    demand: Callable[[Document, policy_pb2.Policy], None]

    def policy(self, policy_id: str, document: Any) -> policy_pb2.Policy:
        """The policy for the RIC, without document and destination; `InvalidInput` if the document breaks the schema."""
        error = best_match(Draft7Validator(self.schema).iter_errors(document))
        if error is not None:
            where = "/".join(map(str, error.absolute_path)) or "policy"
            raise InvalidInput(f"{where}: {error.message:.300} (schema: policytypes/{self.type_id})")
        policy = policy_pb2.Policy(policy_id=policy_id, policy_type_id=self.type_id)
        _fill_scope(document["scope"], policy)
        self.demand(document, policy)
        return policy


def _fill_scope(scope: Document, policy: policy_pb2.Policy) -> None:
    policy.scope.service_keys.extend(scope.get("serviceIdList", ()))
    if "sliceId" in scope:
        policy.scope.slice = f"{scope['sliceId']['sst']}-{scope['sliceId']['sd'].lower()}"
    if any(name in scope for name in _PER_USER):
        policy.inapplicable = policy_pb2.NOT_ENFORCED_REASON_SCOPE_NOT_APPLICABLE


def _steering(document: Document, policy: policy_pb2.Policy) -> None:
    for resource in document["tspResources"]:
        preference = policy_pb2.Preference.Value(f"PREFERENCE_{resource['preference']}")
        links, nodes = resource.get("linkIdList", ()), resource.get("nodeIdList", ())
        policy.steering.append(policy_pb2.Steering(preference=preference, links=links, nodes=nodes))
        if "cellIdList" in resource:
            _not_applicable(policy)


def _qos_target(document: Document, policy: policy_pb2.Policy) -> None:
    objectives = document["qosObjectives"]
    if set(objectives) == {"priorityLevel"}:
        policy.priority.priority = HIGHEST - (objectives["priorityLevel"] - 1) // _LEVELS_PER_PRIORITY
    else:
        _not_applicable(policy)


def _sla_target(document: Document, policy: policy_pb2.Policy) -> None:
    objectives = document["sliceSlaObjectives"]
    if not set(objectives) <= {"dlSlicePriority", "guaDlThptPerSlice"}:
        _not_applicable(policy)
        return
    if "dlSlicePriority" in objectives:
        policy.priority.priority = max(HIGHEST + 1 - objectives["dlSlicePriority"], 0)
    if "guaDlThptPerSlice" in objectives:
        policy.guarantee.dl_kbps = math.ceil(min(objectives["guaDlThptPerSlice"], _MOST_KBPS))


def _not_applicable(policy: policy_pb2.Policy) -> None:
    """A policy is enforced as a whole or not at all: one statement nobody obeys is enough."""
    policy.inapplicable = policy.inapplicable or policy_pb2.NOT_ENFORCED_REASON_STATEMENT_NOT_APPLICABLE


POLICY_TYPES: dict[str, PolicyType] = {
    policy_type.type_id: policy_type
    for policy_type in (
        PolicyType(
            "ORAN_TrafficSteeringPreference",
            20001,
            "links and hosts that flows shall, prefer to, avoid to or must not use",
            _schema(_scope(), "tspResources", {"type": "array", "items": _TSP_RESOURCE, "minItems": 1, "maxItems": 100}),
            _steering,
        ),
        PolicyType(
            "ORAN_QoSTarget",
            20002,
            "priority level of services: who gives way where there is no room for all",
            _schema(_scope(), "qosObjectives", _QOS),
            _qos_target,
        ),
        PolicyType(
            "ORAN_SliceSLATarget",
            20003,
            "objectives of a slice; priority and guaranteed DL throughput are enforced, others are reported as not enforced",
            _schema(_scope(required=("sliceId",)), "sliceSlaObjectives", _SLA),
            _sla_target,
        ),
    )
}
