from ricity.e2.v1 import admin_pb2, common_pb2
from services.cli.e2_command import node_row, subscription_row
from services.cli.kpm_command import report_row
from services.cli.xapp_command import xapp_row


def test_a_node_as_json():
    node = admin_pb2.NodeInfo(ran_name="gnbd_001_001_00019b_3", node_name="du-3", status=2, agent_id="nodes-1")
    node.global_id.plmn_id.mcc, node.global_id.plmn_id.mnc = "001", "01"
    node.global_id.gnb_id, node.global_id.type, node.global_id.unit_id = "00019b", common_pb2.E2_NODE_TYPE_O_CU, 3
    node.ran_functions.add(ran_function_id=2, name="ORAN-E2SM-KPM")
    row = node_row(node)
    assert (row["ran_name"], row["type"], row["plmn"], row["status"]) == (node.ran_name, "O-CU", "001-01", "disconnected")
    assert row["ran_functions"] == [{"id": 2, "name": "ORAN-E2SM-KPM"}]


def test_a_subscription_as_json():
    info = admin_pb2.SubscriptionInfo(subscription_id=4, kind="insert", items=["iot"], instances=["routing-iot/a"], lag=3)
    row = subscription_row(info)
    assert (row["subscription_id"], row["kind"], row["items"], row["instances"], row["lag"]) == (
        4, "insert", ["iot"], ["routing-iot/a"], 3,
    )  # fmt: skip


def test_an_xapp_as_json():
    row = xapp_row(admin_pb2.XappInfo(xapp_name="routing-iot", weight=0, answered_total=7))
    assert (row["xapp_name"], row["weight"], row["answered_total"]) == ("routing-iot", 0, 7)


def test_no_value_is_not_zero():
    report = common_pb2.Report(ran_name="n", collection_start_ms=60_000)
    report.values.add(name="DRB.UEThpDl", label="1-000001", real=0.0)
    report.values.add(name="DRB.UEThpDl", label="1-000002", no_value=True)
    assert [value["value"] for value in report_row(report)["values"]] == [0.0, None]
