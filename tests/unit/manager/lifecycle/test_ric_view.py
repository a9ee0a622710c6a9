"""Which instance at the RIC is which container or process."""

import pytest

from services.manager.lifecycle.driver import Workload, WorkloadState
from services.manager.lifecycle.ric_view import Attached, RicView

CONTAINER = "0123456789ab"


def attached(instance_id, name="routing-voip"):
    return Attached(name, "1.0.0", instance_id, 100, False, 0, 1, 0, 0, 0, workload_id=instance_id)


@pytest.mark.parametrize(
    ("instance_id", "name", "workload_id"),
    [
        (f"{CONTAINER}-5f00ba42", "routing-voip", CONTAINER),
        (CONTAINER, "routing-voip", CONTAINER),
        ("routing-voip-1", "routing-voip", "routing-voip-1"),
        ("routing-voip-12", "routing-voip", "routing-voip-12"),
        (f"{CONTAINER}-5f00ba42", "routing-video", f"{CONTAINER}-5f00ba42"),
        (f"{CONTAINER}5f00ba42", "routing-voip", f"{CONTAINER}5f00ba42"),
    ],
)
def test_an_instance_is_known_as_its_workload(instance_id, name, workload_id):
    workloads = [Workload(known, "routing-voip", "", WorkloadState.RUNNING) for known in (CONTAINER, "routing-voip-1")]
    (row,) = RicView(attached=[attached(instance_id, name)]).of_workloads(workloads).attached
    assert (row.instance_id, row.workload_id) == (instance_id, workload_id)
