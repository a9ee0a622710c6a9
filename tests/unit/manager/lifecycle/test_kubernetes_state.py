"""What Deployments and pods say about instances. The objects are of the form that kubelet and controllers write."""

import copy

import kubernetes_validate
import pytest

from services.manager.lifecycle.descriptor import XappVersion
from services.manager.lifecycle.driver import WorkloadState
from services.manager.lifecycle.kubernetes_manifest import KubernetesPlace, deployment
from services.manager.lifecycle.kubernetes_state import workloads_of

PLACE = KubernetesPlace("city", "ricity", "ricity:0.1.0")
SETTINGS = {"RICITY_CONFIG_GENERATION": "3"}
RUNNING = {"state": {"running": {"startedAt": "2026-01-01T00:00:05Z"}}, "ready": True}
ENDED = {"exitCode": 2, "reason": "Error", "startedAt": "2026-01-01T00:00:05Z", "finishedAt": "2026-01-01T00:00:06Z"}
SAID = {**ENDED, "message": 'first\n{"event": "process.failed", "error": "no such policy"}\n'}
RESTARTED = {"state": RUNNING["state"], "lastState": {"terminated": SAID}, "ready": False, "restartCount": 1}


def deployment_of(replicas=1, version="1.0.0", **status):
    made = deployment(PLACE, XappVersion("a", version, module="xapps.a"), {}, SETTINGS)
    made["metadata"] |= {"creationTimestamp": "2026-01-01T00:00:00Z", "uid": "1", "resourceVersion": "1"}
    made["spec"]["replicas"] = replicas
    return made | {"status": status}


def pod_of(made, suffix, *, at_s=1, phase="Running", container=None, **metadata):
    template = copy.deepcopy(made["spec"]["template"])
    template["metadata"] |= {"name": f"{made['metadata']['name']}-{suffix}", "creationTimestamp": f"2026-01-01T00:00:{at_s:02}Z"}
    template["metadata"] |= metadata
    told = {"name": "xapp", "image": "ricity:0.1.0", "imageID": "", "restartCount": 0, "ready": False, "state": {}}
    status = {"phase": phase} | ({"containerStatuses": [told | container]} if container else {})
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "status": status}
    kubernetes_validate.validate(pod, "1.37", strict=True)
    return pod


def only(made, pod):
    (workload,) = workloads_of([made], [pod])
    return workload


def test_an_instance_is_a_pod():
    made = deployment_of(version="1.0.0+b")
    seen = only(made, pod_of(made, "x", container=RUNNING))
    assert (seen.name, seen.version, seen.state, seen.settings) == ("a", "1.0.0+b", WorkloadState.RUNNING, SETTINGS)
    assert seen.instance_id == f"{made['metadata']['name']}-x"
    assert (seen.exit_code, seen.detail) == (None, "")


def test_pods_that_the_cluster_owes_count():
    made = deployment_of(replicas=3)
    pod = pod_of(made, "x", container=RUNNING)
    name = made["metadata"]["name"]
    assert [each.instance_id for each in workloads_of([made], [pod])] == [f"{name}-x", f"{name}/2", f"{name}/3"]


@pytest.mark.parametrize("state", ["", "pending", "starting"])
def test_what_may_still_start_runs(state):
    made = deployment_of()
    container = {
        "": None,
        "pending": {"state": {"waiting": {"reason": "ContainerCreating"}}},
        "starting": {**RUNNING, "ready": False},
    }
    assert only(made, pod_of(made, "x", phase="Pending", container=container[state])).state == WorkloadState.RUNNING


@pytest.mark.parametrize(
    ("container", "exit_code", "detail"),
    [
        ({"state": {"terminated": SAID}}, 2, SAID["message"].strip().splitlines()[-1]),
        ({"state": {"terminated": {**ENDED, "exitCode": 137, "reason": "OOMKilled"}}}, 137, "OOMKilled"),
        (
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ENDED}, "restartCount": 4},
            2,
            "Error",
        ),
        (RESTARTED, 2, SAID["message"].strip().splitlines()[-1]),
        ({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no x:1"}}}, None, "ImagePullBackOff: no x:1"),
        ({"state": {"waiting": {"reason": "InvalidImageName"}}}, None, "InvalidImageName"),
    ],
    ids=["ended", "out of memory", "crash loop", "restarted, not ready", "image missing", "image wrong"],
)
def test_what_has_ended_or_cannot_start(container, exit_code, detail):
    made = deployment_of()
    seen = only(made, pod_of(made, "x", container=container))
    assert (seen.state, seen.exit_code, seen.detail) == (WorkloadState.EXITED, exit_code, detail)


def test_what_has_ended_and_is_ready_again_runs():
    made = deployment_of()
    assert only(made, pod_of(made, "x", container={**RESTARTED, "ready": True})).state == WorkloadState.RUNNING


def test_what_is_about_to_end_or_has_been_replaced_is_none():
    made = deployment_of(replicas=1)
    leaving = pod_of(made, "old", container=RUNNING, deletionTimestamp="2026-01-01T00:01:00Z")
    evicted = pod_of(made, "evicted", phase="Failed")
    stays = pod_of(made, "new", at_s=9, container=RUNNING)
    assert [each.instance_id[-3:] for each in workloads_of([made], [leaving, evicted, stays])] == ["new"]
    assert workloads_of([deployment_of(replicas=0)], [leaving]) == []


def test_of_more_pods_than_wanted_the_one_that_was_given_up_does_not_count():
    made = deployment_of(replicas=1)
    given_up = pod_of(made, "old", container=RUNNING, annotations={"controller.kubernetes.io/pod-deletion-cost": "-1"})
    stays = pod_of(made, "new", at_s=9, container=RUNNING)
    assert [each.instance_id[-3:] for each in workloads_of([made], [given_up, stays])] == ["new"]


def test_pods_of_other_deployments_are_theirs():
    made, other = deployment_of(), deployment_of(version="2.0.0")
    seen = workloads_of(
        [other, made], [pod_of(made, "x", at_s=1, container=RUNNING), pod_of(other, "y", at_s=2, container=RUNNING)]
    )
    assert [each.version for each in seen] == ["1.0.0", "2.0.0"]


def test_a_deployment_of_the_chart_has_no_annotations():
    made = deployment_of()
    del made["metadata"]["annotations"]
    seen = only(made, pod_of(made, "x", container=RUNNING))
    assert (seen.version, seen.settings) == ("1.0.0", {})


def test_a_refusal_of_the_controllers_is_the_end_of_what_is_owed():
    refusal = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: q"}
    made = deployment_of(conditions=[refusal])
    kubernetes_validate.validate(made, "1.37", strict=True)
    (seen,) = workloads_of([made], [])
    assert (seen.state, seen.detail) == (WorkloadState.EXITED, "exceeded quota: q")
