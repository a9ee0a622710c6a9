"""From an A1 document to what the RIC is asked."""

import pytest
from jsonschema import Draft7Validator

from ric_sim.domain.errors import InvalidInput
from ricity.a1.v1 import policy_pb2
from services.manager.a1_types import POLICY_TYPES, STATUS_SCHEMA

QOS, SLA = POLICY_TYPES["ORAN_QoSTarget"], POLICY_TYPES["ORAN_SliceSLATarget"]
SCOPE = {"sliceId": {"sst": 1, "sd": "00000A"}}


def test_every_published_schema_is_one():
    for schema in (STATUS_SCHEMA, *(policy_type.schema for policy_type in POLICY_TYPES.values())):
        Draft7Validator.check_schema(schema)


@pytest.mark.parametrize(("level", "priority"), [(1, 7), (16, 7), (17, 6), (112, 1), (113, 0), (127, 0)])
def test_priority_levels_fall_onto_the_eight_priorities(level, priority):
    policy = QOS.policy("p", {"scope": {}, "qosObjectives": {"priorityLevel": level}})
    assert (policy.HasField("priority"), policy.priority.priority) == (True, priority)


@pytest.mark.parametrize(("rank", "priority"), [(1, 7), (2, 6), (8, 0), (255, 0)])
def test_a_slice_priority_is_one_of_the_eight(rank, priority):
    policy = SLA.policy("p", {"scope": SCOPE, "sliceSlaObjectives": {"dlSlicePriority": rank}})
    assert (policy.priority.priority, policy.scope.slice) == (priority, "1-00000a")


@pytest.mark.parametrize("scope", [{"ueId": "u"}, {"cellId": {"cId": {"ncI": 1}}, "serviceIdList": ["voip"]}])
def test_a_scope_of_single_users_applies_to_nothing_here(scope):
    policy = QOS.policy("p", {"scope": scope, "qosObjectives": {"priorityLevel": 1}})
    assert policy.inapplicable == policy_pb2.NOT_ENFORCED_REASON_SCOPE_NOT_APPLICABLE


@pytest.mark.parametrize(
    ("policy_type", "document", "where"),
    [
        (QOS, {"scope": {}, "qosObjectives": {"priorityLevel": 128}}, "qosObjectives/priorityLevel"),
        (QOS, {"scope": {}, "qosObjectives": {}}, "qosObjectives"),
        (SLA, {"scope": {}, "sliceSlaObjectives": {"dlSlicePriority": 1}}, "scope"),
        (SLA, {"scope": SCOPE, "sliceSlaObjectives": {"minDlReliabilityPerUe": 1.5}}, "minDlReliabilityPerUe"),
        (
            SLA,
            {"scope": {"sliceId": {"sst": 256, "sd": "000001"}}, "sliceSlaObjectives": {"dlSlicePriority": 1}},
            "scope/sliceId/sst",
        ),
    ],
)
def test_a_document_against_the_schema_is_refused_and_the_place_named(policy_type, document, where):
    with pytest.raises(InvalidInput, match=where):
        policy_type.policy("p", document)
